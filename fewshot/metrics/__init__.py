"""How good a label map is (adjusted Rand index) and how good a detector is (average precision)."""
