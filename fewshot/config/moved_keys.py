"""Keys that settings files of earlier releases have and this one does not: what became of each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLACES_OF_MODELS = ("detector", "radiologists.*.model", "final.model", "semantic.model")

# Old key → new key, with a word on the value where it changed. `MODEL` stands for every place where
# the settings of a model can be, `*` for a position in a list; keys below an old key move with it.
RENAMED: dict[str, str] = {
    "live": "logging",
    "prediction.outlines": "prediction.refine_with",
    "prediction.together": "prediction.ensemble",
    "prediction.views": "prediction.tta",
    "soft_labels.outlines": "soft_labels.mask_source",
    "soft_labels.quota": "soft_labels.max_masks_per_slice (true is auto)",
    "soft_labels.uncertain": "soft_labels.ignore_threshold",
    "soft_labels.views": "soft_labels.tta",
    "soft_labels.weighed": "soft_labels.score_weighted_loss",
    "MODEL.consistency.sure": "MODEL.consistency.confidence_threshold",
}

# Old key → why it is gone.
GONE: dict[str, str] = {
    "soft_labels.teacher": "renewing soft labels while training made final models worse",
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
    for place in ("", *_PLACES_OF_MODELS):
        for length in range(len(path), 0, -1):
            old, rest = _in_place(place, path[:length]), path[length:]
            if old in GONE:
                return f"is gone: {GONE[old]}"
            if old in RENAMED:
                name, space, words = RENAMED[old].partition(" ")
                name = name.replace("MODEL", ".".join(map(str, path[: place.count(".") + 1])))
                return f"is {'.'.join([name, *map(str, rest)])} now{space}{words}"
    return None


def _in_place(place: str, path: Sequence[int | str]) -> str:
    """Return a key as the tables have it; with `MODEL` where it begins with that place."""
    key = ".".join("*" if isinstance(one, int) else one for one in path)
    return f"MODEL{key.removeprefix(place)}" if place and key.startswith(f"{place}.") else key


def _keys_below(path: Sequence[int | str], value: Any) -> Iterator[Sequence[int | str]]:
    if not isinstance(value, Mapping) or not value:
        yield path
        return
    for key, below in value.items():
        yield from _keys_below([*path, str(key)], below)
