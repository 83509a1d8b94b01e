"""Which slice belongs to which patient (or scan, or site), for splits that do not leak."""

import csv
from pathlib import Path

from fewshot.errors import InputError
from fewshot.slices.images import image_stem


def read_groups(path: Path) -> dict[str, str]:
    """Return the group of each image, `{"0.png": "pt_001"}`, in the file's order.

    The file is a CSV with two columns: `image`, and the group under any name.
    Raises `InputError` when the file is missing, not such a CSV, empty, or names an image twice.
    """
    header, *rows = _read_rows(path)
    if len(header) != 2 or header[0].strip() != "image":
        raise InputError(f"{path}: line 1 is {_shown(header)}; the header must be image,patient")
    if not rows:
        raise InputError(f"{path}: no image below the header; write one line per image")
    groups: dict[str, str] = {}
    stems: set[str] = set()
    for line, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise InputError(f"{path}: line {line} is {_shown(row)}; write an image and its group")
        image, group = cells
        if image_stem(image) in stems:
            raise InputError(f"{path}: line {line}: {image!r} is listed twice; keep one line")
        stems.add(image_stem(image))
        groups[image] = group
    return groups


def _read_rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(text.splitlines(), strict=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV in UTF-8 ({error}); save it as one") from error
    if not rows:
        raise InputError(f"{path}: the file is empty; the header must be image,patient")
    return rows


def _shown(row: list[str]) -> str:
    return repr(",".join(row)[:60])
