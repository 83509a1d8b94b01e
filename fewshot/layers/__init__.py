"""Trainable layers to put before or after any network: GAFL, FeatUp."""
