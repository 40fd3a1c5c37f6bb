"""Points in a domain: collocation points, points on conditions, samples of a function."""

from laaf_lightning.data.points.collocation import BurgersDataModule as BurgersDataModule
from laaf_lightning.data.points.collocation import CollocationDataModule as CollocationDataModule
from laaf_lightning.data.points.discontinuous import DiscontinuousFunctionDataModule as DiscontinuousFunctionDataModule
