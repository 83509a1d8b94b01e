"""Checkpoints as data: written atomically, and read without running any code in them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from fewshot.errors import InputError
from fewshot.files import atomic_path


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values with `torch.save`, atomically."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote, on the CPU; `InputError` for anything else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(
            f"{path}: not a usable checkpoint (truncated, damaged or holding code); "
            "train again or give another file"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint (it holds no named weights)")
    return content
