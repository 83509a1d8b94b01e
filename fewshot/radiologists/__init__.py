"""The few-shot method: weights, assignment of slices, soft labels, their audit and review."""
