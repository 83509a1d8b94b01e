"""From files of any form to slices with masks, for `convert` and runs."""
