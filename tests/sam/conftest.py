"""A small untrained network, as a model and as a file."""

from pathlib import Path

import pytest

from fewshot.sam.model import SamModel, load_sam, save_sam


@pytest.fixture(scope="session")
def tiny() -> SamModel:
    """An untrained `tiny`; nothing may change it."""
    return load_sam("tiny", "cpu", untrained=0)


@pytest.fixture(scope="session")
def tiny_file(tiny: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as a checkpoint."""
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    save_sam(path, tiny.network)
    return path
