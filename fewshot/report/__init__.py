"""The HTML report of a run: one file that says how well it went, and shows it."""
