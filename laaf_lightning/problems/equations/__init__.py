"""Equations with reference solutions, and the discontinuous function."""

from laaf_lightning.problems.equations.allen_cahn import AllenCahn as AllenCahn
from laaf_lightning.problems.equations.burgers import Burgers as Burgers
from laaf_lightning.problems.equations.discontinuous import DOMAIN as DOMAIN
from laaf_lightning.problems.equations.discontinuous import discontinuous_function as discontinuous_function
from laaf_lightning.problems.equations.heat import Heat as Heat
from laaf_lightning.problems.equations.heat_plate import HeatPlate as HeatPlate
from laaf_lightning.problems.equations.helmholtz import Helmholtz as Helmholtz
from laaf_lightning.problems.equations.inverse_burgers import InverseBurgers as InverseBurgers
from laaf_lightning.problems.equations.kovasznay import Kovasznay as Kovasznay
from laaf_lightning.problems.equations.lorenz import Lorenz as Lorenz
from laaf_lightning.problems.equations.poisson import PoissonDisc as PoissonDisc
from laaf_lightning.problems.equations.poisson import PoissonL as PoissonL
from laaf_lightning.problems.equations.wave import Wave as Wave
