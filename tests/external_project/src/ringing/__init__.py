"""Vibrating strings, small pictures and a network of one's own, trained with adaptive activations."""
