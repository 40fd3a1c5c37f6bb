from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Box, Disc
from laaf_lightning.problems.geometry import sample_unit_cube
from laaf_lightning.problems.geometry.sampling.proposals import Proposal, accepted, kept_share


def below(share: float, asked: list[int] | None = None) -> object:
    def propose(unit: Tensor) -> Proposal:
        if asked is not None:
            asked.append(len(unit))
        return Proposal(unit, unit[:, 0] < share)

    return propose


def test_where_all_are_kept_points_are_the_samplers_to_the_bit() -> None:
    box = Box.of({"x": (-1.0, 1.0), "t": (0.0, 3.0)})
    for sampler in ("uniform", "latin_hypercube", "sobol"):
        unit = sample_unit_cube(sampler, 99, 2, 5)
        assert torch.equal(box.sample_interior(99, sampler, 5), box.sample(unit))


@pytest.mark.parametrize("share", [0.9, 0.1, 1e-4])
def test_as_many_as_asked_for_are_drawn_however_few_are_kept(share: float) -> None:
    points = accepted(below(share), "uniform", 500, 2, 0, "").points  # type: ignore[arg-type]
    assert points.shape == (500, 2)
    assert (points[:, 0] < share).all()
    assert len(points.unique(dim=0)) == 500
    assert points[:, 0].mean().item() == pytest.approx(share / 2, rel=0.1)


def test_a_sobol_sequence_that_is_cut_is_even() -> None:
    points = (Disc() - Disc(radius=0.5)).sample_interior(1024, "sobol", seed=0)
    eighths = (torch.atan2(points[:, 1], points[:, 0]) / torch.pi * 4).floor().long() + 4
    counts = torch.bincount(eighths, minlength=8)
    assert (counts - 128).abs().max() < 8  # 11 is the standard deviation of random points


def test_share_is_found_with_few_proposals_where_it_is_large() -> None:
    asked: list[int] = []
    assert kept_share(below(0.5, asked), 2) == pytest.approx(0.5, abs=0.02)  # type: ignore[arg-type]
    assert asked == [256]


def test_none_and_almost_none_are_told_apart() -> None:
    with pytest.raises(ConfigurationError, match=r"^nothing there$"):
        accepted(below(0.0), "uniform", 5, 2, 0, "nothing there")  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match=r"^1000000 points would take .*e\+1. proposals, since only .*e-06 of the "
    ):
        accepted(below(2e-6), "uniform", 10**6, 2, 0, "")  # type: ignore[arg-type]
