"""What u must meet beside the equation: any operator at any place; values, derivatives, equal faces, data for short."""

from laaf_lightning.problems.conditions.condition import Condition as Condition
from laaf_lightning.problems.conditions.faces import Dirichlet as Dirichlet
from laaf_lightning.problems.conditions.faces import FaceCondition as FaceCondition
from laaf_lightning.problems.conditions.faces import Neumann as Neumann
from laaf_lightning.problems.conditions.faces import Robin as Robin
from laaf_lightning.problems.conditions.periodic import Periodic as Periodic
from laaf_lightning.problems.conditions.places import Drawn as Drawn
from laaf_lightning.problems.conditions.places import Pair as Pair
from laaf_lightning.problems.conditions.places import Part as Part
from laaf_lightning.problems.conditions.places import Points as Points
from laaf_lightning.problems.conditions.point_data import PointData as PointData
