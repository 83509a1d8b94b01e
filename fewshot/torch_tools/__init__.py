"""What the rooms with networks share: checkpoints, devices and number formats."""
