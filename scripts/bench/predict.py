"""Prediction by fewshot against Detectron2's DefaultPredictor called image by image.

Both run the same network on the same slices in the same process, in turn, and both end with masks
as RLE. Prints ratios of wall and CPU time; the seconds are those of one machine and mean little.

Usage: python scripts/bench/predict.py [--size 160] [--slices 64] [--model RUN/final] [--device cpu]
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewshot.config.tree import DetectorSettings
from fewshot.detector.architecture import build_config, build_network
from fewshot.detector.prediction import load_detector, predict_slices
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.rle import encode_stack
from fewshot.slices.images import read_image, write_image
from fewshot.slices.phantom import phantom_slice
from fewshot.training.model_folder import TrainedNetwork, save_trained


def main() -> None:
    """Print one table and one JSON object."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        slices = _phantom_slices(Path(folder), arguments.slices, arguments.size)
        model = _model_folder(arguments, Path(folder) / "model")
        detector = load_detector(model, arguments.device)
        ours = _ours(detector, slices)
        theirs = _default_predictor(detector.settings, model, slices, arguments.size)
        masks = {"fewshot": ours(), "DefaultPredictor": theirs()}  # also warms both up
        rounds = [(_timed(theirs), _timed(ours)) for _ in range(arguments.rounds)]
    wall = [a[0] / b[0] for a, b in rounds]
    cpu = [a[1] / b[1] for a, b in rounds]
    result = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "architecture": detector.settings.architecture,
        "slices": arguments.slices,
        "size": arguments.size,
        "masks": masks,
        "wall_ratio": round(statistics.median(wall), 2),
        "cpu_ratio": round(statistics.median(cpu), 2),
        "wall_ratios": [round(ratio, 2) for ratio in wall],
    }
    print(f"{'':18s}{'wall, ms a slice':>18s}{'CPU, ms a slice':>18s}{'masks':>8s}")
    for name, column in (("DefaultPredictor", 0), ("fewshot", 1)):
        figures = [
            1000 * statistics.median(one[column][clock] for one in rounds) / arguments.slices
            for clock in (0, 1)
        ]
        print(f"{name:18s}{figures[0]:18.1f}{figures[1]:18.1f}{masks[name]:8d}")
    print(f"fewshot is {result['wall_ratio']} times as fast (CPU time: {result['cpu_ratio']})")
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--architecture", default="tiny")
    parser.add_argument("--model", type=Path, help="model folder; random weights when left out")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    return parser.parse_args()


def _phantom_slices(folder: Path, count: int, size: int) -> SliceSet:
    for index in range(count):
        image, _ = phantom_slice(np.random.default_rng(index), size)
        write_image(folder / f"{index}.png", image)
    records = tuple(SliceRecord(index, f"{index}.png", size, size) for index in range(count))
    return SliceSet(folder, records, {})


def _model_folder(arguments: argparse.Namespace, folder: Path) -> Path:
    """The model that was asked for, or one with random weights."""
    if arguments.model is not None:
        return Path(arguments.model)
    torch.manual_seed(0)
    settings = DetectorSettings(architecture=arguments.architecture, weights="none")
    network = build_network(build_config(settings, arguments.device)).eval()
    save_trained(TrainedNetwork(network, settings, "random"), folder)
    return folder


def _ours(detector: TrainedNetwork, slices: SliceSet) -> Callable[[], int]:
    return lambda: sum(len(masks) for masks in predict_slices(detector, slices))


def _default_predictor(
    settings: DetectorSettings, model: Path, slices: SliceSet, size: int
) -> Callable[[], int]:
    from detectron2.engine import DefaultPredictor

    config = build_config(settings).clone()
    config.defrost()
    config.MODEL.WEIGHTS = str(model / "model.pth")
    # Without this it would enlarge every slice to 800 pixels.
    config.INPUT.MIN_SIZE_TEST = size
    predictor = DefaultPredictor(config)

    def predict() -> int:
        count = 0
        for record in slices.records:
            grey = read_image(slices.path_of(record))
            instances = predictor(np.repeat(grey[:, :, None], 3, axis=2))["instances"]
            masks = instances.pred_masks.cpu().numpy()
            count += len(encode_stack(masks[masks.any(axis=(1, 2))]))
        return count

    return predict


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
