"""Reading settings files: YAML, environment variables in paths, dotted overrides, errors."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fewshot.config.base import Settings
from fewshot.config.moved_keys import what_became_of
from fewshot.config.preprocessing import STEPS
from fewshot.config.tree import RunSettings
from fewshot.config.yaml_text import MAX_BYTES, dump_yaml, parse_yaml
from fewshot.errors import InputError
from fewshot.files import check_regular

Given = TypeVar("Given", bound=Settings)

_TYPES = ("int", "float", "str", "bool")
_LONGEST = 100  # characters of a value in a message
# Environment variables are only read in paths, which differ between machines. Elsewhere, somebody
# else's settings file could leak their values to a server or into a report.
_PATH_KEYS = {"data", "weights", "checkpoint", "base", "groups"}
_ADDRESS = re.compile(r"(\w+)://\S+")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load_settings(path: Path, overrides: Sequence[str] = ()) -> RunSettings:
    """Return the settings in a YAML file, with overrides such as `final.iterations=900` applied.

    Items of a list are addressed by position or by name: `radiologists.0.iterations` or
    `radiologists.rough.iterations`. `${NAME}` and `${NAME:-default}` are replaced from the
    environment in the paths of `data` and of weights, and refused elsewhere. Raises `InputError`
    with one line for each error.
    """
    return load_settings_of(RunSettings, path, overrides)


def load_settings_of(kind: type[Given], path: Path | None, overrides: Sequence[str] = ()) -> Given:
    """Return settings of a class from a YAML file, or its defaults; see `load_settings`."""
    tree = {} if path is None else _read_yaml(path)
    return parse_settings_of(kind, tree, overrides, "settings" if path is None else str(path))


def read_tree(path: Path) -> dict[str, Any]:
    """Return the tree in a YAML file, with environment variables replaced in its paths.

    Raises `InputError` if the file is missing or has no such tree.
    """
    expanded: dict[str, Any] = _expand(_read_yaml(path), str(path))
    return expanded


def parse_settings(
    tree: Mapping[str, Any], overrides: Sequence[str] = (), source: str = "settings"
) -> RunSettings:
    """Return a run's validated settings from a plain tree; see `load_settings`."""
    return parse_settings_of(RunSettings, tree, overrides, source)


def parse_settings_of(
    kind: type[Given], tree: Mapping[str, Any], overrides: Sequence[str], source: str
) -> Given:
    """Return validated settings of a class from a plain tree; see `load_settings`."""
    try:
        expanded: dict[str, Any] = _expand(dict(tree), source)
    except RecursionError as error:
        raise InputError(f"{source}: a value contains itself, or is nested too deeply") from error
    for override in overrides:
        _apply_override(kind, expanded, override)
    try:
        return kind.model_validate(expanded)
    except ValidationError as error:
        raise InputError(*_explain(kind, error, source)) from error


def dump_settings(settings: BaseModel) -> str:
    """Return settings as YAML text that `load_settings` reads back to the same settings."""
    return dump_yaml(settings.model_dump(mode="json"))


def builtin_names() -> list[str]:
    """Return the names of the configurations that come with fewshot, such as `demo`."""
    return sorted(path.stem for path in builtin_config("demo.yaml").parent.glob("*.yaml"))


