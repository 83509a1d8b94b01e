"""A finished run answers for new slices as it did for its test slices, in every form."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from fewshot.config.load import parse_settings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet, read_coco
from fewshot.masks.merge import merge_masks
from fewshot.pipeline.answer_files import Form, form_of, write_answer
from fewshot.pipeline.run import run
from fewshot.pipeline.segmenter import SamRefinement, Segmenter
from fewshot.sam.embeddings import Embedder
from fewshot.sam.model import build_sam, load_sam, save_sam
from fewshot.sam.refine import RefineRule
from fewshot.sam.refining import refined
from fewshot.slices.images import read_image
from fewshot.slices.label_csv import LabelTable, read_label_csv
from tests.cli.conftest import Call, fewshot

__all__ = ["fewshot"]

pytestmark = pytest.mark.slow

TREE: dict[str, Any] = {
    "data": {"phantom": {"size": 64, "labelled": 6, "unlabelled": 2, "test": 3}},
    "device": "cpu",
    "detector": {"batch_size": 2, "max_masks": 15},
    "training": {"evaluation_period": 0},
    "radiologists": [
        {"name": "fine", "learning_rate": 0.002, "iterations": 2, "score_threshold": 0.06}
    ],
    "final": {"learning_rate": 0.001, "iterations": 3},
    "prediction": {"ensemble": True, "tta": [{}, {"flip": True}]},
    "merge": {"background": "keep"},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run(parse_settings(TREE), out)
    return out


@pytest.fixture(scope="module")
def segmenter(done: Path) -> Segmenter:
    return Segmenter.load(done, "cpu")


@pytest.fixture(scope="module")
def submitted(done: Path) -> LabelTable:
    return read_label_csv(done / "submission.csv")


@pytest.fixture(scope="module")
def stack(done: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    paths = sorted((done / "phantom" / "X_test").iterdir(), key=lambda one: int(one.stem))
    return np.stack([read_image(path) for path in paths])


def test_the_pixels_are_those_of_the_submission(
    done: Path, segmenter: Segmenter, submitted: LabelTable
) -> None:
    answer = segmenter.predict(done / "phantom" / "X_test")
    assert answer.names == list(submitted.names)
    assert max(one.max() for one in answer.label_maps) > 0
    for name, labels in zip(answer.names, answer.label_maps, strict=True):
        np.testing.assert_array_equal(labels, submitted.label_map(name, 64, 64))


def test_arrays_and_slices_give_what_files_give(
    done: Path, segmenter: Segmenter, stack: Any, submitted: LabelTable
) -> None:
    wanted = [submitted.label_map(name, 64, 64) for name in submitted.names]
    np.testing.assert_array_equal(segmenter.predict(stack).label_maps, wanted)
    np.testing.assert_array_equal(segmenter.predict(stack[1]).label_map, wanted[1])
    given = segmenter.predict(read_coco(done / "data" / "test.json"))
    np.testing.assert_array_equal(given.label_maps, wanted)


def test_regions_have_their_masks_and_the_scores_of_the_merge(
    done: Path, segmenter: Segmenter, stack: Any
) -> None:
    answer = segmenter.predict(stack)
    predicted = read_coco(done / "predictions" / "final" / "test.json")
    for record, labels, masks, scores in zip(
        predicted.records, answer.label_maps, answer.masks, answer.scores, strict=True
    ):
        np.testing.assert_array_equal(masks, labels == np.arange(1, len(masks) + 1)[:, None, None])
        before = predicted.masks_of(record.image_id)
        # An independent way to the score: the best mask on any pixel of a region.
        for mask, score in zip(masks, scores, strict=True):
            covering = before.decode()[:, mask].all(axis=1)
            assert score in before.scores[covering]
            assert score >= segmenter.rule.score_threshold


def test_a_segmentation_draws_itself(segmenter: Segmenter, stack: Any, tmp_path: Path) -> None:
    (tmp_path / "shown.png").write_bytes(segmenter.predict(stack)._repr_png_())
    with Image.open(tmp_path / "shown.png") as picture:
        assert picture.size == (3 * 294 - 6, 288)
        colours = picture.getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 50


def test_segment_anything_refines_as_in_a_run(
    done: Path, segmenter: Segmenter, stack: Any, tmp_path: Path
) -> None:
    save_sam(tmp_path / "small.pth", build_sam("tiny", 0))
    model = load_sam(str(tmp_path / "small.pth"), "cpu")
    embedder, rule = Embedder(model), RefineRule("box", 0, 0, 1000)
    refining = replace(segmenter, sam=SamRefinement(embedder, rule))
    predicted = read_coco(done / "predictions" / "final" / "test.json")
    masks = refined(replace(embedder, folder=tmp_path / "kept"), predicted, rule, "test")
    answer = refining.predict(stack)
    for record, labels in zip(predicted.records, answer.label_maps, strict=True):
        merged = merge_masks(masks[record.image_id], segmenter.rule)
        np.testing.assert_array_equal(labels > 0, merged > 0)


def test_a_model_folder_answers_alone(done: Path, stack: Any) -> None:
    alone = Segmenter.load(done / "final", "cpu")
    assert len(alone.predictor.models) == 1
    assert len(replace(alone, rule=replace(alone.rule, score_threshold=0.0)).predict(stack)) == 3


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "config.resolved.yaml").unlink(), "holds neither a run"),
        (lambda folder: (folder / "submission.csv").unlink(), "not finished.*--resume"),
        (lambda folder: (folder / "final" / "stage.json").unlink(), "not finished.*--resume"),
    ],
)
def test_what_is_no_finished_run_is_refused(
    done: Path, tmp_path: Path, change: Any, raises: str
) -> None:
    folder = Path(shutil.copytree(done, tmp_path / "run", symlinks=True))
    change(folder)
    with pytest.raises(InputError, match=raises):
        Segmenter.load(folder)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4)), np.zeros((2, 2, 2, 2), np.uint8), np.zeros((0, 4, 4), np.uint8)]
)
def test_other_arrays_are_refused(segmenter: Segmenter, pixels: Any) -> None:
    with pytest.raises(InputError, match=r"array of shape .*: give grey values as uint8"):
        segmenter.predict(pixels)


@pytest.mark.parametrize(
    ("out", "form", "expected"),
    [
        ("a.nii.gz", None, "nifti"),
        ("a.nii", "nifti", "nifti"),
        ("A.JSON", None, "coco"),
        ("a.csv.gz", None, "csv"),
        ("a", None, "label-png"),
        ("a", "nifti", "nifti"),
        ("a.npy", "csv", "ends as npy does"),
        ("a", "csv", r"ends in \.csv"),
        ("a.tif", None, "tells no form"),
    ],
)
def test_the_form_is_told_by_the_ending(out: str, form: Form | None, expected: str) -> None:
    if " " in expected or "\\" in expected:
        with pytest.raises(InputError, match=expected):
            form_of(Path(out), form)
    else:
        assert form_of(Path(out), form) == expected


def test_every_form_has_the_same_pixels(segmenter: Segmenter, stack: Any, tmp_path: Path) -> None:
    answer = segmenter.predict(stack)
    np.save(tmp_path / "stack.npy", stack)
    for name in ("maps", "a.json", "a.csv", "a.npy"):
        write_answer(answer, tmp_path / name, form_of(tmp_path / name, None))
    table = read_label_csv(tmp_path / "a.csv")
    slices: SliceSet = read_coco(tmp_path / "a.json")
    array = np.load(tmp_path / "a.npy")
    for place, labels in enumerate(answer.label_maps):
        np.testing.assert_array_equal(table.label_map(f"{place}.png", 64, 64), labels)
        np.testing.assert_array_equal(read_image(tmp_path / "maps" / f"{place}.png"), labels)
        np.testing.assert_array_equal(slices.masks_of(place).decode().any(axis=0), labels > 0)
        np.testing.assert_array_equal(array[place], labels)
    with pytest.raises(InputError, match="one file for 3 slices"):
        write_answer(answer, tmp_path / "a.png", "label-png")
    with pytest.raises(InputError, match="exists already"):
        write_answer(answer, tmp_path / "a.npy", "npy")
    with pytest.raises(InputError, match="is not empty"):
        write_answer(answer, tmp_path / "maps", "label-png")
    with pytest.raises(InputError, match="no slice came from a volume"):
        write_answer(answer, tmp_path / "a.nii", "nifti")
    assert not (tmp_path / "a.nii").exists()


def test_the_command_keeps_the_geometry_of_a_volume(
    done: Path, stack: Any, tmp_path: Path, fewshot: Call, segmenter: Segmenter
) -> None:
    affine = np.array([[-0.5, 0, 0, 3], [0, 0.7, 0, 4], [0, 0, 2.5, 5], [0, 0, 0, 1]])
    volume = np.ascontiguousarray(stack.transpose(2, 1, 0)[:, ::-1])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "ct.nii.gz")
    out = tmp_path / "answer.nii.gz"
    call = ("predict", done, tmp_path / "ct.nii.gz", "--out", out, "--window", "128/256", "--json")
    code, told, err = fewshot(*call)
    assert code == 0, err
    assert json.loads(told)["form"] == "nifti"
    assert "window: 128/256" in err
    answer = nibabel.Nifti1Image.from_filename(out)
    assert answer.shape == volume.shape
    np.testing.assert_allclose(answer.affine, affine)
    assert answer.get_fdata().any()
    code, _, err = fewshot(*call)
    assert (code, "exists already" in err) == (2, True)
    found = segmenter.predict(tmp_path / "ct.nii.gz")
    write_answer(found, out, "nifti", overwrite=True)
    write_answer(found, tmp_path / "a.json", "coco")
    assert fewshot("validate", tmp_path / "a.json")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("RUN --out new", "INPUT is missing"),
        ("RUN X --out new --flip", "--flip does not go with"),
        ("--out new.json", "RUN_OR_MODEL INPUT"),
        ("--model m --images X --out new.json --form csv", "--form does not go with --model"),
        ("RUN nowhere --out new", "no such file or folder of slices"),
        ("RUN empty --out new", "empty"),
        ("RUN X --out new.tif", "tells no form"),
    ],
)
def test_a_wrong_call_is_one_line(
    arguments: str, words: str, done: Path, tmp_path: Path, fewshot: Call, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"RUN": str(done), "X": str(done / "phantom" / "X_test")}
    code, out, err = fewshot("predict", *(places.get(one, one) for one in arguments.split()))
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_python_has_the_same_run(done: Path, stack: Any, submitted: LabelTable) -> None:
    import fewshot as package

    assert package.load(str(done), "cpu").rule == Segmenter.load(done, "cpu").rule
    again = package.api.run(out=done, settings=TREE, resume=True)
    wanted = submitted.label_map(submitted.names[0], 64, 64)
    np.testing.assert_array_equal(again.predict(stack[0]).label_map, wanted)
