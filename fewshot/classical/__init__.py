"""Segmentation without learning: the baseline that every model is compared with."""