def builtin_config(name: str) -> Path:
    """Return the path of a configuration that comes with fewshot, such as `demo.yaml`."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{name}: no such built-in configuration; install fewshot again")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        check_regular(path)
        with path.open(encoding="utf-8") as file:
            tree = parse_yaml(file.read(MAX_BYTES + 1))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such settings file; see configs/ for examples") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file; a settings file is YAML") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid YAML ({error})") from error
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise InputError(f"{path}: must contain settings such as 'seed: 0', one key per line")
    return tree


def _expand(value: Any, where: str, is_path: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: _expand(item, f"{where}: {_shown(key)}", is_path or key in _PATH_KEYS)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, where, is_path) for item in value]
    if not isinstance(value, str):
        return value
    if not is_path and _VARIABLE.search(value):
        raise InputError(
            f"{where}: environment variables are only read in the paths of data and weights; "
            "write the value itself"
        )

    def replace(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise InputError(f"{where}: the environment variable {match[1]} is not set")
        return found

    return _VARIABLE.sub(replace, value)


def _apply_override(kind: type[BaseModel], tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(
            f"--set {_shown(override)}: write it as key=value, such as final.iterations=900"
        )
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"--set {_shown(override)}: the value is not valid YAML") from error
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        node = _child(kind, node, part, override)
    if isinstance(node, list):
        node[_position(node, last, override)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise InputError(f"--set {_shown(override)}: {'.'.join(parents)} has no keys below it")


def _child(kind: type[BaseModel], node: Any, part: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, part, override)]
    if not isinstance(node, dict):
        raise InputError(f"--set {_shown(override)}: nothing can be set below {part!r}")
    if node.get(part) is None:
        # The defaults of a list are not in the file, so that they can be addressed by name.
        defaults = kind.model_fields.get(part)
        default = defaults.get_default(call_default_factory=True) if defaults else None
        items = default if isinstance(default, tuple) else None
        node[part] = {} if items is None else [item.model_dump(mode="json") for item in items]
    return node[part]


def _position(items: list[Any], part: str, override: str) -> int:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if part in names:
        return names.index(part)
    positions = [str(position) for position in range(len(items))]
    if part in positions:
        return positions.index(part)
    known = ", ".join(str(name) for name in names if name is not None)
    raise InputError(
        f"--set {_shown(override)}: no {part!r} in the list; it holds {known or 'nothing'}"
    )


def _explain(kind: type[BaseModel], error: ValidationError, source: str) -> list[str]:
    lines = []
    problems = error.errors()
    for problem in problems:
        if problem["type"] == "too_short" and len(problems) > 1:
            continue  # each item was refused on a line of its own
        # Pydantic adds the branch of a union to the location; users know only their keys.
        *parents, last = problem["loc"] or ("",)
        unknown = problem["type"] == "extra_forbidden"
        keys = [_shown(key) for key in parents if not _is_branch(key)]
        keys += [_shown(last)] if unknown or not _is_branch(last) else []
        key = ".".join(keys)
        if unknown and (moved := what_became_of(_path(problem["loc"]), problem["input"])):
            lines += [f"{source}: {old}: {text}" for old, text in moved]
            continue
        if unknown:
            text = f"unknown key{_suggestion(kind, problem['loc'])}"
        else:
            text = problem["msg"].removeprefix("Value error, ")
            text = text[:1].lower() + text[1:]
            if isinstance(problem["input"], str | int | float | bool):
                text += f", got {_shown(problem['input'], quoted=True)}"
        lines.append(": ".join(part for part in (source, key, text) if part))
    return list(dict.fromkeys(lines))


def _path(location: Sequence[int | str]) -> list[int | str]:
    """Return the location of a key without the branches of unions that pydantic adds."""
    *parents, last = location
    return [*(key for key in parents if not _is_branch(key)), last]


def _is_branch(key: int | str) -> bool:
    """Whether this part of pydantic's location is the branch of a union, not a key."""
    return isinstance(key, str) and (key in _TYPES or not key.isidentifier())


def _shown(value: object, quoted: bool = False) -> str:
    """Return a key or value on one short line, with URLs hidden as they may have passwords."""
    try:
        text = _ADDRESS.sub(r"\1://...", str(value))
        value = text if isinstance(value, str) else value
        text = repr(value) if quoted or not text.isprintable() else text
    except ValueError:  # more digits than Python converts
        return "a huge number"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _suggestion(kind: type[BaseModel], location: Sequence[int | str]) -> str:
    node: Any = kind
    for key in location[:-1]:
        node = _model_below(node, key)
        if node is None:
            return ""
    known = list(node.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(known)}"


def _model_below(model: type[BaseModel], key: int | str) -> type[BaseModel] | None:
    if isinstance(key, int):
        return model
    field = model.model_fields.get(key)
    if field is None and "step" in model.model_fields:  # the kind of step is part of the location
        return STEPS.get(key)
    candidates = [field.annotation] if field else []
    while candidates:
        candidate = candidates.pop()
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
        candidates.extend(getattr(candidate, "__args__", ()))
    return None
