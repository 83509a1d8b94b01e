"""Settings as a flat table, and where two of them differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

_NOTHING = "–"


@dataclass(frozen=True)
class Difference:
    """A dotted key and its two values as text; a dash where one side has no such key."""

    key: str
    first: str
    second: str


def differing(first: BaseModel, second: BaseModel) -> list[Difference]:
    """Return the keys at which two trees of settings differ, in the order of the first tree."""
    one, two = (dict(_flat(tree.model_dump(mode="json"))) for tree in (first, second))
    keys = [*one, *[key for key in two if key not in one]]
    return [
        Difference(key, one.get(key, _NOTHING), two.get(key, _NOTHING))
        for key in keys
        if one.get(key, _NOTHING) != two.get(key, _NOTHING)
    ]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value and all(_is_named(one) for one in value):
        for one in value:
            rest = {key: inner for key, inner in one.items() if key != "name"}
            yield from _flat(rest, f"{prefix}.{one['name']}")
    else:
        yield prefix, _text(value)


def _is_named(value: Any) -> bool:
    return isinstance(value, Mapping) and "name" in value


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
