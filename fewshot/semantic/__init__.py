"""Semantic networks: foreground and boundaries per pixel, and the regions made from them."""
