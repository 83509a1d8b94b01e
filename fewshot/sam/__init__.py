"""Segment Anything: the only room that imports segment_anything."""
