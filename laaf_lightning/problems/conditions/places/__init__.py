"""Where a condition holds: faces, boundaries, parts of them, points of one's own, two places paired."""

from laaf_lightning.problems.conditions.places.boundaries import Inside as Inside
from laaf_lightning.problems.conditions.places.boundaries import OnBoundary as OnBoundary
from laaf_lightning.problems.conditions.places.boundaries import OnShape as OnShape
from laaf_lightning.problems.conditions.places.given import as_place as as_place
from laaf_lightning.problems.conditions.places.given import place_refusal as place_refusal
from laaf_lightning.problems.conditions.places.on_face import OnFace as OnFace
from laaf_lightning.problems.conditions.places.pair import Pair as Pair
from laaf_lightning.problems.conditions.places.part import Part as Part
from laaf_lightning.problems.conditions.places.place import Drawn as Drawn
from laaf_lightning.problems.conditions.places.place import Place as Place
from laaf_lightning.problems.conditions.places.place import refuse_outside as refuse_outside
from laaf_lightning.problems.conditions.places.points import Points as Points
