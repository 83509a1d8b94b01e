"""From files of any form to slices with masks: what `convert` and a run read."""
