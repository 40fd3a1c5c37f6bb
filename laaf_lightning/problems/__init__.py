"""What is solved: equations with their conditions and known solutions, and the discontinuous function."""

from laaf_lightning.problems.burgers import Burgers as Burgers
from laaf_lightning.problems.discontinuous import DOMAIN as DOMAIN
from laaf_lightning.problems.discontinuous import discontinuous_function as discontinuous_function
from laaf_lightning.problems.pde import PDE as PDE
from laaf_lightning.problems.pde import Dirichlet as Dirichlet
