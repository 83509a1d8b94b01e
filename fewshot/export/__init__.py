"""Masks in the forms that other tools open: label PNGs, NIfTI volumes, COCO results."""
