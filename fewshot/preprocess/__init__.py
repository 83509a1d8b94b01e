"""Contrast, denoising and edges: pure functions on grey slices, which any model can use."""
