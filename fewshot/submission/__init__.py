"""The challenge submission: one CSV of label maps, written, scored and validated."""
