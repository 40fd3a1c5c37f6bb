"""Functions of more than a plane shows at once, and functions at points that are no grid."""

from laaf_lightning.figures.sections.scattered import ScatteredData as ScatteredData
from laaf_lightning.figures.sections.slices import SliceData as SliceData
