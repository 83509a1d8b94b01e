"""Settings keys of earlier releases that were renamed or removed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Old places of a model's settings → new places.
_PLACES_OF_MODELS: Mapping[str, str] = {
    "detector": "detector",
    "radiologists.*.model": "radiologists.*.model",
    "final.model": "final.model",
    "semantic.model": "model",
}
_OWN_FILE = ", in the settings of fewshot semantic"

# Old key → new key, with a note on the value where it changed. `MODEL` stands for every place of a
# model's settings, `*` for a position in a list; keys below an old key move with it.
RENAMED: Mapping[str, str] = {
    "live": "logging",
    "prediction.outlines": "prediction.refine_with",
    "prediction.together": "prediction.ensemble",
    "prediction.views": "prediction.tta",
    "soft_labels.outlines": "soft_labels.mask_source",
    "soft_labels.quota": "experimental.max_masks_per_slice (true is auto)",
    "soft_labels.thresholds": "experimental.precision_thresholds (precision is true)",
    "soft_labels.uncertain": "soft_labels.ignore_threshold",
    "soft_labels.views": "soft_labels.tta",
    "soft_labels.weighed": "experimental.score_weighted_loss",
    "final.augmentation": "experimental.final_augmentation",
    "augmentation.copy_paste": "experimental.final_augmentation.copy_paste (of the final model)",
    "MODEL.consistency.sure": "MODEL.consistency.confidence_threshold",
    "MODEL.device": "device",
    "MODEL.workers": "training.workers",
    "MODEL.evaluation_period": "training.evaluation_period",
    "MODEL.checkpoint_period": "training.checkpoint_period",
    "MODEL.clip_gradient_norm": "training.clip_gradient_norm",
    "MODEL.recovery.retries": "training.nan_retries",
    "MODEL.recovery.rate_factor": "training.nan_rate_factor",
    "MODEL.gafl": "MODEL.experimental.gafl",
    "MODEL.featup.iterations": "MODEL.experimental.featup",
    "MODEL.augmentation.horizontal_flip": "augmentation.flip (true or false)",
    "MODEL.augmentation.rotation": "augmentation.rotation",
    "MODEL.augmentation.scale": "augmentation.scale",
    "MODEL.augmentation.shift": "augmentation.shift",
    "MODEL.augmentation.brightness": "augmentation.brightness",
    "MODEL.augmentation.contrast": "augmentation.contrast",
    "MODEL.augmentation.gamma_limit": "augmentation.gamma",
    "semantic": "",
}

# Removed key → reason.
GONE: Mapping[str, str] = {
    "soft_labels.teacher": "renewing soft labels during training made results worse",
    "soft_labels.runaway_ratio": "the warning always comes at twice the masks per labelled slice",
    "MODEL.recovery": "see training.nan_retries",
    "MODEL.featup": "FeatUp has one setting left, experimental.featup",
    "MODEL.augmentation": "all models use the run's augmentation, which has no such option",
}


def what_became_of(path: Sequence[int | str], value: Any = None) -> list[tuple[str, str]]:
    """Return the explanation of an old key, and of each key that was given below it.

    Args:
        path: of an unknown key, as keys and positions in lists.
        value: its value in the user's settings.

    Returns:
        Pairs of key and explanation; none for a key that never existed.
    """
    if _sentence(path) is None:
        return []
    pairs = [(".".join(map(str, one)), _sentence(one)) for one in _keys_below(path, value)]
    return [(key, text) for key, text in pairs if text is not None]


def _sentence(path: Sequence[int | str]) -> str | None:
    """Return the explanation of a key by its longest part that is in the tables."""
    for length in range(len(path), 0, -1):
        rest = [str(one) for one in path[length:]]
        for old, place in _names(path[:length]):
            if old in RENAMED:
                name, space, words = RENAMED[old].partition(" ")
                parts = [name.replace("MODEL", place), *rest]
                new = ".".join(part for part in parts if part)
                where = _OWN_FILE if path[0] == "semantic" else ""
                return f"is {new or 'a file of its own'} now{where}{space}{words}"
            if old in GONE:
                return f"is gone: {GONE[old]}"
    return None


def _names(path: Sequence[int | str]) -> Iterator[tuple[str, str]]:
    """Yield the names of a key in the tables, with the new place of its model."""
    key = ".".join("*" if isinstance(one, int) else one for one in path)
    for old, new in _PLACES_OF_MODELS.items():
        if key.startswith(f"{old}."):
            below = f"MODEL{key.removeprefix(old)}"
            numbers = [str(one) for one in path if isinstance(one, int)]
            yield below, new.replace("*", numbers[0]) if numbers else new
    yield key, ""


def _keys_below(path: Sequence[int | str], value: Any) -> Iterator[Sequence[int | str]]:
    if not isinstance(value, Mapping) or not value:
        yield path
        return
    for key, below in value.items():
        yield from _keys_below([*path, str(key)], below)
