"""The readers that are fuzzed, and good files to be damaged for each."""

import gzip
import json
import pickle
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fewshot.config.load import load_settings, parse_settings
from fewshot.files import read_json, read_json_lines, write_json
from fewshot.lock import LOCK, refuse_if_locked
from fewshot.masks.coco import SliceRecord, SliceSet, open_coco, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.box_table import read_box_table
from fewshot.slices.groups import read_groups
from fewshot.slices.images import read_ids, read_image, read_values
from fewshot.slices.label_csv import read_label_csv, write_label_csv
from fewshot.slices.sources.recognise import open_source
from fewshot.slices.window import Window

MAPS = [np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((4, 5), np.uint8))] * 2
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


@dataclass(frozen=True)
class Reader:
    """A reader, what makes good files for it in a folder, and the suffix it goes by.

    `one_line` is false where each of several things that are wrong has its line.
    """

    read: Callable[[Path], object]
    seeds: Callable[[Path], Sequence[Path]]
    suffix: str = ""
    one_line: bool = True


def _written(*files: tuple[str, Callable[[Path], object]]) -> Callable[[Path], Sequence[Path]]:
    """Return a function that writes these files where they are not there yet."""

    def write(folder: Path) -> Sequence[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in files:
            if not (folder / name).exists():
                make(folder / name)
        return [folder / name for name, _ in files]

    return write


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode())


def _coco(path: Path) -> None:
    records = tuple(
        SliceRecord(
            number, f"{number}.png", 8, 10, f"patient {number}", None, None, (0.7, 0.8), 2.5
        )
        for number in range(2)
    )
    masks = {number: SliceMasks.from_label_map(number, one) for number, one in enumerate(MAPS)}
    write_coco(path, SliceSet(path.parent, records, masks), "seed")


def _foreign_coco(path: Path) -> None:
    square = {"id": 1, "image_id": 3, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    runs = {"id": 2, "image_id": 3, "category_id": 1, "iscrowd": 1, "score": 0.5}
    write_json(
        path,
        {
            "images": [{"id": 3, "file_name": "3.png", "width": 10, "height": 8}],
            "categories": [{"id": 1, "name": "x"}],
            "annotations": [
                {**square, "bbox": [1, 1, 4, 4]},
                {**runs, "segmentation": {"size": [8, 10], "counts": [3, 4, 73]}},
            ],
        },
    )


def _stream(path: Path) -> None:
    for _ in open_coco(path).masks():
        pass


def _images(path: Path) -> None:
    for read in (read_image, read_values, read_ids):
        try:
            read(path)
        except Exception:
            if read is read_ids:
                raise


def _image(**options: Any) -> Callable[[Path], object]:
    def save(path: Path) -> None:
        values = np.arange(80, dtype=np.uint8).reshape(8, 10)
        if options.pop("deep", False):
            Image.fromarray(values.astype(np.uint16) * 300).save(path)
        else:
            Image.fromarray(values).save(path, **options)

    return save


def _source(path: Path) -> None:
    source = open_source(path)
    for item in source.slices[:3]:
        source.values(item)
        source.picture(item, Window(40, 400))


def _nifti(path: Path) -> None:
    import nibabel

    affine = np.diag([0.7, 0.8, 3.0, 1.0])
    nibabel.save(
        nibabel.nifti1.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), affine), path
    )


def _dicom(path: Path) -> None:
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


def _checkpoint(path: Path) -> None:
    import torch

    torch.save({"model": {"weight": torch.arange(6.0)}, "iteration": 3, "job": "x"}, path)


def _zoo(path: Path) -> None:
    content = {"model": {"w": np.arange(6.0), "s": np.float64(1)}, "__author__": "zoo"}
    path.write_bytes(pickle.dumps(content))


def _read_checkpoint(path: Path) -> None:
    from fewshot.training.checkpoints import load_checkpoint

    load_checkpoint(path)


def _read_zoo(path: Path) -> None:
    from fewshot.detector.zoo_pickle import read_arrays

    read_arrays(path)


def _model(path: Path) -> None:
    described = {"kind": "mask_rcnn", "name": "a", "iterations": 2, "detector": {"batch_size": 2}}
    write_json(path, {**described, "average_precision": {"ap": 0.1, "ap50": 0.2, "ap75": 0.0}})


