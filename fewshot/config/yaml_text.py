"""Strict YAML for settings: plain values, unique keys, limited size.

PyYAML reads YAML 1.1, where `010` is 8, `1:30` is 90, and `on`, `no` and dates are not strings; it
silently keeps the last of two equal keys, and a few lines of aliases can stand for billions of
values. Here a value is null, true, false, a decimal number or a string.
"""

import re
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_VALUES = 10_000
"""Maximum number of values with aliases expanded; a run's settings have about 100."""

_TAG = "tag:yaml.org,2002:"
_NUMBER = list("-+.0123456789")
# Each kind of plain value, its pattern, and its possible first characters.
_KINDS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", _NUMBER),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", _NUMBER),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", _NUMBER),
    ("merge", r"<<", ["<"]),
)


def _line(where: yaml.Event | yaml.Node) -> int:
    return where.start_mark.line + 1 if where.start_mark else 0


class _Reader(yaml.SafeLoader):
    """Loads these values, lists and mappings, and nothing else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    yaml_constructors = {  # noqa: RUF012
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None
        or tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str", "seq", "map")
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = 0
        self._sizes: dict[int, int] = {}  # values that a node stands for, by its id

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._count
        node = super().compose_node(parent, index)
        if not isinstance(event, yaml.AliasEvent):
            self._count += 1
            self._sizes[id(node)] = self._count - before
        elif id(node) in self._sizes:
            self._count += self._sizes[id(node)]
        else:
            raise ValueError(f"line {_line(event)}: a value contains itself")
        if self._count > MAX_VALUES:
            raise ValueError(f"stands for more than {MAX_VALUES} values; settings have fewer")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                raise ValueError(f"line {line}: a key must be a plain string")
            if (key.tag, key.value) in seen and key.value != "<<":
                raise ValueError(f"line {line}: {key.value[:40]!r} is given twice; keep one")
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


class _Writer(yaml.SafeDumper):
    """Quotes strings that either version of YAML would read as another type."""


for _name, _pattern, _first in _KINDS:
    for _kind in (_Reader, _Writer):
        _kind.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text; `ValueError` says what is wrong, and where.

    Repeated keys, values that contain themselves, other tags, and texts above `MAX_BYTES` or
    `MAX_VALUES` are refused.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES} characters; settings are short")
    try:
        loader = _Reader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except ValueError:
        raise
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except Exception as error:  # a tag that does not fit its value raises nearly anything
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or type(error).__name__
        raise ValueError(f"line {mark.line + 1}: {problem}" if mark else str(problem)) from error


def dump_yaml(value: Any) -> str:
    """Return plain values as YAML text that any YAML version reads back unchanged."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False)
