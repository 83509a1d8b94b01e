"""Validation of loaded weights, checkpoints and descriptions of models.

The data have been read without running code; here they are compared with what a network expects.
The first mismatch is reported in one line.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.errors import FewshotError, InputError

_NUMBERS = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}
_MOST_NAMES = 100_000
_TROUBLE = (
    *(LookupError, TypeError, ValueError, AttributeError, AssertionError),
    *(RuntimeError, ArithmeticError),
)


def check_weights(content: object, path: Path) -> dict[str, Tensor]:
    """Return the weights of a network by name, from the contents of a file.

    Names are plain text; values are dense, finite tensors of integers or floats on the CPU, stored
    in full. Raises `InputError` with the file and the first mismatch.
    """
    if not isinstance(content, Mapping) or not content:
        raise InputError(
            f"{path}: contains no model weights ({_kind(content)} instead); give a file of "
            "named tensors"
        )
    if len(content) > _MOST_NAMES:
        raise InputError(f"{path}: contains {len(content)} names; no network has so many weights")
    for name, value in content.items():
        if not isinstance(name, str) or not name.isprintable() or len(name) > 1000:
            raise InputError(f"{path}: a weight is called {_shown(name)}; names are plain text")
        problem = _problem_of(value)
        if problem:
            what = "" if isinstance(value, Tensor) else "holds no weights: "
            raise InputError(f"{path}: {what}{name} {problem}; give another file")
    return dict(content)


def misfit(network: nn.Module, weights: Mapping[str, Tensor]) -> str | None:
    """Return how weights first differ from a network's in names, shapes or type, or None.

    One of `lacks NAME`, `has NAME besides` and `has NAME of …`.
    """
    wanted = network.state_dict()
    for name, own in wanted.items():
        if name not in weights:
            return f"lacks {name}"
        given = weights[name]
        if given.shape != own.shape:
            return f"has {name} of shape {tuple(given.shape)}, not {tuple(own.shape)}"
        if given.is_floating_point() != own.is_floating_point():
            return f"has {name} of {_kind(given)}, not of {_kind(own)}"
    surplus = next((name for name in weights if name not in wanted), None)
    return None if surplus is None else f"has {surplus} besides"


def fill(network: nn.Module, content: object, path: Path, way_out: str) -> None:
    """Copy the contents of a weights file into a network, in place.

    Raises `InputError` with the file and the first mismatch, ending in `way_out`.
    """
    weights = check_weights(content, path)
    problem = misfit(network, weights)
    if problem:
        raise InputError(f"{path}: does not fit: it {problem}; {way_out}")
    network.load_state_dict(weights)


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Turn any error caused by the content of a checkpoint into one line with its file."""
    try:
        yield
    except FewshotError:
        raise
    except _TROUBLE as error:
        raise InputError(
            f"{path}: is damaged inside ({reason(error)}); delete it and train again"
        ) from error


def check_alike(found: object, own: object, path: Path, where: str = "it") -> None:
    """Compare a checkpoint's content with that at the start of the same training.

    Dictionaries must have the same keys and lists the same length, except where empty at the start;
    tensors the same shape and finite numbers; other values the same type. Raises `InputError` with
    the file and the first mismatch.
    """
    problem = _difference(found, own)
    if problem:
        raise InputError(f"{path}: is damaged inside: {where} {problem}; delete it and train again")
    if isinstance(own, dict) and isinstance(found, dict):
        for key in own:
            check_alike(found[key], own[key], path, str(key) if where == "it" else f"{where}.{key}")
    elif isinstance(own, list | tuple) and isinstance(found, list | tuple):
        for place, (one, other) in enumerate(zip(found, own, strict=False)):
            check_alike(one, other, path, f"{where}[{place}]")


def check_optimizer(found: object, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Check an optimizer's state in a checkpoint; raises `InputError` as `check_alike`."""
    with restoring(path):
        sums = found["state"]  # type: ignore[index]
        trained = [value for group in optimizer.param_groups for value in group["params"]]
        for place, one in sums.items():
            shapes = {(), (1,), tuple(trained[place].shape)}
            for name, value in one.items():
                problem = _problem_of(value) if isinstance(value, Tensor) else None
                if isinstance(value, Tensor) and tuple(value.shape) not in shapes:
                    problem = f"has shape {tuple(value.shape)}"
                elif not isinstance(value, Tensor | int | float | type(None)):
                    problem = f"is {_kind(value)}"
                if problem:
                    raise ValueError(f"the optimizer's {name} of weight {place} {problem}")


def check_description(content: object, path: Path, keys: Mapping[str, type]) -> dict[str, Any]:
    """Return the description of a model after checking its keys and the types of their values.

    Texts are printable and counts not negative. Raises `InputError` with the file and the first
    wrong key.
    """
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a model's description; train it again")
    for key, kind in keys.items():
        if key not in content:
            raise InputError(f"{path}: not a model's description (no {key}); train it again")
        value = content[key]
        plain = not isinstance(value, str) or (value.isprintable() and 0 < len(value) <= 200)
        negative = isinstance(value, int) and value < 0
        if type(value) is not kind or negative or not plain:
            raise _wrong(path, key, value)
    return content


def check_scores(scores: Mapping[str, object], path: Path) -> dict[str, float]:
    """Return scores by name; `InputError` unless each is a finite number."""
    for name, value in scores.items():
        if type(value) not in (int, float) or not math.isfinite(float(value)):  # type: ignore[arg-type]
            raise _wrong(path, name, value)
    return {name: float(value) for name, value in scores.items()}  # type: ignore[arg-type]


def reason(error: BaseException) -> str:
    """Return an error's type and message on one short line."""
    text = " ".join(str(error).split())[:150]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _problem_of(value: object) -> str | None:
    """Return why a value cannot be a weight, or None."""
    if not isinstance(value, Tensor):
        return f"is {_kind(value)} and no tensor"
    if value.device.type != "cpu" or value.layout != torch.strided or value.is_nested:
        return f"is a tensor without its numbers ({_kind(value)})"
    if value.dtype not in _NUMBERS:
        return f"holds {_kind(value)}, not plain numbers"
    # One number in the file can stand for any number of them in memory.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"of shape {tuple(value.shape)} has fewer numbers in the file"
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        return "holds NaN or infinity"
    return None


def _difference(found: object, own: object) -> str | None:
    if isinstance(own, Tensor):
        problem = _problem_of(found)
        if problem is None and isinstance(found, Tensor) and found.shape != own.shape:
            problem = f"has shape {tuple(found.shape)}, not {tuple(own.shape)}"
        return problem
    if isinstance(own, dict):
        if not isinstance(found, dict):
            return f"is {_kind(found)}"
        missing = next((key for key in own if key not in found), None)
        return None if missing is None else f"has no {missing}"
    if isinstance(own, list | tuple):
        if not isinstance(found, list | tuple):
            return f"is {_kind(found)}"
        same = not own or len(found) == len(own)
        return None if same else f"has {len(found)} parts, not {len(own)}"
    if isinstance(own, float) and type(found) in (int, float):
        return None if math.isfinite(found) else f"is {found}"  # type: ignore[arg-type]
    return None if type(found) is type(own) else f"is {_kind(found)}"


def _wrong(path: Path, key: str, value: object) -> InputError:
    return InputError(f"{path}: its {key} is {_shown(value)}; train the model again")


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.layout} tensor of {value.dtype} on {value.device}".replace("torch.", "")
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool) else _kind(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
