"""Segment Anything by fewshot against the package's own `SamPredictor`, same weights and prompts.

Three comparisons, each pair in turn in one process: one embedding for all boxes of a slice against
a fresh `set_image` for each box; all boxes in one decoder call against one at a time from the same
embedding; and the image encoder alone, in the precision and attention that fewshot uses on this
device, against the package's. Says how far the logits are apart. Random weights: they cost the
same time as trained ones.

Usage: python scripts/bench/sam.py [--layout tiny] [--slices 4] [--boxes 16] [--device cpu]
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measure import (  # type: ignore[import-not-found]
    compare,
    environment,
    print_result,
)
from numpy.typing import NDArray
from segment_anything import SamPredictor

from fewshot.sam import frames
from fewshot.sam.attention import use_fused_attention
from fewshot.sam.decoder import ask
from fewshot.sam.embeddings import Embedder, encode
from fewshot.sam.model import SamModel, build_sam
from fewshot.sam.prompts import Prompts
from fewshot.slices.phantom import phantom_slice

Images = list[NDArray[np.uint8]]


def main() -> None:
    """Print one table and one JSON object."""
    arguments = _arguments()
    size = arguments.size
    images = [
        phantom_slice(np.random.default_rng(seed), size)[0] for seed in range(arguments.slices)
    ]
    boxes = _boxes(arguments.boxes, size)
    network = build_sam(arguments.layout, 0).to(arguments.device)
    predictor = SamPredictor(build_sam(arguments.layout, 0).to(arguments.device))
    use_fused_attention(network)
    model = SamModel(network, arguments.layout, arguments.layout, arguments.device)
    embedder = Embedder(model, batch_size=arguments.batch_size)
    with torch.inference_mode():
        rounds = arguments.rounds
        # EpochMetrics of a large network take so long that what comes before them does not matter.
        warm_up = rounds > 1
        comparisons = {
            "embed once": compare(
                _fresh_images(predictor, images, boxes),
                _embed_once(embedder, images, boxes),
                rounds,
                warm_up=warm_up,
            ),
            "image encoder": compare(
                _their_encoder(predictor, images),
                _our_encoder(embedder, images),
                rounds,
                warm_up=warm_up,
            ),
            "boxes together": compare(
                _one_by_one(predictor, images[0], boxes),
                _together(embedder, images[0], boxes),
                max(3, rounds),
            ),
        }
        apart = _apart(embedder, predictor, images[0], boxes)
    result = {
        **environment("torch", "segment-anything"),
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "layout": arguments.layout,
        "slices": arguments.slices,
        "boxes": arguments.boxes,
        **apart,
    }
    print_result("SamPredictor", comparisons, result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", default="tiny", choices=("tiny", "vit_b", "vit_l", "vit_h"))
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--boxes", type=int, default=16)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    return parser.parse_args()


def _boxes(count: int, size: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.6 * size, (count, 2))
    sides = rng.uniform(0.1 * size, 0.4 * size, (count, 2))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def _colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(image[:, :, None], 3, axis=2)


def _fresh_images(
    predictor: SamPredictor, images: Images, boxes: NDArray[np.float32]
) -> Callable[[], Any]:
    def work() -> None:
        for image in images:
            for box in boxes:
                predictor.set_image(_colour(image))
                predictor.predict(box=box, multimask_output=False)

    return work


def _embed_once(
    embedder: Embedder, images: Images, boxes: NDArray[np.float32]
) -> Callable[[], Any]:
    def work() -> None:
        for start in range(0, len(images), embedder.batch_size):
            batch = images[start : start + embedder.batch_size]
            for features, image in zip(encode(embedder.model, batch, embedder), batch, strict=True):
                _masks(embedder.model, features, image, boxes)

    return work


def _one_by_one(
    predictor: SamPredictor, image: NDArray[np.uint8], boxes: NDArray[np.float32]
) -> Callable[[], Any]:
    predictor.set_image(_colour(image))

    def work() -> None:
        for box in boxes:
            predictor.predict(box=box, multimask_output=False)

    return work


def _together(
    embedder: Embedder, image: NDArray[np.uint8], boxes: NDArray[np.float32]
) -> Callable[[], Any]:
    features = encode(embedder.model, [image], embedder)[0]
    return lambda: _masks(embedder.model, features, image, boxes)


def _masks(
    model: SamModel, features: torch.Tensor, image: NDArray[np.uint8], boxes: NDArray[np.float32]
) -> Any:
    size = image.shape[0], image.shape[1]
    answer = ask(model, features, Prompts(boxes), size)
    return (frames.to_slice(model, answer.low, size) > 0).cpu().numpy()


def _their_encoder(predictor: SamPredictor, images: Images) -> Callable[[], Any]:
    def work() -> None:
        for image in images:
            predictor.set_image(_colour(image))
        _wait(predictor.device)

    return work


def _our_encoder(embedder: Embedder, images: Images) -> Callable[[], Any]:
    def work() -> None:
        for start in range(0, len(images), embedder.batch_size):
            encode(embedder.model, images[start : start + embedder.batch_size], embedder)
        _wait(embedder.model.device)

    return work


def _wait(device: Any) -> None:
    if str(device).startswith("cuda"):
        torch.cuda.synchronize()


def _apart(
    embedder: Embedder,
    predictor: SamPredictor,
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
) -> dict[str, Any]:
    """Return the largest difference of logits in float32, and the agreement of masks as used.

    `predictor` holds the image.
    """
    size = image.shape[0], image.shape[1]
    theirs = np.concatenate(
        [predictor.predict(box=box, multimask_output=False, return_logits=True)[0] for box in boxes]
    )

    def ours(how: Embedder) -> NDArray[np.float32]:
        features = encode(how.model, [image], how)[0]
        low = ask(how.model, features, Prompts(boxes), size).low
        logits: NDArray[np.float32] = frames.to_slice(how.model, low, size)[:, 0].cpu().numpy()
        return logits

    exact = ours(Embedder(embedder.model, mixed_precision="off"))
    used = (exact if embedder.model.device == "cpu" else ours(embedder)) > 0
    common, union = (used & (theirs > 0)).sum(), (used | (theirs > 0)).sum()
    return {
        "largest_logit_difference": float(np.abs(exact - theirs).max()),
        "largest_logit": float(np.abs(theirs).max()),
        "mask_agreement_iou": float(common / union) if union else 1.0,
    }


if __name__ == "__main__":
    main()
