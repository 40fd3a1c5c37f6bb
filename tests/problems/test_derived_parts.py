from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems import PDE, Box, Condition, Disc, Geometry, OverTime
from laaf_lightning.problems.derived_parts import gives_own


class Poisson(PDE):
    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x", "x") + u.d("y", "y") + 1

    def conditions(self) -> Sequence[Condition]:
        return ()


class OnDisc(Poisson):
    geometry = Disc((1.0, 0.0), 2.0)


@dataclass(frozen=True)
class OnAny(Poisson):
    geometry: Geometry
    source: float = 1.0


@dataclass(frozen=True)
class OnAnyDisc(Poisson):
    radius: float = 1.0

    @property
    def geometry(self) -> Geometry:
        return Disc(radius=self.radius)


class OnBox(Poisson):
    coordinates = ("x", "y")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "y": (0.0, 2.0)}


class Attributes(Poisson):
    def __init__(self, geometry: Any) -> None:
        self.geometry = geometry  # type: ignore[misc]


@pytest.mark.parametrize("make", [OnAny, Attributes])
def test_geometry_may_be_an_argument(make: type[PDE]) -> None:
    cylinder = OverTime(Disc(), (0.0, 3.0))
    problem = make(cylinder)  # type: ignore[call-arg]
    assert problem.geometry is cylinder
    assert problem.coordinates == ("x", "y", "t")
    assert problem.domain == {"x": (-1.0, 1.0), "y": (-1.0, 1.0), "t": (0.0, 3.0)}
    assert problem == make(OverTime(Disc(), (0.0, 3.0)))  # type: ignore[call-arg]
    assert problem != make(OverTime(Disc(), (0.0, 2.0)))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'geometry'"):
        make()


def test_geometry_may_be_of_the_class_or_a_property() -> None:
    assert OnDisc().coordinates == ("x", "y")
    assert OnDisc().domain == {"x": (-1.0, 3.0), "y": (-2.0, 2.0)}
    assert OnAnyDisc(3.0).domain["x"] == (-3.0, 3.0)


def test_geometry_follows_from_a_domain() -> None:
    assert OnBox().geometry == Box.of(OnBox.domain)
    assert [gives_own(OnBox(), part) for part in ("coordinates", "domain", "geometry")] == [True, True, False]
    assert [gives_own(OnDisc(), part) for part in ("coordinates", "domain", "geometry")] == [False, False, True]
    assert [gives_own(OnAny(Disc()), part) for part in ("domain", "geometry")] == [False, True]


@pytest.mark.parametrize("part", ["coordinates", "domain"])
def test_without_both_there_is_neither(part: str) -> None:
    with pytest.raises(AttributeError, match=f"^Poisson has neither {part} nor a geometry that it follows from$"):
        getattr(Poisson(), part)
    assert not hasattr(Poisson, part)
