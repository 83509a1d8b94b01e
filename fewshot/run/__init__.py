"""The run directory: layout, stage records, staleness, and the words for its parts."""
