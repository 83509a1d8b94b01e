"""Training of all kinds of networks: loop, checkpoints, recovery, curves, loggers, devices."""
