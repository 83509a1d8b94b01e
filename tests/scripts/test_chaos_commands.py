"""Commands that write a folder survive a kill before each of their changes to the disk."""

from pathlib import Path

import pytest

from chaos_commands import commands, first_fault


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True], ids=["anew", "over an old one"])
@pytest.mark.parametrize("name", ["convert", "export", "volume"])
def test_whatever_is_killed_is_whole_or_not_there_and_can_be_given_again(
    name: str, overwrite: bool, tmp_path: Path
) -> None:
    command = commands(tmp_path / "input")[name]
    assert first_fault(command, tmp_path / "work", overwrite) == ""
