from pathlib import Path

import pytest

from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
from fewshot.errors import InputError
from fewshot.sam import checkpoints
from fewshot.sam.checkpoints import KnownCheckpoint, find_checkpoint, recognise

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vit_b", ["sam_vit_b_01ec64.pth", "375 MB", "dl.fbaipublicfiles.com", "FEWSHOT_WEIGHTS"]),
        ("vit_l", ["sam_vit_l_0b3195.pth", "1250 MB"]),
        ("vit_h", ["sam_vit_h_4b8939.pth", "2565 MB"]),
        ("medsam", ["medsam_vit_b.pth", "375 MB", "zenodo.org/records/10689643"]),
        ("models/sam_vit_b_01ec64.pth", ["no such file", "375 MB"]),
        ("mine.pth", ["mine.pth: no such file", "medsam"]),
    ],
)
def test_a_missing_checkpoint_is_described(
    text: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS_FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InputError) as refusal:
        find_checkpoint(text)
    assert all(word in str(refusal.value) for word in words)
    assert "\n" not in str(refusal.value)


def test_a_name_finds_its_file_in_the_folder_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "medsam_vit_b.pth").write_bytes(b"hello")
    monkeypatch.setenv(WEIGHTS_FOLDER_VARIABLE, str(tmp_path))
    assert find_checkpoint("medsam") == tmp_path / "medsam_vit_b.pth"


def test_a_file_is_recognised_by_its_bytes_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = KnownCheckpoint("greeting", "greeting.pth", 0, HELLO, "https://example.org")
    monkeypatch.setattr(checkpoints, "KNOWN", (published,))
    (tmp_path / "renamed.pth").write_bytes(b"hello")
    assert recognise(tmp_path / "renamed.pth") is published
    (tmp_path / "other.pth").write_bytes(b"hollo")
    assert recognise(tmp_path / "other.pth") is None
    assert capsys.readouterr().err == ""
    (tmp_path / "greeting.pth").write_bytes(b"hell")
    assert recognise(tmp_path / "greeting.pth") is None
    assert "has the name of greeting but differs" in capsys.readouterr().err
