"""A problem and the network that solves it, in plain torch."""
