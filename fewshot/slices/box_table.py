"""Box tables `patientId,x,y,width,height,Target`, as in the RSNA pneumonia challenge."""

import csv
import math
from pathlib import Path

from fewshot.errors import InputError

Box = tuple[float, float, float, float]  # x, y, width, height in pixels

_HEADER = ["patientid", "x", "y", "width", "height"]
_LARGEST = 1e6


def is_box_table(path: Path) -> bool:
    """Return whether a file is a CSV whose header starts with patientId,x,y,width,height."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(200).decode("utf-8-sig", errors="replace")
    return [cell.strip().lower() for cell in first.split(",")][:5] == _HEADER


def read_box_table(path: Path) -> dict[str, list[Box]]:
    """Return the boxes of each patient, an empty list for those with Target 0 or empty cells.

    Raises `InputError` that names the first wrong line.
    """
    boxes: dict[str, list[Box]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [cell.strip().lower() for cell in next(rows, [])]
            if header[:5] != _HEADER:
                raise InputError(f"{path}: line 1 must be patientId,x,y,width,height,Target")
            for row in rows:
                box = _box(row, len(header), f"{path}: line {rows.line_num}")
                found = boxes.setdefault(row[0].strip(), [])
                if box is not None and box not in found:
                    found.append(box)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV in UTF-8 ({error})") from error
    return boxes


def _box(row: list[str], cells: int, where: str) -> Box | None:
    if len(row) != cells or not row[0].strip():
        raise InputError(f"{where}: has {len(row)} cells or no patient; the header has {cells}")
    target = row[5].strip() if cells > 5 else "1"
    if target not in ("0", "1"):
        raise InputError(f"{where}: Target is {target[:20]!r}; give 0 or 1")
    texts = [cell.strip() for cell in row[1:5]]
    if target == "0" and not any(texts):
        return None
    try:
        x, y, width, height = (float(text) for text in texts)
    except ValueError as error:
        raise InputError(f"{where}: x, y, width, height must be four numbers") from error
    if not all(math.isfinite(side) and abs(side) <= _LARGEST for side in (x, y, width, height)):
        raise InputError(f"{where}: the box is not of usable numbers")
    if min(x, y) < 0 or min(width, height) <= 0:
        raise InputError(f"{where}: the box needs x, y from 0 up and width, height above 0")
    return None if target == "0" else (x, y, width, height)
