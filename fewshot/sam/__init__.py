"""Segment Anything; the only package that imports segment_anything."""
