from __future__ import annotations

from pathlib import Path

import pytest
import torch

from laaf_lightning import MLP, ConfigurationError
from laaf_lightning.cli.checkpoint import check_checkpoint, state_mismatch


@pytest.mark.parametrize("path", [None, "best", "last", "hpc", "registry:model", "s3://bucket/file.ckpt", "."])
def test_what_the_trainer_resolves_itself_is_left_to_it(path: str | None) -> None:
    check_checkpoint(path, None)


def test_a_whole_checkpoint_passes() -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}}, "file.ckpt")
    check_checkpoint("file.ckpt", None)


def test_unsafe_loading_on_request_is_left_to_the_trainer() -> None:
    torch.save({"state_dict": {}, "object": Path()}, "file.ckpt")
    check_checkpoint("file.ckpt", weights_only=False)
    with pytest.raises(ConfigurationError, match="--weights_only false"):
        check_checkpoint("file.ckpt", weights_only=True)


@pytest.mark.parametrize("depth", [3, 60])
def test_a_mismatch_is_a_short_sentence_however_large_the_model(depth: int) -> None:
    small, large = MLP(1, 1, width=4, depth=2, n=10), MLP(1, 1, width=5, depth=depth, n=5)
    with pytest.raises(RuntimeError) as raised:
        large.load_state_dict(small.state_dict())
    sentence = state_mismatch(str(raised.value))
    assert sentence.startswith("the checkpoint does not fit the model: activations.0.n: the checkpoint has n=10, this ")
    assert len(sentence) < 900
    assert " more; build the model as it was trained" in sentence
