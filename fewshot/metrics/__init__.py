"""How good label maps are (Rand, overlap, kappa) and detectors (average precision); intervals."""
