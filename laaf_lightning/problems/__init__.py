"""What is solved: equations with their conditions and known solutions, and the discontinuous function."""

from laaf_lightning.problems.checks import check_points as check_points
from laaf_lightning.problems.checks import check_problem as check_problem
from laaf_lightning.problems.checks import conflicts as conflicts
from laaf_lightning.problems.collocation_batch import CollocationBatch as CollocationBatch
from laaf_lightning.problems.condition_set import ConditionSet as ConditionSet
from laaf_lightning.problems.conditions.condition import Condition as Condition
from laaf_lightning.problems.conditions.faces import Dirichlet as Dirichlet
from laaf_lightning.problems.conditions.faces import FaceCondition as FaceCondition
from laaf_lightning.problems.conditions.faces import Neumann as Neumann
from laaf_lightning.problems.conditions.faces import Robin as Robin
from laaf_lightning.problems.conditions.periodic import Periodic as Periodic
from laaf_lightning.problems.conditions.point_data import PointData as PointData
from laaf_lightning.problems.dry_run import condition_orders as condition_orders
from laaf_lightning.problems.dry_run import residual_orders as residual_orders
from laaf_lightning.problems.equations.allen_cahn import AllenCahn as AllenCahn
from laaf_lightning.problems.equations.burgers import Burgers as Burgers
from laaf_lightning.problems.equations.discontinuous import DOMAIN as DOMAIN
from laaf_lightning.problems.equations.discontinuous import discontinuous_function as discontinuous_function
from laaf_lightning.problems.equations.heat import Heat as Heat
from laaf_lightning.problems.equations.helmholtz import Helmholtz as Helmholtz
from laaf_lightning.problems.equations.inverse_burgers import InverseBurgers as InverseBurgers
from laaf_lightning.problems.exact_solution import exact_solution as exact_solution
from laaf_lightning.problems.geometry import Box as Box
from laaf_lightning.problems.geometry import Geometry as Geometry
from laaf_lightning.problems.pde import PDE as PDE
from laaf_lightning.problems.pde import Ansatz as Ansatz
