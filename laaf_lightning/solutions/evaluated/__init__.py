"""What a solution is at points, after training or between steps: u and any derivative, by name."""

from laaf_lightning.solutions.evaluated.derivatives_at import DerivativesAt as DerivativesAt
from laaf_lightning.solutions.evaluated.names import Derivative as Derivative
from laaf_lightning.solutions.evaluated.names import Name as Name
from laaf_lightning.solutions.evaluated.names import parse_names as parse_names
from laaf_lightning.solutions.evaluated.values_at import values_at as values_at
