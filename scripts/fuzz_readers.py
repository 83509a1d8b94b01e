"""The readers that are fuzzed, and the good files to be damaged for each."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fuzz_seeds as seeds
from fewshot.config.load import load_settings, parse_settings
from fewshot.errors import FewshotError, InputError
from fewshot.files import read_json, read_json_lines
from fewshot.lock import LOCK, refuse_if_locked
from fewshot.masks.coco import open_coco, read_coco
from fewshot.masks.coco_read import read_boxes
from fewshot.metrics.merge_rules import read_rule
from fewshot.radiologists.review import read_review
from fewshot.run.names import RECORD
from fewshot.slices.box_table import read_box_table
from fewshot.slices.groups import read_groups
from fewshot.slices.images import read_colour, read_ids, read_image, read_values
from fewshot.slices.label_csv import read_label_csv
from fewshot.slices.labels.check import LabelRules
from fewshot.slices.labels.recognise import open_labels
from fewshot.slices.sources.recognise import open_source
from fewshot.slices.window import Window


@dataclass(frozen=True)
class Reader:
    """A reader, what makes good files for it in a folder, and the suffix it goes by.

    `one_line` is false where each of several things that are wrong has its line; `refuses` is what
    it raises for a damaged file, and nothing else.
    """

    read: Callable[[Path], object]
    seeds: seeds.Seeds
    suffix: str = ""
    one_line: bool = True
    refuses: type[FewshotError] = InputError


def _stream(path: Path) -> None:
    for _ in open_coco(path).masks():
        pass


def _images(path: Path) -> None:
    """Read an image in every way there is; whatever but a refusal is raised as it is.

    A refusal is raised where all refuse, or one of several lines: a deep image has no 8-bit grey.
    """
    refusals = []
    ways = (read_image, read_values, read_ids, read_colour)
    for read in ways:
        try:
            read(path)
        except InputError as error:
            refusals.append(error)
    longest = max(refusals, key=lambda error: len(str(error).splitlines()), default=None)
    if longest is not None and (len(refusals) == len(ways) or len(str(longest).splitlines()) > 1):
        raise longest


def _source(path: Path) -> None:
    source = open_source(path)
    for item in source.slices[:3]:
        source.values(item)
        source.picture(item, Window(40, 400))


def _labels(path: Path) -> None:
    """Read a damaged file as labels of whole images of the same form."""
    images = path.parent / f"images{path.suffix}"
    make = {".nii": seeds.nifti, ".npz": seeds.npz, ".npy": seeds.npy}.get(path.suffix)
    if not images.exists():
        (make or seeds.image())(images)
    source = open_source(images)
    # The seeds are pictures, which are read where they are trusted to be labels.
    for rules in (LabelRules(trusted=True), LabelRules(threshold=5)):
        labels = open_labels(path, source, rules)
        for item in source.slices[:3]:
            labels.label_maps(item, *source.values(item).shape)


def _folder_with(path: Path, name: str, *beside: tuple[str, seeds.Make]) -> Path:
    """Return a fresh folder with a damaged file under another name, and good files beside it."""
    folder = path.parent / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / name
    target.parent.mkdir(parents=True)
    target.write_bytes(path.read_bytes())
    for other, make in beside:
        make(folder / other)
    return folder


def _lgg_slice(path: Path) -> None:
    from fewshot.semantic.lgg import read_lgg

    beside = ("case_1/case_1_1_mask.tif", seeds.mask_image)
    read_lgg(_folder_with(path, "case_1/case_1_1.tif", beside))


def _lgg_mask(path: Path) -> None:
    from fewshot.semantic.lgg import read_lgg

    beside = ("case_1/case_1_1.tif", seeds.image(colour=True))
    read_lgg(_folder_with(path, "case_1/case_1_1_mask.tif", beside))


def _captures(path: Path) -> None:
    from fewshot.captures.extract import ExtractRequest, extract

    folder = _folder_with(path, "captures/1.png", ("captures/2.png", seeds.capture))
    extract(ExtractRequest(folder / "captures"), folder / "out")


def _checkpoint(path: Path) -> None:
    from fewshot.training.checkpoints import load_checkpoint

    load_checkpoint(path)


def _state(path: Path) -> None:
    """Continue a training from a damaged checkpoint, and do a step."""
    import torch

    from fewshot.training.checkpoints import load_checkpoint
    from fuzz_networks import training_state

    state, content = training_state(), load_checkpoint(path)
    state.check(content, path)
    state.restore(content)
    state.network(torch.ones(5, 3)).sum().backward()
    state.optimizer.step()


def _zoo(path: Path) -> None:
    from fewshot.detector.zoo_pickle import read_arrays

    read_arrays(path)


def _start(path: Path) -> None:
    """Start a detector from damaged weights; those of no layer at all are refused, too."""
    from fewshot.detector.weights import load_initial_weights
    from fuzz_networks import detector

    load_initial_weights(detector(), path)


def _sam(path: Path) -> None:
    from fewshot.sam.model import layout_of, read_weights

    layout_of(read_weights(path), path)


def _encoder(path: Path) -> None:
    from fewshot.semantic.weights import read_encoder

    read_encoder(path)


def _embedding(path: Path) -> None:
    from fewshot.sam.embeddings import read_embedding

    read_embedding(path)


def _model(path: Path) -> None:
    from fewshot.training.model_folder import describe_model

    describe_model(_folder_with(path, "model.json"))


def _rule(path: Path) -> None:
    read_rule(path, "all")


def _shares(path: Path) -> None:
    from fewshot.radiologists.weights import read_weights

    read_weights(path)


def _stage(path: Path) -> None:
    """Read the record of a stage; a damaged one is one that is not done."""
    from fewshot.run.stage_records import read_records
    from fewshot.run.stages import Stage, StageRunner

    folder = _folder_with(path, f"data/{RECORD}")
    StageRunner().why_run(Stage("data", folder / "data", {"seed": 0}, {}, [], lambda: None))
    read_records(folder)


def _lock(path: Path) -> None:
    refuse_if_locked(_folder_with(path, LOCK))


def _set(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", errors="replace")
    parse_settings({"data": {"phantom": {}}}, [text])


_written, _text = seeds.written, seeds.text
_COCO = _written(("a.json", seeds.coco), ("b.json", seeds.foreign_coco))
READERS: dict[str, Reader] = {
    "settings": Reader(load_settings, _written(("a.yaml", _text(seeds.SETTINGS))), one_line=False),
    "override": Reader(
        _set,
        _written(
            ("a.txt", _text("radiologists.rough.iterations=9")),
            ("b.txt", _text("data={phantom: {size: 64}}")),
            ("c.txt", _text("merge={background: keep, min_area: 3}")),
        ),
        one_line=False,
    ),
    "json": Reader(read_json, _written(("a.json", seeds.values({"a": [1, 2.5, None, "x"]})))),
    "coco": Reader(read_coco, _COCO),
    "coco_stream": Reader(_stream, _COCO),
    "coco_boxes": Reader(read_boxes, _COCO),
    "label_csv": Reader(
        read_label_csv,
        _written(
            ("a.csv", seeds.label_csv),
            ("b.csv", _text(seeds.TABLE)),
            ("c.csv", _text(",0,1\n0,1,2\n1, 1 ,0\n")),
        ),
    ),
    "label_csv_gz": Reader(read_label_csv, _written(("a.gz", seeds.label_csv_gz)), ".csv.gz"),
    "image": Reader(
        _images,
        _written(
            ("a.png", seeds.image()),
            ("b.png", seeds.image(deep=True)),
            ("c.tif", seeds.image()),
            ("d.jpg", seeds.image()),
            ("e.bmp", seeds.image()),
            ("f.tif", seeds.image(compression="tiff_adobe_deflate")),
        ),
    ),
    "npy": Reader(_source, _written(("a.npy", seeds.npy))),
    "npz": Reader(_source, _written(("a.npz", seeds.npz), ("b.npz", seeds.archive))),
    "nifti": Reader(_source, _written(("a.nii", seeds.nifti))),
    "dicom": Reader(_source, _written(("a.dcm", seeds.dicom))),
    "labels": Reader(
        _labels,
        _written(("a.npy", seeds.npy), ("b.npz", seeds.npz), ("c.nii", seeds.nifti)),
    ),
    "lgg_slice": Reader(_lgg_slice, _written(("a.tif", seeds.image(colour=True)))),
    "lgg_mask": Reader(_lgg_mask, _written(("a.tif", seeds.mask_image))),
    "captures": Reader(_captures, _written(("a.png", seeds.capture))),
    "box_table": Reader(
        read_box_table,
        _written(("a.csv", _text("patientId,x,y,width,height,Target\na,1,2,3,4,1\nb,,,,,0\n"))),
    ),
    "groups": Reader(read_groups, _written(("a.csv", _text("image,patient\n0.png,a\n1.png,b\n")))),
    "checkpoint": Reader(_checkpoint, _written(("a.pth", seeds.checkpoint))),
    "state": Reader(_state, _written(("a.pth", seeds.state))),
    "zoo": Reader(_zoo, _written(("a.pkl", seeds.zoo), ("b.pkl", seeds.caffe))),
    "start": Reader(_start, _written(("a.pth", seeds.some_weights))),
    "start_zoo": Reader(_start, _written(("a.pkl", seeds.caffe))),
    "sam": Reader(_sam, _written(("a.pth", seeds.sam))),
    "encoder": Reader(
        _encoder, _written(("a.safetensors", seeds.safetensors), ("b.pth", seeds.checkpoint))
    ),
    "embedding": Reader(_embedding, _written(("a.npz", seeds.embedding))),
    "model": Reader(_model, _written(("a.json", seeds.model))),
    "rule": Reader(_rule, _written(("a.json", seeds.values(seeds.RULE)))),
    "shares": Reader(
        _shares, _written(("a.json", seeds.values({"weights": {"a": 0.5, "b": 0.5}})))
    ),
    "review": Reader(read_review, _written(("a.json", seeds.review))),
    "stage": Reader(_stage, _written(("a.json", seeds.stage))),
    "curves": Reader(
        read_json_lines, _written(("a.jsonl", _text('{"iteration": 0, "x": 1.5}\n' * 3)))
    ),
    "lock": Reader(_lock, _written(("a.json", seeds.holder)), refuses=FewshotError),
}
