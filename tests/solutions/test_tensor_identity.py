from __future__ import annotations

import gc

import torch

from laaf_lightning.solutions.tensor_identity import TensorIdentity


def test_the_same_numbers_in_another_tensor_are_another() -> None:
    points = torch.zeros(3)
    identity = TensorIdentity(points)
    assert identity.is_that_of(points)
    assert not identity.is_that_of(points.clone())
    assert not identity.is_that_of(points.view(3))


def test_torch_counts_changes_in_place_where_they_are_looked_for() -> None:
    points = torch.zeros(3)
    identity = TensorIdentity(points)
    points[0] = 1.0
    assert not identity.is_that_of(points)


def test_it_does_not_keep_the_tensor() -> None:
    points = torch.zeros(3)
    identity = TensorIdentity(points)
    assert not identity.is_gone
    del points
    gc.collect()
    assert identity.is_gone
