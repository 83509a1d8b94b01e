"""YAML as settings need it: plain values only, each key once, and of a bearable size.

PyYAML's safe loader makes no objects, but it keeps the last of two equal keys without a word, and a
few lines of aliases can stand for billions of values.
"""

from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_VALUES = 10_000
"""How many values a text may stand for, aliases written out: a run's settings have about 100."""

_MERGE = "tag:yaml.org,2002:merge"


def parse_yaml(text: str) -> Any:
    """Return the value that `text` stands for; `ValueError` says where and what is wrong with it.

    Besides what is no YAML, repeated keys, values that hold themselves, and texts above `MAX_BYTES`
    or `MAX_VALUES` are refused.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES} characters; settings are short")
    try:
        return _parse(text)
    except ValueError:
        raise
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except Exception as error:  # a tag on a value that it does not fit raises nearly anything
        raise ValueError(_where(error)) from error


def _parse(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}, set()) > MAX_VALUES:
            raise ValueError(f"stands for more than {MAX_VALUES} values; settings have fewer")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """Return how many values a node stands for; nodes that aliases share are looked at once."""
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1}: a value holds itself")
    if id(node) not in known:
        above.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node)
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        known[id(node)] = 1 + sum(_size(part, known, above) for part in parts)
        above.remove(id(node))
    return known[id(node)]


def _refuse_repeated(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            line = key.start_mark.line + 1
            raise ValueError(f"line {line}: {_cut(key.value)!r} is given twice; keep one of them")
        seen.add((key.tag, key.value))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
