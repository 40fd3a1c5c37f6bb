"""The domains of equations: which points they hold, how they are sampled, which faces they have."""

from laaf_lightning.problems.geometry.box import Box as Box
from laaf_lightning.problems.geometry.geometry import Face as Face
from laaf_lightning.problems.geometry.geometry import Geometry as Geometry
from laaf_lightning.problems.geometry.geometry import moved_to as moved_to
