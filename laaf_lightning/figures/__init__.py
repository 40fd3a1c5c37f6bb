"""Arrays in, matplotlib figures out: one way to draw, for TensorBoard and for papers alike."""

from laaf_lightning.figures.canvas import image_of as image_of
from laaf_lightning.figures.classification import ClassificationData as ClassificationData
from laaf_lightning.figures.drawable import Drawable as Drawable
from laaf_lightning.figures.losses import LossCurves as LossCurves
from laaf_lightning.figures.plane import PlaneData as PlaneData
from laaf_lightning.figures.regression import RegressionData as RegressionData
from laaf_lightning.figures.run_facts import RunFacts as RunFacts
from laaf_lightning.figures.sections import ScatteredData as ScatteredData
from laaf_lightning.figures.sections import SliceData as SliceData
from laaf_lightning.figures.slopes import SlopeHistory as SlopeHistory
from laaf_lightning.figures.space_time import SpaceTimeData as SpaceTimeData
