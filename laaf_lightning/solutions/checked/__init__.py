"""What a problem and its network are tried for before they are trained."""

from laaf_lightning.solutions.checked.coupled_points import about_coupled_points as about_coupled_points
from laaf_lightning.solutions.checked.coupled_points import found_coupled as found_coupled
from laaf_lightning.solutions.checked.coupled_points import refuse_chunks as refuse_chunks
