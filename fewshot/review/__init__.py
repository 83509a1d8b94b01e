"""The review page: a person goes through soft labels in a browser on the same machine."""
