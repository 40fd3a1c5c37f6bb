"""Any model: its activations found and given slopes."""
