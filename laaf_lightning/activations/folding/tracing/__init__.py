"""Who makes a value and who reads it, from an affine layer to an activation."""
