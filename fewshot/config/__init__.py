"""Settings: the tree of a run's settings, and reading it from YAML with dotted overrides."""
