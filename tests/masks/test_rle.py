"""Run-length encodings: pycocotools is the oracle; hostile ones never reach it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy import ndimage

from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.rle import check_rle, check_rles, decode, decode_stack, encode

Mask = NDArray[np.bool_]
SIZE = 512


def blobs(smoothing: float, seed: int = 0, shape: tuple[int, int] = (SIZE, SIZE)) -> Mask:
    noise = np.random.default_rng(seed).normal(size=shape)
    mask: Mask = ndimage.gaussian_filter(noise, smoothing) > 0
    return mask


def box_mask(y0: int, y1: int, x0: int, x1: int) -> Mask:
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


MASKS: dict[str, Callable[[], Mask]] = {
    "empty": lambda: np.zeros((SIZE, SIZE), dtype=np.bool_),
    "full": lambda: np.ones((SIZE, SIZE), dtype=np.bool_),
    "first pixel": lambda: box_mask(0, 1, 0, 1),
    "last pixel": lambda: box_mask(SIZE - 1, SIZE, SIZE - 1, SIZE),
    "one column": lambda: box_mask(0, SIZE, 40, 41),
    "one row": lambda: box_mask(40, 41, 0, SIZE),
    "rectangle": lambda: box_mask(100, 300, 20, 500),
    "noise": lambda: blobs(0),
    "fine blobs": lambda: blobs(2),
    "large blobs": lambda: blobs(20),
    "chequered": lambda: np.indices((SIZE, SIZE)).sum(axis=0) % 2 == 1,
    "not square": lambda: blobs(5, shape=(200, 512)),
    "one line of pixels": lambda: blobs(1, shape=(1, 700)),
}


def reference(mask: Mask) -> dict[str, Any]:
    rle: dict[str, Any] = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def run_lengths(mask: Mask) -> list[int]:
    """Return COCO's uncompressed counts, found pixel by pixel change in column order."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *runs] if flat[0] else list(runs)


@pytest.mark.parametrize("name", MASKS)
def test_encode_and_decode_agree_with_pycocotools(name: str) -> None:
    mask = MASKS[name]()

    rle = encode(mask)

    assert rle == reference(mask)
    np.testing.assert_array_equal(decode(rle), mask)


@pytest.mark.parametrize("name", MASKS)
def test_check_accepts_every_form_of_a_good_rle(name: str) -> None:
    mask = MASKS[name]()
    height, width = mask.shape
    expected = reference(mask)

    forms: list[dict[str, Any]] = [
        expected,
        {**expected, "counts": expected["counts"].encode()},
        {**expected, "counts": run_lengths(mask)},
        {**expected, "size": (height, width)},
    ]

    for form in forms:
        assert check_rle(form, height, width, "here") == expected


def test_check_makes_needless_empty_runs_canonical() -> None:
    # 3 off, 2 on, 0 off, 3 on, 1 off: two runs that touch.
    split = {"size": [3, 3], "counts": [3, 2, 0, 3, 1]}
    joined = {"size": [3, 3], "counts": [3, 5, 1]}

    assert check_rle(split, 3, 3, "here") == check_rle(joined, 3, 3, "here")
    # The same in COCO's letters: from the fourth on, differences from two before (3-2=1, 1-0=1).
    assert check_rle({"size": [3, 3], "counts": "32011"}, 3, 3, "here") == check_rle(
        joined, 3, 3, "here"
    )


def test_stacks_areas_boxes_and_iou() -> None:
    masks = np.stack([MASKS[name]() for name in MASKS if MASKS[name]().shape == (SIZE, SIZE)])
    rles = rle_codec.encode_stack(masks)

    np.testing.assert_array_equal(rle_codec.decode_stack(rles, SIZE, SIZE), masks)
    np.testing.assert_array_equal(rle_codec.area(rles), masks.sum(axis=(1, 2)))
    np.testing.assert_array_equal(rle_codec.boxes(rles), [tight_box(mask) for mask in masks])
    flat = masks.reshape(len(masks), -1).astype(np.int64)
    shared = flat @ flat.T
    union = flat.sum(axis=1)[:, np.newaxis] + flat.sum(axis=1) - shared
    np.testing.assert_allclose(rle_codec.iou(rles, rles), shared / np.maximum(union, 1), atol=1e-12)
    assert rle_codec.iou(rles, rles[:2]).shape == (len(rles), 2)


