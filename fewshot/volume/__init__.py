"""From slices to volumes: captures, stacks, linking, reconstruction, volumetry, agreement."""
