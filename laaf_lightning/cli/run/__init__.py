"""What belongs to one run of the command line: its folder, checkpoints, progress and outcome."""
