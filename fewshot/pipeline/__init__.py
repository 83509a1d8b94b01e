"""The whole run: its stages, its directory, and picking up where it stopped."""
