"""What ``laaf predict`` writes: arrays of inputs and outputs by name, in a file that any program can load safely."""
