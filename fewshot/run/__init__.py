"""The run directory: its layout and names, stage records, and staleness."""
