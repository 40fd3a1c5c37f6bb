"""What loaders, samplers, data sets and modules keep of their own, and change in a fit."""
