"""The few-shot heart: weights, assignment of slices, soft labels, audit, and calibration."""
