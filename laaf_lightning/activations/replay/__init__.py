"""How a model was adapted, as plain values that a checkpoint holds, and the same done to another model without data."""
