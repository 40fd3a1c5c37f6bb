"""How σ(n·a·z) is computed: the effective slope, exactly 1 at the start, and its product with z."""
