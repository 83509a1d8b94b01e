"""Masks as COCO run-length encodings (RLE), and the check that makes foreign ones safe."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fewshot.errors import InputError

MAX_PIXELS = 1 << 28
"""The largest slice accepted, in pixels (16384 x 16384): a small file cannot ask for gigabytes."""

# A run length below 2**28, or the difference of two, is written in at most six characters of five
# bits; longer groups are not COCO's and would overflow.
_MAX_GROUP = 6


class Rle(TypedDict):
    """A mask in COCO's compressed form: `size` is [height, width], `counts` an ASCII string."""

    size: list[int]
    counts: str


def encode(mask: NDArray[np.bool_]) -> Rle:
    """Return the RLE of a (height, width) bool mask."""
    return encode_stack(mask[np.newaxis])[0]


def encode_stack(masks: NDArray[np.bool_]) -> list[Rle]:
    """Return the RLEs of (masks, height, width) bool masks."""
    if len(masks) == 0:
        return []
    columns_first = np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)
    return [_as_text(rle) for rle in coco_mask.encode(columns_first)]


def decode(rle: Rle) -> NDArray[np.bool_]:
    """Return the (height, width) bool mask of an RLE that is our own or passed `check_rle`."""
    # Not by pycocotools: its decode is no faster, and warns under NumPy 2.
    return _mask_of_runs(_runs_of_text(rle["counts"], "mask"), *rle["size"])


def decode_stack(rles: Sequence[Rle], height: int, width: int) -> NDArray[np.bool_]:
    """Return (masks, height, width) bool masks; (0, height, width) for none."""
    masks = np.empty((len(rles), height, width), dtype=np.bool_)
    for mask, rle in zip(masks, rles, strict=True):
        mask[...] = decode(rle)
    return masks


def area(rles: Sequence[Rle]) -> NDArray[np.int64]:
    """Return the number of pixels of each mask, shape (masks,)."""
    # One by one: pycocotools 2.0.11 fails on a list of more than 255.
    return np.array([coco_mask.area(rle) for rle in rles], dtype=np.int64)


def boxes(rles: Sequence[Rle]) -> NDArray[np.float32]:
    """Return the tight boxes (x0, y0, x1, y1) in pixels, shape (masks, 4); zeros for empty masks.

    x1 and y1 are the first column and row outside the mask.
    """
    corners = np.asarray(coco_mask.toBbox(list(rles)), dtype=np.float32).reshape(len(rles), 4)
    corners[:, 2:] += corners[:, :2]
    return corners


def iou(a: Sequence[Rle], b: Sequence[Rle]) -> NDArray[np.float64]:
    """Return the intersection over union of every pair of masks of one size, shape (len a, len b).

    Two empty masks have IoU 0.
    """
    if not a or not b:
        return np.zeros((len(a), len(b)))
    result: NDArray[np.float64] = coco_mask.iou(list(a), list(b), [0] * len(b))
    return result


def check_size(height: object, width: object, where: str) -> tuple[int, int]:
    """Return a slice's size; `InputError` unless both sides are integers from 1 up.

    Sizes above `MAX_PIXELS` are refused too.
    """
    if type(height) is not int or height < 1:
        raise InputError(f"{where}: height is {short_repr(height)}; give an integer from 1 up")
    if type(width) is not int or width < 1:
        raise InputError(f"{where}: width is {short_repr(width)}; give an integer from 1 up")
    if height * width > MAX_PIXELS:
        raise InputError(
            f"{where}: height {short_repr(height)} x width {short_repr(width)} is too large; "
            f"the limit is {MAX_PIXELS} pixels"
        )
    return height, width


def check_rle(rle: object, height: int, width: int, where: str) -> Rle:
    """Return a foreign RLE as a compressed one that is safe to decode.

    `rle` is a mapping with `size` and `counts`; `counts` may be COCO's string (str or bytes) or a
    list of run lengths. Everything is checked here, in Python, because pycocotools reads and writes
    outside its memory when sizes and runs disagree.

    Raises `InputError`, beginning with `where`, unless the size is (height, width) and the runs
    are non-negative and fill it exactly.
    """
    check_size(height, width, where)
    if not isinstance(rle, Mapping):
        raise InputError(f"{where}: an RLE must have size and counts, not be {short_repr(rle)}")
    size, counts = rle.get("size"), rle.get("counts")
    if not (isinstance(size, list | tuple) and all(type(side) is int for side in size)):
        raise InputError(f"{where}: RLE size is {short_repr(size)}; give [height, width]")
    if list(size) != [height, width]:
        raise InputError(
            f"{where}: RLE size is {short_repr(list(size))} but the slice is [{height}, {width}]"
        )
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    if isinstance(counts, str):
        runs = _runs_of_text(counts, where)
    elif isinstance(counts, list | tuple):
        runs = _runs_of_list(counts, height * width, where)
    else:
        raise InputError(f"{where}: RLE counts are {short_repr(counts)}; give a string or a list")
    if runs.size and not 0 <= runs.min() <= runs.max() <= height * width:
        raise InputError(f"{where}: RLE counts hold a run that is negative or outgrows the slice")
    total = int(runs.sum())
    if total != height * width:
        raise InputError(
            f"{where}: RLE counts cover {total} pixels; {height} x {width} has {height * width}"
        )
    if isinstance(counts, str) and np.all(runs[1:] > 0):
        return {"size": [height, width], "counts": counts}
    return encode(_mask_of_runs(runs, height, width))


def _mask_of_runs(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of alternating runs outside and inside, which go down the columns."""
    inside = np.arange(runs.size) % 2 == 1
    return np.repeat(inside, runs).reshape((height, width), order="F")


def _runs_of_text(counts: str, where: str) -> NDArray[np.int64]:
    """Return the run lengths of a COCO run string.

    A number is a group of characters from "0" on, five bits each, lowest first; bit 5 says that
    another follows, bit 4 of the last is the sign. From the fourth on, a number is the difference
    from the run two before.
    """
    try:
        letters = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: RLE counts hold a character that is not ASCII") from error
    if letters.size == 0:
        return letters
    if letters.min() < 0 or letters.max() > 63:
        raise InputError(f"{where}: RLE counts hold a character that COCO does not use")
    ends = np.flatnonzero(letters < 32)
    if ends.size == 0 or ends[-1] != letters.size - 1:
        raise InputError(f"{where}: RLE counts are cut off in the middle of a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_GROUP:
        raise InputError(f"{where}: RLE counts hold a number that is too large")
    places = np.arange(letters.size) - np.repeat(starts, lengths)
    runs: NDArray[np.int64] = np.add.reduceat((letters & 31) << (5 * places), starts)
    runs[(letters[ends] & 16) > 0] -= (1 << (5 * lengths))[(letters[ends] & 16) > 0]
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _runs_of_list(counts: Sequence[Any], pixels: int, where: str) -> NDArray[np.int64]:
    for run in counts:
        if type(run) is not int or not 0 <= run <= pixels:
            raise InputError(
                f"{where}: RLE counts hold {short_repr(run)}; runs are integers from 0 to {pixels}"
            )
    return np.array(counts, dtype=np.int64)


def _as_text(rle: Mapping[str, Any]) -> Rle:
    height, width = rle["size"]
    return {"size": [int(height), int(width)], "counts": rle["counts"].decode("ascii")}


def short_repr(value: object) -> str:
    """Return a value as one line of text for a message; long ones are cut."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits.
        return "a number that is too long"
    return text if len(text) <= 40 else text[:37] + "..."
