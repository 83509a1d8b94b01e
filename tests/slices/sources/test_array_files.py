"""NumPy files: stacks, single slices, archives, and files that are broken."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.remarks import collecting
from fewshot.slices.sources.array_files import ArrayFile, ArrayStack
from fewshot.slices.window import Window

STACK = np.random.default_rng(0).integers(0, 256, (4, 9, 13)).astype(np.uint8)


def save(path: Path, **arrays: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, *arrays.values())
    else:
        np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 2, 2]])
def test_slices_are_read_in_any_order(tmp_path: Path, name: str, order: list[int]) -> None:
    source = ArrayStack(save(tmp_path / name, images=STACK))
    assert [item.name for item in source.slices] == ["0.png", "1.png", "2.png", "3.png"]
    for index in order:
        np.testing.assert_array_equal(source.values(source.slices[index]), STACK[index])
        picture = source.picture(source.slices[index], None)
        np.testing.assert_array_equal(picture, STACK[index])


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (STACK[0], (9, 13)),
        (np.stack([STACK] * 3, axis=-1), (9, 13)),
        (np.stack([STACK[0]] * 3, axis=-1), (9, 13)),
        (STACK.astype(np.float64) / 3, (9, 13)),
        (STACK > 9, (9, 13)),
        (STACK[..., None], (9, 13)),
        (STACK[0][..., None], (9, 13)),
        (np.asfortranarray(STACK), (9, 13)),
    ],
    ids=[
        "one slice",
        "colours",
        "one colour",
        "floats",
        "bools",
        "one channel",
        "a slice of one channel",
        "Fortran order",
    ],
)
def test_kinds_of_arrays(tmp_path: Path, values: Any, shape: tuple[int, int]) -> None:
    source = ArrayStack(save(tmp_path / "a.npy", images=values))
    assert source.values(source.slices[0]).shape == shape
    values = values[..., 0] if values.shape[-1] == 1 else values
    expected = values[0] if values.ndim == 3 and values.shape[-1] != 3 else values
    if expected.ndim == 2:
        np.testing.assert_array_equal(source.values(source.slices[0]), expected)
    picture = source.picture(source.slices[0], Window(50, 100))
    assert picture is not None
    assert picture.dtype == np.uint8


def test_a_folder_holds_a_stack_for_each_patient(tmp_path: Path) -> None:
    save(tmp_path / "p10.npz", images=STACK)
    save(tmp_path / "p9.npy", images=STACK[:2])
    save(tmp_path / "single.npy", images=STACK[0])
    source = ArrayStack(tmp_path)
    assert [item.group for item in source.slices] == ["p9"] * 2 + ["p10"] * 4 + [None]
    assert source.slices[2].name == "p10_0.png"
    assert source.slices[-1].name == "single.png"


def test_the_array_of_an_archive_is_found_by_its_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", imgs=STACK, gts=STACK % 3)
    np.testing.assert_array_equal(ArrayFile(path).read(1), STACK[1])
    np.testing.assert_array_equal(ArrayFile(path, ("gts",)).read(1), STACK[1] % 3)
    with pytest.raises(InputError, match="holds gts, imgs; name one of them mri"):
        ArrayFile(path, ("mri",))


def bomb(path: Path, shape: tuple[int, ...]) -> None:
    """Write an array whose header tells of more than the file holds."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    content = header.getvalue() + bytes(64)
    if path.suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", content)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**9, 10, 10), (10**30,), (0, 5), (-1, 5)])
def test_absurd_shapes(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    bomb(tmp_path / name, shape)
    with pytest.raises(InputError) as caught:
        ArrayFile(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([{"a": 1}]), "holds Python objects; give plain numbers"),
        (np.array([["a", "b"]]), "give plain numbers"),
        (np.zeros(5), "give .slices, height, width."),
        (np.zeros((2, 2, 2, 2)), "give .slices, height, width."),
        (np.zeros((2, 2), complex), "give plain numbers"),
    ],
)
def test_arrays_that_are_no_slices(tmp_path: Path, values: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        ArrayFile(tmp_path / "a.npy")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), name=st.sampled_from(["a.npy", "a.npz"]))
def test_broken_bytes_give_slices_or_an_input_error(
    tmp_path: Path, data: st.DataObject, name: str
) -> None:
    path = save(tmp_path / name, images=STACK)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 700)) % len(content)] = data.draw(st.integers(0, 255))
    kept = data.draw(st.one_of(st.just(1000), st.integers(0, 1000)))
    path.write_bytes(content[: kept * len(content) // 1000])
    message = str(path)
    try:
        source = ArrayStack(path)
        for item in source.slices[:2]:
            assert source.values(item).ndim == 2
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        (
            (24, 24, 5),
            np.int16,
            ["read as 24 slices of 24 x 5; if the last axis counts"],
        ),
        ((5, 24, 24), np.int16, []),
        ((24, 24, 24), np.int16, []),
        ((24, 20, 3), np.uint8, []),
        ((24, 20, 3), np.float32, ["a last axis of 3 float32 is read as colour"]),
    ],
)
def test_axes_with_two_readings_are_said(
    tmp_path: Path, shape: tuple[int, ...], kind: Any, said: list[str]
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, kind))
    with collecting() as remarks:
        ArrayStack(tmp_path / "a.npy")
    assert len(remarks.lines()) == len(said)
    assert all(line in found for line, found in zip(said, remarks.lines(), strict=True))


def test_four_channels_of_more_than_8_bits_are_no_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((6, 24, 20, 4), np.int16))
    with pytest.raises(InputError, match=r"a.npy: its last axis holds 4 channels of int16"):
        ArrayStack(tmp_path / "a.npy")
