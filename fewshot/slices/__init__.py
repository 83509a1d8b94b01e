"""Slices and label maps: reading, writing, splitting, augmenting, and synthetic ones."""
