"""Metrics of label maps (Rand, overlap, kappa) and of masks (average precision), with intervals."""
