"""Reading which patient a slice belongs to."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.groups import (
    Named,
    grouped_by_table,
    guess_groups,
    match_groups,
    read_groups,
)


@pytest.mark.parametrize(
    "content",
    [
        b"image,patient\n0.png,pt_4\n1.png,pt_16\n",
        b"image,site\n0.png,pt_4\n1.png,pt_16",
        # As Windows and spreadsheets write it.
        b"\xef\xbb\xbfimage,patient\r\n0.png,pt_4\r\n1.png,pt_16\r\n",
        b'"image","patient"\n"0.png","pt_4"\n"1.png", pt_16\n',
    ],
)
def test_groups_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(content)
    assert read_groups(path) == {"0.png": "pt_4", "1.png": "pt_16"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"image,patient\n", "no image below the header"),
        (b"patient,image\npt_4,0.png\n", "line 1 is 'patient,image'; the header must be"),
        (b"0.png,pt_4\n", "line 1 is '0.png,pt_4'; the header must be"),
        (b"image,patient,side\n0.png,pt_4,left\n", "line 1 is 'image,patient,side'"),
        (b"image,patient\n0.png,pt_4\n1.png\n", "line 3 is '1.png'"),
        (b"image,patient\n0.png,\n", "line 2 is '0.png,'"),
        (b"image,patient\n\n0.png,pt_4\n", "line 2 is ''"),
        (b"image,patient\n0.png,pt_4\n0.png,pt_4\n", "line 3: '0.png' is listed twice"),
        (b"image,patient\n0.png,pt_4\n0,pt_5\n", "line 3: '0' is listed twice"),
        (b"image,patient\n0.png,\xff\n", "not a CSV in UTF-8"),
        (b'image,patient\n0.png,"pt\n', "not a CSV in UTF-8"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_groups(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_give_groups_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(b"image,patient\n" + content)
    message = str(path)
    try:
        assert read_groups(path)
    except InputError as error:
        message = str(error)
    assert message.startswith(str(path))


def test_the_real_groups(headneck: Path) -> None:
    groups = read_groups(headneck / "groups.csv")
    assert len(groups) == 934
    assert len(set(groups.values())) == 111
    assert len({groups[f"{number}.png"] for number in range(92)}) == 12


# Names, and the patients that they tell; None where they tell none.
GUESSES: list[tuple[list[str], list[str] | None]] = [
    # The challenge's names and plain numbering tell nothing.
    (["0.png", "1.png", "2.png", "10.png"], None),
    (["slice_001.png", "slice_002.png", "slice_003.png"], None),
    (["case_0000.png", "case_0001.png"], None),
    (["z_0.0.png", "z_0.5.png", "z_1.0.png", "z_1.5.png"], None),
    (["ISIC_0000001.jpg", "ISIC_0000002.jpg"], None),
    (["benign (1).png", "benign (2).png", "malignant (1).png"], None),
    (["train_1.png", "train_2.png", "val_1.png"], None),
    # One patient, or a slice for each.
    (["p1_s1.png", "p1_s2.png"], None),
    (["p1_s1.png", "p2_s1.png", "p3_s1.png"], None),
    (["01_1.png", "01_2.png", "02_1.png"], None),
    (["p1_s1.png", "p2_s1.png", "7.png"], None),
    (["patient01_1.png", "patient01_2.png", "patient02_1.png"], ["patient01"] * 2 + ["patient02"]),
    (
        ["patient02_slice016", "patient02_slice017", "patient10_slice001", "patient10_slice002"],
        ["patient02", "patient02", "patient10", "patient10"],
    ),
    (["p1-1.png", "p1-2.png", "p2-1.png", "p2-2.png"], ["p1", "p1", "p2", "p2"]),
    (
        ["sub-01_ses-1_3.png", "sub-01_ses-2_3.png", "sub-02_ses-1_3.png", "sub-02_ses-1_4.png"],
        ["sub-01", "sub-01", "sub-02", "sub-02"],
    ),
    (
        ["site1_patient_3_001.png", "site1_patient_3_002.png", "site1_patient_4_001.png"],
        ["site1_patient_3", "site1_patient_3", "site1_patient_4"],
    ),
    (
        [
            "TCGA_CS_4941_1996_1.tif",
            "TCGA_CS_4941_1996_2.tif",
            "TCGA_DU_5851_1995_1.tif",
            "TCGA_DU_5851_1995_2.tif",
        ],
        ["TCGA_CS_4941"] * 2 + ["TCGA_DU_5851"] * 2,
    ),
    (["01_02_003", "01_03_004", "07_02_003", "07_02_004"], ["01", "01", "07", "07"]),
]


@pytest.mark.parametrize(("names", "groups"), GUESSES)
def test_names_tell_patients(names: list[str], groups: list[str] | None) -> None:
    guess = guess_groups(names)
    assert (None if guess is None else list(guess.groups)) == groups
    if guess is not None:
        assert f"groups: {len(set(groups or []))} patients guessed" in guess.described("names")


@given(names=st.lists(st.text("ab01_- .", max_size=8), max_size=12, unique=True))
def test_a_guess_has_several_patients_and_the_same_one_for_the_same_beginning(
    names: list[str],
) -> None:
    guess = guess_groups(names)
    if guess is not None:
        assert 1 < len(set(guess.groups)) < len(names)
        assert all(name.startswith(one) for name, one in zip(names, guess.groups, strict=True))


def volume(name: str, folder: str = "images", suffix: str = ".nii.gz") -> list[Named]:
    """The three slices of a volume."""
    file = Path(folder) / f"{name}{suffix}"
    return [Named(f"{name}_{one:04d}.png", file, name, name) for one in range(3)]


# Rows, and the groups of three slices each of the volumes v1_0000 and v2_0000, or what is refused.
TABLES: list[tuple[dict[str, str], list[str] | str]] = [
    ({"v1_0000": "a", "v2_0000": "b"}, ["a"] * 3 + ["b"] * 3),
    ({"v1_0000.nii.gz": "a", "v2_0000.nii.gz": "b"}, ["a"] * 3 + ["b"] * 3),
    ({"v1": "a", "v2": "b"}, ["a"] * 3 + ["b"] * 3),
    ({"images/v1_0000.nii.gz": "a", r"C:\data\v2_0000.nii.gz": "b"}, ["a"] * 3 + ["b"] * 3),
    # The most particular row holds.
    ({"v1": "a", "v2": "b", "v1_0000_0001.png": "c"}, ["a", "c", "a", "b", "b", "b"]),
    ({"v1": "a"}, "3 of 6 slices of images have no row: 'v2_0000_0000.png', 'v2_0000_0001.png'"),
    ({"v1": "a", "v2_0000_0001": "b"}, "2 of 6 slices of images have no row"),
    ({"v1": "a", "v2": "b", "v3": "c"}, "1 of 3 rows name no image of images: 'v3'"),
    ({"x.png": "a", "y.png": "b"}, "none of its 2 rows"),
    ({"v1": "a", "v1.nii.gz": "b", "v2": "b"}, "'v1' and 'v1.nii.gz' name the same"),
]


@pytest.mark.parametrize(("rows", "expected"), TABLES)
def test_rows_name_slices_files_or_volumes(
    tmp_path: Path, rows: dict[str, str], expected: list[str] | str
) -> None:
    path = tmp_path / "groups.csv"
    lines = [f"{image},{group}" for image, group in rows.items()]
    path.write_text("\n".join(["image,patient", *lines]))
    slices = [*volume("v1_0000"), *volume("v2_0000")]
    if isinstance(expected, str):
        with pytest.raises(InputError, match=re.escape(expected)) as caught:
            grouped_by_table(path, slices, Path("images"))
        assert str(caught.value).startswith(str(path))
    else:
        groups, said = grouped_by_table(path, slices, Path("images"))
        assert groups == expected
        assert f"{len(rows)} of {len(rows)} rows used" in said


def test_a_name_that_several_folders_have_names_no_file(tmp_path: Path) -> None:
    slices = [Named(f"s{one}.png", tmp_path / one / "IM1.dcm") for one in "ab"]
    assert match_groups({"IM1": "x"}, slices, tmp_path).groups == (None, None)
    assert match_groups({"a/IM1.dcm": "x", "b/IM1": "y"}, slices, tmp_path).groups == ("x", "y")


def test_slices_that_could_not_be_read_leave_rows_over(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("image,patient\nv1,a\nv2,b\n")
    groups, said = grouped_by_table(path, volume("v1_0000"), Path("images"), incomplete=True)
    assert groups == ["a"] * 3
    assert "1 of 2 rows used, 1 without an image" in said
