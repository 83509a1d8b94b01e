"""What every training shares: the loop, checkpoints, recovery, curves, loggers, devices."""
