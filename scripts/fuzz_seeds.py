"""Good files of every kind that is read, to be damaged by the fuzzer."""

import gzip
import json
import pickle
import socket
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fewshot.files import write_json
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.radiologists.review import Decision, write_review
from fewshot.slices.label_csv import write_label_csv

Make = Callable[[Path], object]
Seeds = Callable[[Path], Sequence[Path]]

MAPS = [np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((4, 5), np.uint8))] * 2
ENCODER = "0" * 64  # digest of the encoder that the embeddings are of
GRID = 4
SETTINGS = """\
data: {phantom: {size: 64, labelled: 4}}
detector: &d {architecture: tiny, options: [MODEL.MASK_ON, true], input_size: 64}
radiologists:
  - {name: rough, learning_rate: 0.002, iterations: 2, score_threshold: 0.06}
  - {name: fine, learning_rate: 1e-3, iterations: 3}
final: {score_threshold: auto}
merge: {background: nearest, min_area: 3}
seed: 0
"""
TABLE = ",0.png,1.png\nPixel 0,0,3\nPixel 1,2,0\nPixel 2,255,1\n"
RULE = {"all": {"rule": {"score_threshold": 0.5, "min_area": 3, "background": "keep"}}}
# Of this machine before it was last switched off: dead.
HOLDER = {"host": socket.gethostname(), "boot": "b", "pid": 4, "ticks": 5, "started": "now"}


def written(*files: tuple[str, Make]) -> Seeds:
    """Return a function that writes these files where they are not there yet."""

    def write(folder: Path) -> Sequence[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in files:
            if not (folder / name).exists():
                make(folder / name)
        return [folder / name for name, _ in files]

    return write


def text(content: str) -> Make:
    """Return what writes a text."""
    return lambda path: path.write_bytes(content.encode())


def values(content: Any) -> Make:
    """Return what writes JSON."""
    return lambda path: write_json(path, content)


def coco(path: Path) -> None:
    """Write a COCO file of ours."""
    records = tuple(
        SliceRecord(
            number,
            f"{number}.png",
            8,
            10,
            group=f"patient {number}",
            spacing=(0.7, 0.8),
            position=2.5,
        )
        for number in range(2)
    )
    masks = {number: SliceMasks.from_label_map(number, one) for number, one in enumerate(MAPS)}
    write_coco(path, SliceSet(path.parent, records, masks), "seed")


def foreign_coco(path: Path) -> None:
    """Write a COCO file as other tools do."""
    square = {"id": 1, "image_id": 3, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    runs = {"id": 2, "image_id": 3, "category_id": 1, "iscrowd": 1, "score": 0.5}
    write_json(
        path,
        {
            "images": [{"id": 3, "file_name": "3.png", "width": 10, "height": 8}],
            "categories": [{"id": 1, "name": "x"}],
            "annotations": [
                {**square, "bbox": [1, 1, 4, 4]},
                {
                    **runs,
                    "bbox": [0, 0, 4, 4],
                    "segmentation": {"size": [8, 10], "counts": [3, 4, 73]},
                },
            ],
        },
    )


def label_csv(path: Path) -> None:
    """Write a label table of ours."""
    write_label_csv(path, ["0", "1"], MAPS)


def label_csv_gz(path: Path) -> None:
    """Write a gzipped label table."""
    path.write_bytes(gzip.compress(TABLE.encode(), mtime=0))


def image(deep: bool = False, colour: bool = False, **options: Any) -> Make:
    """Return what writes an image of 8 or 16 bits, grey or coloured."""

    def save(path: Path) -> None:
        grey = np.arange(80, dtype=np.uint8).reshape(8, 10)
        picture = np.stack([grey, grey[::-1], 255 - grey], axis=2) if colour else grey
        Image.fromarray(picture.astype(np.uint16) * 300 if deep else picture).save(path, **options)

    return save


def mask_image(path: Path) -> None:
    """Write a binary mask."""
    Image.fromarray((np.indices((8, 10)).sum(0) < 6).astype(np.uint8) * 255).save(path)


def capture(path: Path) -> None:
    """Write a screen capture: grey noise with a blue outline."""
    grey = np.random.default_rng(0).integers(60, 120, (48, 48, 1), np.uint8)
    picture = np.repeat(grey, 3, axis=2)
    picture[10, 10:30] = picture[30, 10:31] = (0, 0, 255)
    picture[10:30, 10] = picture[10:30, 30] = (0, 0, 255)
    Image.fromarray(picture).save(path)


def nifti(path: Path) -> None:
    """Write a NIfTI volume."""
    import nibabel

    affine = np.diag([0.7, 0.8, 3.0, 1.0])
    nibabel.save(
        nibabel.nifti1.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), affine), path
    )


