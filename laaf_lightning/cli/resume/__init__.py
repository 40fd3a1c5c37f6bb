"""``laaf fit --resume``: an earlier run, its configuration and its newest whole checkpoint."""
