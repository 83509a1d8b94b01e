"""Soft labels of phantom slices to be reviewed, and a running review page."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image
from fewshot.slices.phantom import phantom_slice

SIZE = 64


@pytest.fixture
def soft_run(tmp_path: Path) -> Path:
    """A directory with soft labels as a run leaves them: five of six slices, 4 to 6 masks each."""
    run = tmp_path / "run"
    records, masks = [], []
    for number in range(6):
        image, label_map = phantom_slice(np.random.default_rng(number), SIZE)
        write_image(run / "X" / f"{number}.png", image)
        records.append(SliceRecord(number, f"{number}.png", SIZE, SIZE, group=f"p{number // 2}"))
        found = SliceMasks.from_label_map(number, label_map, "steady")
        masks.append(found.select(range(min(len(found), 4 + number % 3))))
    soft = SliceSet(run / "X", tuple(records), {}).with_masks(masks[:5])
    write_coco(run / "soft_labels" / "annotations.json", soft, "soft labels")
    return run


@pytest.fixture
def address(soft_run: Path) -> Iterator[str]:
    """The address, token included, of a review page of these soft labels."""
    pytest.importorskip("starlette", reason="the extra fewshot[review] is not installed")
    from fewshot.review.server import ReviewServer
    from fewshot.review.session import open_session

    server = ReviewServer(open_session(soft_run))
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server.address
    server.stop()
    thread.join(timeout=30)
    assert not thread.is_alive()
