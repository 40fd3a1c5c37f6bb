"""A problem and the network that solves it, in plain torch."""

from laaf_lightning.solutions.best_constant import best_constant_loss as best_constant_loss
from laaf_lightning.solutions.scales.coefficients import first_guesses as first_guesses
from laaf_lightning.solutions.solution import Solution as Solution
