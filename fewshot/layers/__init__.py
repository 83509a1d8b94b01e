"""Trainable layers that fit in front of or behind any network: GAFL, FeatUp."""