def _read_model(path: Path) -> None:
    from fewshot.detector.model import _settings, describe_detector

    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_bytes(path.read_bytes())
    _settings(folder, describe_detector(folder)["detector"], "cpu")


def _read_results(path: Path) -> None:
    from fewshot.metrics.merge_rules import read_rule
    from fewshot.pipeline.training import read_weights

    content = read_json(path)
    if isinstance(content, dict) and "weights" in content:
        read_weights(path)
    else:
        read_rule(path, "all")


def _read_lock(path: Path) -> None:
    folder = path.parent / "locked"
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_bytes(path.read_bytes())
    refuse_if_locked(folder)


def _set(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", errors="replace")
    parse_settings({"data": {"phantom": {}}}, [text])


_RULE = {"all": {"rule": {"score_threshold": 0.5, "min_area": 3, "background": "keep"}}}
# Of this machine before it was last switched off: dead.
_HOLDER = {"host": socket.gethostname(), "boot": "b", "pid": 4, "ticks": 5, "started": "now"}
_TABLE = ",0.png,1.png\nPixel 0,0,3\nPixel 1,2,0\nPixel 2,255,1\n"
READERS: dict[str, Reader] = {
    "settings": Reader(load_settings, _written(("a.yaml", _text(SETTINGS))), one_line=False),
    "override": Reader(
        _set,
        _written(
            ("a.txt", _text("radiologists.rough.iterations=9")),
            ("b.txt", _text("data={phantom: {size: 64}}")),
            ("c.txt", _text("prediction.tta=[{scale: 1.5, flip: true}, {}]")),
        ),
        one_line=False,
    ),
    "coco": Reader(read_coco, _written(("a.json", _coco), ("b.json", _foreign_coco))),
    "coco_stream": Reader(_stream, _written(("a.json", _coco), ("b.json", _foreign_coco))),
    "label_csv": Reader(
        read_label_csv,
        _written(
            ("a.csv", lambda path: write_label_csv(path, ["0", "1"], MAPS)),
            ("b.csv", _text(_TABLE)),
            ("c.csv", _text(",0,1\n0,1,2\n1, 1 ,0\n")),
        ),
    ),
    "label_csv_gz": Reader(
        read_label_csv,
        _written(("a.gz", lambda path: path.write_bytes(gzip.compress(_TABLE.encode(), mtime=0)))),
        ".csv.gz",
    ),
    "image": Reader(
        _images,
        _written(
            ("a.png", _image()),
            ("b.png", _image(deep=True)),
            ("c.tif", _image()),
            ("d.jpg", _image()),
            ("e.bmp", _image()),
        ),
    ),
    "npy": Reader(_source, _written(("a.npy", lambda path: np.save(path, np.stack(MAPS))))),
    "npz": Reader(
        _source, _written(("a.npz", lambda path: np.savez_compressed(path, images=np.stack(MAPS))))
    ),
    "nifti": Reader(_source, _written(("a.nii", _nifti))),
    "dicom": Reader(_source, _written(("a.dcm", _dicom))),
    "box_table": Reader(
        read_box_table,
        _written(("a.csv", _text("patientId,x,y,width,height,Target\na,1,2,3,4,1\nb,,,,,0\n"))),
    ),
    "groups": Reader(read_groups, _written(("a.csv", _text("image,patient\n0.png,a\n1.png,b\n")))),
    "checkpoint": Reader(_read_checkpoint, _written(("a.pth", _checkpoint))),
    "zoo": Reader(_read_zoo, _written(("a.pkl", _zoo))),
    "model": Reader(_read_model, _written(("a.json", _model))),
    "results": Reader(
        _read_results,
        _written(
            ("a.json", lambda path: write_json(path, _RULE)),
            ("b.json", lambda path: write_json(path, {"weights": {"a": 0.5, "b": 0.5}})),
        ),
    ),
    "curves": Reader(
        read_json_lines, _written(("a.jsonl", _text('{"iteration": 0, "x": 1.5}\n' * 3)))
    ),
    "lock": Reader(_read_lock, _written(("a.json", _text(json.dumps(_HOLDER))))),
}
