"""Equations with reference solutions, and the discontinuous function."""

from laaf_lightning.problems.equations.allen_cahn import AllenCahn as AllenCahn
from laaf_lightning.problems.equations.burgers import Burgers as Burgers
from laaf_lightning.problems.equations.discontinuous import DOMAIN as DOMAIN
from laaf_lightning.problems.equations.discontinuous import discontinuous_function as discontinuous_function
from laaf_lightning.problems.equations.heat import Heat as Heat
from laaf_lightning.problems.equations.helmholtz import Helmholtz as Helmholtz
from laaf_lightning.problems.equations.inverse_burgers import InverseBurgers as InverseBurgers
