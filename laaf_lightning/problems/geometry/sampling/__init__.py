"""Points of a shape and of its boundary: by maps of the unit cube, by rejection, or from those that are given."""