def test_more_than_255_masks() -> None:
    masks = np.random.default_rng(0).random((300, 16, 16)) < 0.5
    rles = rle_codec.encode_stack(masks)

    np.testing.assert_array_equal(rle_codec.area(rles), masks.sum(axis=(1, 2)))
    assert rle_codec.boxes(rles).shape == (300, 4)
    np.testing.assert_array_equal(np.diagonal(rle_codec.iou(rles, rles)), 1)
    np.testing.assert_array_equal(rle_codec.decode_stack(rles, 16, 16), masks)


def tight_box(mask: Mask) -> list[int]:
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return [0, 0, 0, 0]
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_no_masks_at_all() -> None:
    nothing = rle_codec.encode_stack(np.zeros((0, 8, 9), dtype=np.bool_))

    assert nothing == []
    assert rle_codec.decode_stack([], 8, 9).shape == (0, 8, 9)
    assert rle_codec.area([]).shape == (0,)
    assert rle_codec.boxes([]).shape == (0, 4)
    assert rle_codec.iou([], [encode(np.ones((8, 9), dtype=np.bool_))]).shape == (0, 1)


HOSTILE: list[tuple[object, str]] = [
    ({"size": [10**6, 10**6], "counts": "0"}, "size"),
    ({"size": [70000, 70000], "counts": "1"}, "size"),
    ({"size": [512, 511], "counts": "PPPPP"}, "size"),
    ({"size": [-512, -512], "counts": "0"}, "size"),
    ({"size": [512.0, 512.0], "counts": "0"}, "size"),
    ({"size": [True, 512], "counts": "0"}, "size"),
    ({"size": [10**5000, 512], "counts": "0"}, "size"),
    ({"size": [512], "counts": "0"}, "size"),
    ({"size": "512x512", "counts": "0"}, "size"),
    ({"counts": "0"}, "size"),
    ({"size": [512, 512]}, "counts are None"),
    ({"size": [512, 512], "counts": 7}, "counts are 7"),
    ({"size": [512, 512], "counts": ""}, "cover 0 pixels"),
    ({"size": [512, 512], "counts": "1"}, "cover 1 pixels"),
    ({"size": [512, 512], "counts": "P"}, "cut off"),  # says that more follows
    ({"size": [512, 512], "counts": "1" + "o" * 5}, "cut off"),
    ({"size": [512, 512], "counts": "O"}, "negative"),  # -1
    ({"size": [512, 512], "counts": "PPPPPPPPPPP1"}, "too large"),
    ({"size": [512, 512], "counts": "ooooo?"}, "outgrows"),
    ({"size": [512, 512], "counts": "PPP801"}, "cover 262145"),
    ({"size": [512, 512], "counts": "/"}, "character that COCO does not use"),
    ({"size": [512, 512], "counts": "p"}, "character that COCO does not use"),
    ({"size": [512, 512], "counts": "PP\x00"}, "character that COCO does not use"),
    ({"size": [512, 512], "counts": "é"}, "not ASCII"),
    ({"size": [512, 512], "counts": "\ud800"}, "not ASCII"),
    ({"size": [512, 512], "counts": b"\xff\xfe"}, "not ASCII"),
    ({"size": [512, 512], "counts": []}, "cover 0 pixels"),
    ({"size": [512, 512], "counts": [262143]}, "cover 262143 pixels"),
    ({"size": [512, 512], "counts": [262143, 2]}, "cover 262145 pixels"),
    ({"size": [512, 512], "counts": [-1, 262145]}, "runs are integers"),
    ({"size": [512, 512], "counts": [2**64, 1]}, "runs are integers"),
    ({"size": [512, 512], "counts": [1.5, 262142.5]}, "runs are integers"),
    ({"size": [512, 512], "counts": [True, 262143]}, "runs are integers"),
    ({"size": [512, 512], "counts": [[262144]]}, "runs are integers"),
    ([262144], "must have size and counts"),
    (None, "must have size and counts"),
    ("0", "must have size and counts"),
]


