"""Whether two configurations train alike, step by step."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_LEFT_OUT = {
    "ckpt_path", "config", "exact_resume", "figures", "finite_guard", "init_from", "process_timeout", "resume",
    "run_label", "seed_everything", "test_after_fit", "trainer", "verbose", "weights_only",
}  # fmt: skip
_OF_THE_TRAINER = (
    "accelerator", "accumulate_grad_batches", "devices", "gradient_clip_algorithm", "gradient_clip_val",
    "limit_train_batches", "num_nodes", "overfit_batches", "precision", "strategy",
)  # fmt: skip


def training_settings(config: Any) -> str:
    """Tell configurations apart by what changes a training step; seeds are left out, for a resumed run to notice.

    Args:
        config: the settings of a subcommand.

    Returns:
        A digest, equal for equal settings.
    """
    settings = config.as_dict() if hasattr(config, "as_dict") else dict(config)
    trainer = settings.get("trainer") or {}
    kept = {key: value for key, value in settings.items() if key not in _LEFT_OUT}
    if (kept.get("adapt") or {}).get("scope") is None:  # nothing is adapted, as before there was such a setting
        kept.pop("adapt", None)
    kept["trainer"] = {key: trainer.get(key) for key in _OF_THE_TRAINER}
    text = json.dumps(_without_seeds(kept), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_seeds(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {str(key): _without_seeds(value) for key, value in settings.items() if key != "seed"}
    return [_without_seeds(value) for value in settings] if isinstance(settings, (list, tuple)) else settings
