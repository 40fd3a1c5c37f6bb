"""The loss of a PINN: its terms, and their weights by name."""
