"""Semantic networks: foreground and boundaries, pixel by pixel, and the regions they make up."""
