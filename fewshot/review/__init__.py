"""The review page, where a person reviews soft labels in a browser on the same machine."""
