"""The reference of all settings, docs/settings.md, from their classes.

    python scripts/settings_reference.py > docs/settings.md

A test fails while the page and the classes differ.
"""

import json
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fewshot.config.base import Settings, Use, use_of
from fewshot.config.leaves import count_leaves, settings_below
from fewshot.config.network import NetworkSettings
from fewshot.config.preprocessing import KINDS
from fewshot.config.semantic import SemanticSettings
from fewshot.config.semantic_training import SemanticTrainingSettings
from fewshot.config.tree import (
    AugmentationSettings,
    DetectorSettings,
    FinalAugmentationSettings,
    RunSettings,
)

_INTRO = """# Settings

<!-- Made by scripts/settings_reference.py from fewshot/config; edit the classes, not this page. -->

All {count} settings of a run. All but `data`, which names the files of the slices, have defaults
that work. `--set KEY=VALUE` changes one, such as `--set final.iterations=900`; items of a list are
addressed by name, such as `--set radiologists.rough.score_threshold=0.6`. Unknown keys and
impossible values are refused before any work starts. `config.resolved.yaml` in a run directory
lists all settings as they were used.

The column *renews* says what happens when a setting changes and the run is resumed. `training`: its
model is trained again. `prediction`: models keep their weights but predict again. `nothing`: no
result depends on it. Later stages that depend on a renewed result run again, too.
"""
_KINDS: dict[type[Settings], tuple[str, str]] = {
    DetectorSettings: (
        "A Mask R-CNN",
        "`detector`, the model of the radiologists and the final model that have no `model` of\n"
        "their own; and `radiologists[].model` and `final.model` of `kind: mask_rcnn` or none.",
    ),
    SemanticSettings: (
        "A semantic network",
        "`radiologists[].model` and `final.model` with `kind: semantic`; `model` of `fewshot "
        "semantic`.",
    ),
}
_STEPS = """## Steps of preprocessing

Items of `preprocess.steps` and `preprocess.channels`: the name of a step, or a step with parameters
such as `{step: tv, weight: 0.1}`. A list, `preprocess: [clahe]`, is short for `preprocess.steps`.
"""
_OWN = """## The settings of `fewshot semantic`

`fewshot semantic train` and `compare` have settings of their own, in a file or by `--set`:
{keys}. `model` is a semantic network, `learning_rate` is {rate} by default, and all else is as in a
run.
"""
_HEADER = ["key", "value", "default", "meaning", "renews"]


def main() -> None:
    """Print the page."""
    print(reference(), end="")


def reference() -> str:
    """Return the page as Markdown."""
    parts = [_INTRO.format(count=count_leaves(RunSettings))]
    single = [name for name, field in RunSettings.model_fields.items() if not _below(field)]
    fields = RunSettings.model_fields
    top = [_row(name, fields[name], use_of(fields[name])) for name in single]
    parts += ["## At the top\n", _table(top)]
    for name, field in RunSettings.model_fields.items():
        if name not in single and name != "detector":
            (owner,) = _below(field)
            key = f"{name}[]" if _is_list(field.annotation) else name
            lines = [*_rows(owner, f"{key}.", use_of(field))]
            parts += [f"## `{name}`\n\n{_text(owner)}\n", _table(lines)]
    for kind, (title, where) in _KINDS.items():
        parts += [f"## {title}\n\n{where}\n", _table([*_rows(kind, "", "training")])]
    own = SemanticTrainingSettings
    keys = ", ".join(f"`{name}`" for name in own.model_fields)
    parts.append(_OWN.format(keys=keys, rate=own.model_fields["learning_rate"].default))
    parts.append(_STEPS)
    for step in KINDS:
        name = step.model_fields["step"].default
        rows = [row for row in _rows(step, "", "training") if row[0] != "`step`"]
        parts += [f"### `{name}`\n\n{_text(step)}\n", _table(rows)]
    return "\n".join(parts)


def _rows(owner: type[Settings], path: str, above: Use) -> Iterator[list[str]]:
    for name, field in owner.model_fields.items():
        below, use = _below(field), use_of(field, above)
        if not below or any(issubclass(one, NetworkSettings) for one in below) or _steps(below):
            yield _row(path + name, field, use)
            continue
        if below == [FinalAugmentationSettings]:
            shared = AugmentationSettings.model_fields
            what = "as `augmentation`, and:"
            yield [f"`{path}{name}`", what, "none", field.description or "", use]
            for own, added in FinalAugmentationSettings.model_fields.items():
                if own not in shared:
                    yield _row(f"{path}{name}.{own}", added, use)
            continue
        key = f"{name}[]" if _is_list(field.annotation) else name
        for one in below:
            yield from _rows(one, f"{path}{key}.", use)


def _row(path: str, field: FieldInfo, use: Use) -> list[str]:
    value = _value_text(field.annotation, field.metadata)
    return [f"`{path}`", value, _default(field), field.description or "", use]


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [_HEADER, ["---"] * len(_HEADER), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _text(owner: type[Settings]) -> str:
    return "\n".join(line.strip() for line in (owner.__doc__ or "").splitlines()).strip()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, Settings | tuple):
        return "as below" if value else "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _value_text(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return what a value may be, in words."""
    if get_origin(annotation) is types.UnionType or get_origin(annotation) is Union:
        parts = [one for one in get_args(annotation) if one is not type(None)]
        if {int, float} <= set(parts):
            return "Detectron2's" if str in parts else "number"
        return " or ".join(dict.fromkeys(_value_text(one, metadata) for one in parts))
    if hasattr(annotation, "__metadata__"):
        inner = [mark for one in annotation.__metadata__ for mark in _marks(one)]
        return _value_text(annotation.__origin__, [*inner, *metadata])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_plural(_value_text(get_args(annotation)[0]))}"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "steps" if "step" in annotation.model_fields else "a model"
    return f"{_NAMES[annotation]}{_range(metadata)}"


_NAMES = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text", Path: "path"}


def _plural(text: str) -> str:
    return text if text.endswith("s") else f"{text}s"


def _marks(mark: Any) -> list[Any]:
    return list(mark.metadata) if isinstance(mark, FieldInfo) else [mark]


def _range(metadata: Sequence[Any]) -> str:
    low = [f"from {_plain(one.ge)}" for one in metadata if hasattr(one, "ge")]
    low += [f"above {_plain(one.gt)}" for one in metadata if hasattr(one, "gt")]
    high = [f"to {_plain(one.le)}" for one in metadata if hasattr(one, "le")]
    high += [f"below {_plain(one.lt)}" for one in metadata if hasattr(one, "lt")]
    found = " ".join([*low[:1], *high[:1]])
    return f" {found}" if found else ""


def _plain(bound: Any) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _below(field: FieldInfo) -> list[type[Settings]]:
    return settings_below(field.annotation)


def _steps(below: Sequence[type[Settings]]) -> bool:
    return all("step" in one.model_fields for one in below)


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is tuple:
        return True
    return any(_is_list(one) for one in get_args(annotation) if one is not ...)


if __name__ == "__main__":
    main()
