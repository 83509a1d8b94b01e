"""Masks as COCO run-length encodings (RLE), and checks that make foreign ones safe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from fewshot.errors import InputError
from fewshot.slices.limits import MAX_PIXELS_VARIABLE, max_pixels

# A run length below 2**28, or the difference of two, takes at most six characters of five bits;
# COCO never writes longer groups, and they would overflow.
_MAX_GROUP = 6
_KEYS = {"size", "counts"}
# Runs of at least this mean length are filled one by one.
_MEAN_RUN = 128


class Rle(TypedDict):
    """A mask in COCO's compressed form: `size` is [height, width], `counts` an ASCII string."""

    size: list[int]
    counts: str


def encode(mask: NDArray[np.bool_]) -> Rle:
    """Return the RLE of a (height, width) bool mask.

    >>> mask = np.array([[False, True, True], [False, False, True]])
    >>> encode(mask)
    {'size': [2, 3], 'counts': '2111'}
    >>> np.array_equal(decode(encode(mask)), mask)
    True
    """
    return encode_stack(mask[np.newaxis])[0]


def encode_stack(masks: NDArray[np.bool_]) -> list[Rle]:
    """Return the RLEs of (masks, height, width) bool masks."""
    if len(masks) == 0:
        return []
    columns_first = np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)
    return [_as_text(rle) for rle in coco_mask.encode(columns_first)]


def decode(rle: Rle) -> NDArray[np.bool_]:
    """Return the (height, width) bool mask of an RLE of our own or from `check_rle`."""
    height, width = rle["size"]
    mask: NDArray[np.bool_] = decode_stack([rle], height, width)[0]
    return mask


def decode_stack(rles: Sequence[Rle], height: int, width: int) -> NDArray[np.bool_]:
    """Return (masks, height, width) bool masks, each column-major like its RLE."""
    # Not by pycocotools, whose decode is slower and warns under NumPy 2.
    masks = np.zeros((len(rles), width, height), dtype=np.bool_).transpose(0, 2, 1)
    for mask, rle in zip(masks, rles, strict=True):
        _fill(mask, _runs_of_text(rle["counts"], "mask"))
    return masks


def area(rles: Sequence[Rle]) -> NDArray[np.int64]:
    """Return the number of pixels of each mask, shape (masks,)."""
    # One by one: pycocotools 2.0.11 fails on lists of more than 255.
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
    """Return a slice's size; `InputError` unless it is integers from 1 up, within `max_pixels`."""
    if type(height) is not int or height < 1:
        raise InputError(f"{where}: height is {short_repr(height)}; give an integer from 1 up")
    if type(width) is not int or width < 1:
        raise InputError(f"{where}: width is {short_repr(width)}; give an integer from 1 up")
    if height * width > max_pixels():
        raise InputError(
            f"{where}: height {short_repr(height)} x width {short_repr(width)} is too large; the "
            f"limit is {max_pixels()} pixels, if the size is right set {MAX_PIXELS_VARIABLE} higher"
        )
    return height, width


