"""The domains of equations: which points they hold, how these are sampled, and their boundaries with normals."""

from laaf_lightning.problems.geometry.box import Box as Box
from laaf_lightning.problems.geometry.faces import Face as Face
from laaf_lightning.problems.geometry.faces import moved_to as moved_to
from laaf_lightning.problems.geometry.geometry import Difference as Difference
from laaf_lightning.problems.geometry.geometry import Geometry as Geometry
from laaf_lightning.problems.geometry.geometry import Intersection as Intersection
from laaf_lightning.problems.geometry.geometry import Union as Union
from laaf_lightning.problems.geometry.grids import AT_ONCE as AT_ONCE
from laaf_lightning.problems.geometry.grids import axes_in_order as axes_in_order
from laaf_lightning.problems.geometry.grids import in_parts as in_parts
from laaf_lightning.problems.geometry.grids import product_grid as product_grid
from laaf_lightning.problems.geometry.grids import product_part as product_part
from laaf_lightning.problems.geometry.over_time import OverTime as OverTime
from laaf_lightning.problems.geometry.region import holds as holds
from laaf_lightning.problems.geometry.region import near_or_inside as near_or_inside
from laaf_lightning.problems.geometry.sampling.boundary_points import BoundaryPoints as BoundaryPoints
from laaf_lightning.problems.geometry.sampling.unit_cube import Sampler as Sampler
from laaf_lightning.problems.geometry.sampling.unit_cube import sample_unit_cube as sample_unit_cube
from laaf_lightning.problems.geometry.shapes import Ball as Ball
from laaf_lightning.problems.geometry.shapes import Disc as Disc
from laaf_lightning.problems.geometry.shapes import Ellipse as Ellipse
from laaf_lightning.problems.geometry.shapes import PointCloud as PointCloud
from laaf_lightning.problems.geometry.shapes import Polygon as Polygon
