"""Shapes as settings: in YAML, by class path and arguments."""

from __future__ import annotations

import pytest
import yaml
from jsonargparse import ArgumentParser

from laaf_lightning.problems import Box, Disc, Ellipse, Geometry, OverTime, Polygon


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("{class_path: laaf_lightning.Disc, init_args: {center: [1, 2], radius: 0.5}}", Disc((1.0, 2.0), 0.5)),
        ("{class_path: laaf_lightning.Ellipse, init_args: {semi_axes: [2, 1], angle: 1}}", Ellipse((0, 0), (2, 1), 1)),
        (
            "{class_path: laaf_lightning.Polygon, init_args: {corners: [[0, 0], [1, 0], [0, 1]], coordinates: [a, b]}}",
            Polygon([(0, 0), (1, 0), (0, 1)], coordinates=("a", "b")),
        ),
        (
            """
            class_path: laaf_lightning.OverTime
            init_args:
              space:
                class_path: laaf_lightning.problems.geometry.Difference
                init_args:
                  first: {class_path: laaf_lightning.Disc}
                  second: {class_path: laaf_lightning.Box, init_args: {coordinates: [x, y], ends: [[0, 1], [0, 1]]}}
              times: [0, 2]
            """,
            OverTime(Disc() - Box(("x", "y"), ((0.0, 1.0), (0.0, 1.0))), (0.0, 2.0)),
        ),
    ],
)
def test_shapes_are_built_from_yaml(text: str, shape: Geometry) -> None:
    parser = ArgumentParser()
    parser.add_argument("--geometry", type=Geometry)
    # From 4.53 on `instantiate`; the other name is deprecated then.
    name = "instantiate" if hasattr(parser, "instantiate") else "instantiate_classes"
    built = getattr(parser, name)(parser.parse_object({"geometry": yaml.safe_load(text)}))
    assert built.geometry == shape