def check_rle(rle: object, height: int, width: int, where: str) -> Rle:
    """Return a foreign RLE as a compressed one that is safe to decode.

    `rle` is a mapping with `size` and `counts`: COCO's string (str or bytes) or a list of run
    lengths. pycocotools reads and writes out of bounds if sizes and runs disagree.

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
    # Without decoding: a short list may stand for a large mask.
    plain = {"size": [height, width], "counts": _without_empty_runs(runs)}
    return _as_text(coco_mask.frPyObjects([plain], height, width)[0])


class CheckedRles(tuple[Rle, ...]):
    """The RLEs of one slice that passed `check_rles`, with their common (height, width)."""

    size: tuple[int, int]

    def at(self, rows: Iterable[int]) -> "CheckedRles":
        """Return the RLEs at these places, in their order."""
        chosen = CheckedRles(self[row] for row in rows)
        chosen.size = self.size
        return chosen


def check_rles(
    rles: Sequence[object], height: int, width: int, where: Callable[[int], str]
) -> CheckedRles:
    """Return the foreign RLEs of one slice, each as `check_rle` returns it.

    Compressed ones are checked all at once, which takes a tenth of the time.
    Raises `InputError` for the first wrong one, beginning with `where` of its position.
    """
    if _are_compressed(rles, height, width):
        checked = CheckedRles(cast(Sequence[Rle], rles))
    else:
        checked = CheckedRles(
            check_rle(rle, height, width, where(position)) for position, rle in enumerate(rles)
        )
    checked.size = (height, width)
    return checked


def _are_compressed(rles: Sequence[object], height: int, width: int) -> bool:
    """Return whether all are compressed RLEs that `check_rle` would return unchanged."""
    texts = []
    for rle in rles:
        if type(rle) is not dict or rle.keys() != _KEYS:
            return False
        size, counts = rle["size"], rle["counts"]
        if type(size) is not list or size != [height, width] or type(counts) is not str:
            return False
        if type(size[0]) is not int or type(size[1]) is not int or not counts:
            return False
        texts.append(counts)
    if not texts:
        return True
    try:
        numbers, ends = _numbers_of_text("".join(texts), "")
    except InputError:
        return False
    stops = np.cumsum([len(text) for text in texts])
    last = np.searchsorted(ends, stops - 1)
    if not np.array_equal(ends[last], stops - 1):
        return False  # A number crosses from one mask into the next.
    starts = np.concatenate(([0], last[:-1] + 1))
    runs = _undo_differences(numbers, starts)
    # Only the first run of a mask may be empty.
    positive = runs > 0
    positive[starts] = runs[starts] >= 0
    return (
        bool(positive.all())
        and int(runs.max()) <= height * width
        and bool(np.all(np.add.reduceat(runs, starts) == height * width))
    )


def _without_empty_runs(runs: NDArray[np.int64]) -> list[int]:
    """Return the runs with only the first, outside the mask, possibly empty."""
    kept: list[int] = [0]
    inside = False
    for place, run in enumerate(runs.tolist()):
        if run == 0:
            continue
        if (place % 2 == 1) == inside:
            kept[-1] += run
        else:
            kept.append(run)
            inside = not inside
    return kept


def _fill(mask: NDArray[np.bool_], runs: NDArray[np.int64]) -> None:
    """Fill an all-false, column-major mask with alternating runs outside and inside."""
    flat = mask.T.reshape(-1)
    if runs.size * _MEAN_RUN > flat.size:
        flat[:] = np.repeat(np.arange(runs.size) % 2 == 1, runs)
        return
    # Few long runs, as in regions: one call per run is much faster than one step per pixel.
    ends = np.cumsum(runs).tolist()
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        flat[start:end] = True


def _runs_of_text(counts: str, where: str) -> NDArray[np.int64]:
    """Return the run lengths of a COCO run string; from the fourth, differences from two before."""
    runs, _ = _numbers_of_text(counts, where)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _undo_differences(numbers: NDArray[np.int64], starts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the run lengths of several masks, whose numbers begin at `starts`."""
    lengths = np.diff(starts, append=numbers.size)
    place = np.arange(numbers.size) - np.repeat(starts, lengths)
    mask_of = np.repeat(np.arange(starts.size), lengths)
    runs = numbers.copy()
    for odd in (True, False):
        chosen = np.flatnonzero(((place & 1) == odd) & (place > 0))
        if chosen.size == 0:
            continue
        totals = np.cumsum(numbers[chosen])
        first = np.flatnonzero(np.diff(mask_of[chosen], prepend=-1))
        before = totals[first] - numbers[chosen[first]]
        runs[chosen] = totals - np.repeat(before, np.diff(first, append=chosen.size))
    return runs


def _numbers_of_text(counts: str, where: str) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the numbers in a COCO run string, and the position of each one's last character.

    A number is a group of characters from "0" on, five bits each, lowest first; bit 5 means that
    another follows, bit 4 of the last is the sign.
    """
    try:
        letters = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: RLE counts hold a character that is not ASCII") from error
    if letters.size == 0:
        return letters, letters
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
    numbers: NDArray[np.int64] = np.add.reduceat((letters & 31) << (5 * places), starts)
    negative = (letters[ends] & 16) > 0
    numbers[negative] -= (1 << (5 * lengths))[negative]
    return numbers, ends


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
