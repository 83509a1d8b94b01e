"""Reading which patient a slice belongs to."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.slices.groups import read_groups


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