def dicom(path: Path) -> None:
    """Write a slice of CT."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = UID("1.2.3")
    one.Modality, one.PatientID, one.SeriesInstanceUID = "CT", "pt", "1.2.4"
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.ImagePositionPatient, one.PixelSpacing = [0, 0, 5], [0.8, 0.7]
    one.Rows, one.Columns, one.SamplesPerPixel = 8, 10, 1
    one.PhotometricInterpretation = "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.RescaleSlope, one.RescaleIntercept = 1, -1024
    one.PixelData = np.arange(80, dtype="<u2").tobytes()
    one.save_as(path, enforce_file_format=True)


def npy(path: Path) -> None:
    """Write an array of slices."""
    np.save(path, np.stack(MAPS))


def npz(path: Path) -> None:
    """Write a packed array of slices."""
    np.savez_compressed(path, images=np.stack(MAPS))


def embedding(path: Path) -> None:
    """Write an embedding of a slice."""
    features = np.zeros((256, GRID, GRID), np.float16)
    with path.open("wb") as file:
        np.savez(file, features=features, encoder=np.array(ENCODER))


def checkpoint(path: Path) -> None:
    """Write a checkpoint of a training."""
    import torch

    torch.save({"model": {"weight": torch.arange(6.0)}, "iteration": 3, "job": "x"}, path)


def state(path: Path) -> None:
    """Write the state of a training after a step."""
    import torch

    from fuzz_networks import training_state

    torch.save(training_state(steps=1).content(), path)


def zoo(path: Path) -> None:
    """Write a pickle of arrays as the model zoo has them."""
    content = {"model": {"w": np.arange(6.0), "s": np.float64(1)}, "__author__": "zoo"}
    path.write_bytes(pickle.dumps(content))


def caffe(path: Path) -> None:
    """Write a pickle of arrays as Detectron1 has them."""
    content = {"blobs": {"conv1_w": np.ones((64, 3, 7, 7), np.float16), "bbox_pred_b": np.ones(8)}}
    path.write_bytes(pickle.dumps(content, protocol=2))


def some_weights(path: Path) -> None:
    """Write a few weights of a tiny Mask R-CNN."""
    import torch

    from fuzz_networks import detector

    weights = detector().state_dict()
    few = [name for name, value in weights.items() if value.numel() < 100][:6]
    torch.save({"model": {name: weights[name] + 1 for name in few}}, path)


def sam(path: Path) -> None:
    """Write weights that begin like those of a SAM."""
    import torch

    torch.save(
        {
            "image_encoder.patch_embed.proj.weight": torch.zeros(192, 1, 1, 1),
            **{f"image_encoder.blocks.{number}.norm1.bias": torch.zeros(2) for number in range(4)},
        },
        path,
    )


def safetensors(path: Path) -> None:
    """Write weights of an encoder."""
    import torch
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.ones(2, 3), "conv1.bias": torch.ones(2)}, path)


def model(path: Path) -> None:
    """Write the description of a trained model."""
    described = {"kind": "mask_rcnn", "name": "a", "iterations": 2, "detector": {"batch_size": 2}}
    write_json(path, {**described, "average_precision": {"ap": 0.1, "ap50": 0.2, "ap75": 0.0}})


def review(path: Path) -> None:
    """Write decisions about two soft labels."""
    write_review(
        path,
        {"a" * 20: Decision("accept", "0.png", "rough"), "b": Decision("delete", "1.png", "x")},
    )


def stage(path: Path) -> None:
    """Write the record of a stage."""
    record = {
        "stage": "data",
        "settings": {"seed": 0},
        "code": "0" * 64,
        "inputs": {},
        "outputs": {},
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.5,
        "cpu_seconds": 1.0,
        "peak_memory_mb": 100.0,
        "environment": {"python": "3.11", "numpy": "2"},
    }
    write_json(path, record)


def holder(path: Path) -> None:
    """Write who holds a lock."""
    path.write_bytes(json.dumps(HOLDER).encode())


def archive(path: Path) -> None:
    """Write a packed array with a file beside it."""
    npz(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("readme.txt", "masks of two slices")
