"""Shapes other than a box."""

from laaf_lightning.problems.geometry.shapes.ball import Ball as Ball
from laaf_lightning.problems.geometry.shapes.ball import Disc as Disc
from laaf_lightning.problems.geometry.shapes.ellipse import Ellipse as Ellipse
from laaf_lightning.problems.geometry.shapes.point_cloud import PointCloud as PointCloud
from laaf_lightning.problems.geometry.shapes.polygon import Polygon as Polygon