@pytest.mark.parametrize(("hostile", "message"), HOSTILE)
def test_hostile_rle_is_refused_before_pycocotools(
    hostile: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("decode", "encode", "area", "toBbox", "iou", "merge", "frPyObjects"):
        monkeypatch.setattr(coco_mask, name, lambda *_: pytest.fail("pycocotools was called"))

    with pytest.raises(InputError, match=message) as caught:
        check_rle(hostile, SIZE, SIZE, "soft.json: annotation 7")

    assert str(caught.value).startswith("soft.json: annotation 7: ")
    assert "\n" not in str(caught.value)


def test_sums_that_overflow_64_bits_are_refused() -> None:
    # Every difference is the largest a group can hold: the runs grow until their sum wraps round.
    growing = "oooo?" * 100_000

    with pytest.raises(InputError, match="outgrows"):
        check_rle({"size": [512, 512], "counts": growing}, 512, 512, "here")


@pytest.mark.parametrize(
    ("height", "width"), [(0, 5), (5, -1), (10**6, 10**6), (2**14 + 1, 2**14), (True, 5), (5.0, 5)]
)
def test_sizes_out_of_bounds_are_refused(height: int, width: int) -> None:
    with pytest.raises(InputError, match=r"^here: (height|width)"):
        check_rle({"size": [height, width], "counts": "0"}, height, width, "here")


@given(counts=st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=12))
def test_what_passes_the_check_decodes_to_a_mask(counts: str) -> None:
    try:
        checked = check_rle({"size": [4, 5], "counts": counts}, 4, 5, "here")
    except InputError:
        return
    mask = decode(checked)
    assert mask.shape == (4, 5)
    assert checked == encode(mask)


@given(bits=st.lists(st.booleans(), min_size=24, max_size=24))
def test_every_small_mask_round_trips(bits: list[bool]) -> None:
    mask = np.array(bits).reshape(4, 6)

    assert check_rle(reference(mask), 4, 6, "here") == encode(mask)
    np.testing.assert_array_equal(decode(encode(mask)), mask)


def place(row: int) -> str:
    return f"mask {row}"


def test_masks_of_a_slice_are_checked_together() -> None:
    rles = [encode(make()) for name, make in MASKS.items() if make().shape == (SIZE, SIZE)]
    checked = check_rles(rles, SIZE, SIZE, place)
    assert checked == tuple(rles)
    assert all(kept is given for kept, given in zip(checked, rles, strict=True))
    assert checked.size == (SIZE, SIZE)
    assert check_rles([], SIZE, SIZE, place) == ()
    # One that has to be converted does not spoil the others.
    mixed = [rles[0], {"size": [SIZE, SIZE], "counts": [SIZE * SIZE]}, rles[2]]
    assert check_rles(mixed, SIZE, SIZE, place)[1] == encode(np.zeros((SIZE, SIZE), dtype=np.bool_))


@given(
    texts=st.lists(st.text(st.characters(min_codepoint=44, max_codepoint=114), max_size=8)),
    good=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_together_and_alone_agree(texts: list[str], good: list[bool]) -> None:
    rle = encode(np.array(good).reshape(3, 4))
    rles: list[Any] = [{"size": [3, 4], "counts": text} for text in texts]
    rles = [rle, *rles[::2], rle, *rles[1::2]]

    def outcome(check: Callable[[], Any]) -> Any:
        try:
            return check()
        except InputError as error:
            return str(error)

    alone = outcome(lambda: tuple(check_rle(one, 3, 4, place(row)) for row, one in enumerate(rles)))
    assert outcome(lambda: check_rles(rles, 3, 4, place)) == alone


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_number_does_not_go_on_in_the_next_mask(cut: int) -> None:
    # Together the two are a good string; each of them is not.
    counts = encode(blobs(5))["counts"]
    position = next(i for i in range(cut, len(counts)) if ord(counts[i - 1]) - 48 >= 32)
    rles = [
        {"size": [SIZE, SIZE], "counts": part} for part in (counts[:position], counts[position:])
    ]
    with pytest.raises(InputError, match="mask 0: RLE counts are cut off"):
        check_rles(rles, SIZE, SIZE, place)


@pytest.mark.parametrize("name", MASKS)
def test_stacks_are_decoded_as_they_were_encoded(name: str) -> None:
    mask = MASKS[name]()
    height, width = mask.shape
    stack = decode_stack([encode(mask), encode(~mask)], height, width)
    np.testing.assert_array_equal(stack, [mask, ~mask])
