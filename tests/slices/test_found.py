"""Messages name what was found in place of what was wanted."""

from pathlib import Path
from typing import Any

import pytest

from fewshot.errors import InputError
from fewshot.slices.found import begins_as_dicom, is_hidden, what_file, what_is_there
from fewshot.slices.images import image_stem, read_image
from fewshot.slices.sources.recognise import open_source


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"GIF89a", "a GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP"),
        (b"\0\0\0\x18ftypheic", "a HEIC or AVIF picture, or a film"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html>", "a web page or XML"),
        (b'\xef\xbb\xbf{"images": []}', "JSON"),
        (b"\0" * 128 + b"DICM", "DICOM"),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100", "DICOM"),
        (b"\x08\0\x05\0CS\x0a\0ISO_IR 100", "DICOM"),
        (b"\x02\0\0\0UL\4\0\xba\0\0\0", "DICOM"),
        (b"what it is nobody knows", ""),
        (b"\x08\0\x05\0\xff\xff\xff\xff", ""),
    ],
)
def test_files_are_known_by_their_first_bytes(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "a").write_bytes(content)
    assert what_file(tmp_path / "a").startswith(expected)
    assert begins_as_dicom(tmp_path / "a") == (expected == "DICOM")
    assert bool(what_file(tmp_path / "a")) == bool(expected)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match=r"it is a Git LFS pointer .*: git lfs pull fetches it"):
        read_image(tmp_path / "0.png")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "is empty"),
        (["._a.png", "__MACOSX/a.png", ".DS_Store"], "is empty"),
        (["p1/0.png", "p2/0.png"], "holds 2 sub-folders with 2 .png"),
        (["a.nrrd", "b.nrrd", "c"], "holds 2 .nrrd, 1 files without suffix"),
        (["a.mha.gz", "p/b.txt"], "holds 1 sub-folder with 1 .txt; 1 .mha.gz"),
    ],
)
def test_a_folder_without_images_is_described(
    tmp_path: Path, names: list[str], expected: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    assert what_is_there(root) == expected
    with pytest.raises(InputError) as caught:
        open_source(root)
    assert str(caught.value).startswith(
        f"{root}: no image in it that is read (it {expected}); give"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a/b.png", False), ("a/._b", True), ("a/.x/b", True), ("__MACOSX/b", True), ("a/b.x", False)],
)
def test_hidden_files(path: str, expected: bool) -> None:
    assert is_hidden(Path("/home/.cache") / path, Path("/home/.cache")) == expected


def test_accents_are_compared_composed(tmp_path: Path) -> None:
    composed: Any = "M\u00fcller_1.png"
    taken_apart = "Mu\u0308ller_1.png"
    assert image_stem(composed) == image_stem(taken_apart) == "M\u00fcller_1"
