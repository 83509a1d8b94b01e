"""Slices and label maps: reading and writing them, splitting them, and making synthetic ones."""
