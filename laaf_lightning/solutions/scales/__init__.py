"""Numbers around 1 inside, physical units outside: of inputs, outputs, terms of the loss and coefficients."""
