"""The plain network back: slopes that go into the weights of the layer before."""
