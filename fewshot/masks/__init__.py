"""Instance masks: run-length encoding, the masks of one slice, COCO files, merging."""
