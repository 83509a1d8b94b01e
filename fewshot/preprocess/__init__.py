"""Contrast, denoising and edges: pure functions on grey slices, usable with any model."""
