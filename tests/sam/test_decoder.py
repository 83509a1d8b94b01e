"""The same masks as the package's own predictor gives for the same prompts."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor

from fewshot.sam import frames
from fewshot.sam.decoder import answer_masks, ask
from fewshot.sam.embeddings import Embedder, encode
from fewshot.sam.model import SamModel
from fewshot.sam.prompts import Prompts

SIZE = (120, 160)
BOXES = np.array([[10, 20, 70, 90], [60.5, 5, 150, 60], [0, 0, 160, 120]], dtype=np.float32)
POINTS = np.array([[[30, 40], [50, 60]], [[80, 30], [10, 10]], [[5, 5], [6, 100]]], np.float32)
LABELS = np.array([[1, 1], [1, 0], [1, 1]], dtype=np.int32)


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8)


@pytest.fixture(scope="module")
def features(tiny: SamModel, image: NDArray[np.uint8]) -> torch.Tensor:
    return encode(tiny, [image], Embedder(tiny))[0]


@pytest.fixture(scope="module")
def predictor(tiny: SamModel, image: NDArray[np.uint8]) -> SamPredictor:
    predictor = SamPredictor(tiny.network)
    predictor.set_image(np.repeat(image[:, :, None], 3, axis=2))
    return predictor


def test_the_embedding_is_the_predictors(features: torch.Tensor, predictor: SamPredictor) -> None:
    assert float((predictor.get_image_embedding()[0] - features).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("prompts", "outputs"),
    [
        (Prompts(BOXES), "one"),
        (Prompts(points=POINTS, labels=LABELS), "three"),
        (Prompts(BOXES, POINTS, LABELS), "one"),
    ],
)
def test_logits_are_the_predictors(
    prompts: Prompts,
    outputs: Any,
    tiny: SamModel,
    features: torch.Tensor,
    predictor: SamPredictor,
) -> None:
    with torch.inference_mode():
        answer = ask(tiny, features, prompts, SIZE, outputs=outputs)
        ours = frames.to_slice(tiny, answer.low, SIZE).numpy()
    for row in range(len(prompts)):
        logits, quality, low = predictor.predict(
            point_coords=None if prompts.points is None else prompts.points[row],
            point_labels=None if prompts.labels is None else prompts.labels[row],
            box=None if prompts.boxes is None else prompts.boxes[row],
            multimask_output=outputs == "three",
            return_logits=True,
        )
        assert np.abs(ours[row] - logits).max() < 1e-4
        assert np.abs(answer.quality[row].numpy() - quality).max() < 1e-4
        assert np.abs(answer.low[row].numpy() - low).max() < 1e-4


def test_a_mask_prompt_is_read_as_the_predictor_reads_logits(
    tiny: SamModel, features: torch.Tensor, predictor: SamPredictor
) -> None:
    mask = np.zeros((1, *SIZE), dtype=bool)
    mask[0, 20:90, 10:70] = True
    given = frames.mask_inputs(tiny, mask, 6.0)
    assert given.shape == (1, 1, 64, 64)
    assert float(given.max()) == 6
    assert float(given.min()) == -6
    # 120 x 160 becomes 192 x 256, so the slice covers 48 of the 64 rows of cells.
    inside = (given[0, 0] > 0).numpy()
    assert inside[8:36, 4:28].mean() > 0.99
    assert not inside[48:].any()
    logits, _, _ = predictor.predict(
        box=BOXES[0], mask_input=given[0].numpy(), multimask_output=False, return_logits=True
    )
    with torch.inference_mode():
        answer = ask(tiny, features, Prompts(BOXES[:1], masks=mask), SIZE)
        ours = frames.to_slice(tiny, answer.low, SIZE).numpy()
    assert np.abs(ours[0] - logits).max() < 1e-4


def test_many_boxes_at_once_are_answered_as_one_by_one(
    tiny: SamModel, features: torch.Tensor
) -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (70, 2))
    boxes = np.concatenate([corners, corners + 50], axis=1).astype(np.float32)
    with torch.inference_mode():
        together = ask(tiny, features, Prompts(boxes), SIZE)
        for row in (0, 63, 64, 69):
            alone = ask(tiny, features, Prompts(boxes[row : row + 1]), SIZE)
            assert float((alone.low[0] - together.low[row]).abs().max()) < 1e-4


def test_no_prompt_has_no_answer(tiny: SamModel, features: torch.Tensor) -> None:
    masks, quality = answer_masks(tiny, features, Prompts(BOXES[:0]), SIZE)
    assert masks.shape == (0, *SIZE)
    assert quality.shape == (0,)
