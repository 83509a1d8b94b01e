"""The complete run: its stages, their order, and resuming where it stopped."""
