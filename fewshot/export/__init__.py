"""Masks in the forms of other tools: label PNGs, NIfTI volumes, COCO results."""
