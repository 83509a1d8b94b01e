"""Keys that settings files of earlier releases have and this one does not: what became of each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Where the settings of a model could be → where they are now.
_PLACES_OF_MODELS: Mapping[str, str] = {
    "detector": "detector",
    "radiologists.*.model": "radiologists.*.model",
    "final.model": "final.model",
    "semantic.model": "model",
}
_OWN_FILE = ", in the settings of fewshot semantic"

# Old key → new key, with a word on the value where it changed. `MODEL` stands for every place where
# the settings of a model can be, `*` for a position in a list; keys below an old key move with it.
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

# Old key → why it is gone.
GONE: Mapping[str, str] = {
    "soft_labels.teacher": "renewing soft labels while training made the answer worse",
    "soft_labels.runaway_ratio": "the warning comes at twice the labelled slices' masks",
    "MODEL.recovery": "see training.nan_retries",
    "MODEL.featup": "FeatUp has one setting left, experimental.featup",
    "MODEL.augmentation": "all models take the run's augmentation, which has no such change",
}


def what_became_of(path: Sequence[int | str], value: Any = None) -> list[tuple[str, str]]:
    """Return what to tell a user of an old key, and of each key that is given below it.

    Args:
        path: of a key that is not known, as keys and positions in lists.
        value: what the user gave it.

    Returns:
        Pairs of a key and a sentence on it; nothing for a key that never was.
    """
    if _sentence(path) is None:
        return []
    told = [(".".join(map(str, one)), _sentence(one)) for one in _keys_below(path, value)]
    return [(key, text) for key, text in told if text is not None]


def _sentence(path: Sequence[int | str]) -> str | None:
    """Return what became of a key: the longest part of it that the tables know decides."""
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
    """Yield what the tables may call a key, and where the model is now that it belongs to."""
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
