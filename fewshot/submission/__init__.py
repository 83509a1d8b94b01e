"""The challenge submission, one CSV of label maps: writing, scoring, validation."""
