"""What several rooms' tests share: a miniature phantom and a miniature detector."""

import os
from pathlib import Path

import numpy as np
import pytest

from fewshot.config.tree import AugmentationSettings, DetectorSettings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image
from fewshot.slices.phantom import phantom_slice

SIZE = 64


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> SliceSet:
    """Six labelled phantom slices of 64×64; the last one is without masks."""
    folder = tmp_path_factory.mktemp("miniature")
    records, masks = [], {}
    for index in range(6):
        image, label_map = phantom_slice(np.random.default_rng(index), SIZE)
        if index == 5:
            label_map = np.zeros_like(label_map)
        write_image(folder / f"{index}.png", image)
        records.append(SliceRecord(index, f"{index}.png", SIZE, SIZE))
        masks[index] = SliceMasks.from_label_map(index, label_map)
    return SliceSet(folder, tuple(records), masks)


@pytest.fixture(scope="session")
def small_detector() -> DetectorSettings:
    """Settings under which a real Detectron2 model trains in seconds."""
    return DetectorSettings(
        weights="none", batch_size=2, evaluation_period=0, checkpoint_period=1000, device="cpu"
    )


@pytest.fixture(scope="session")
def gentle() -> AugmentationSettings:
    """Every augmentation on, none strong."""
    return AugmentationSettings(rotation=5, scale=0.05, shift=0.02)


@pytest.fixture(scope="session")
def headneck() -> Path:
    """The folder of the real head and neck set; the test is skipped where it is absent."""
    return real_data("headneck")


@pytest.fixture(scope="session")
def abdomen() -> Path:
    """The folder of the real abdominal volume; the test is skipped where it is absent."""
    return real_data("abdomen")


def real_data(name: str) -> Path:
    """Return a folder of real data, or skip the test."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("FEWSHOT_DATA", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"the real data are not there ({folder}); set FEWSHOT_DATA")
    return folder
