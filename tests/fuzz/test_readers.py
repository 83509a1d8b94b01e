"""Every reader on damaged files: it answers or refuses in one line; what was once found is kept."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from fewshot.errors import FewshotError, InputError
from fuzz import CORPUS, damaged, wrong
from fuzz_readers import READERS

ROUNDS = 40
SLOW = {"dicom": 10, "nifti": 20, "state": 15, "start": 15, "captures": 15, "encoder": 15}


def found() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", found(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_once_found(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"x{READERS[path.parent.name].suffix or path.suffix}"
    copy.write_bytes(path.read_bytes())
    assert wrong(READERS[path.parent.name], copy) is None


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    for number in range(SLOW.get(name, ROUNDS)):
        path = damaged(READERS[name], tmp_path, 1, number)
        assert wrong(READERS[name], path) is None, f"scripts/fuzz.py --reader {name} --seed 1"


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    """The seeds are good: what is tried above is damage, not nonsense."""
    for path in READERS[name].seeds(tmp_path):
        target = tmp_path / f"whole{READERS[name].suffix or path.suffix}"
        target.write_bytes(path.read_bytes())
        READERS[name].read(target)


# A reader that raises anything but a refusal fails, wherever within it that is. Where the fuzzer
# finds the function, by what its reader is called.
WITHIN = {
    "settings": "fuzz_readers.load_settings",
    "json": "fuzz_readers.read_json",
    "coco": "fuzz_readers.read_coco",
    "coco_stream": "fuzz_readers.open_coco",
    "image": "fuzz_readers.read_values",
    "npz": "fuzz_readers.open_source",
    "labels": "fuzz_readers.open_labels",
    "lgg_mask": "fewshot.semantic.lgg.read_lgg",
    "captures": "fewshot.captures.extract.extract",
    "state": "fewshot.training.checkpoints.load_checkpoint",
    "start": "fewshot.detector.weights.load_initial_weights",
    "sam": "fewshot.sam.model.read_weights",
    "embedding": "fewshot.sam.embeddings.read_embedding",
    "review": "fuzz_readers.read_review",
    "rule": "fuzz_readers.read_rule",
    "stage": "fewshot.run.stage_records.read_records",
    "curves": "fuzz_readers.read_json_lines",
}


@pytest.mark.parametrize(
    "error", [KeyError("a bug"), FewshotError("no refusal"), InputError("1\n2")]
)
@pytest.mark.parametrize("name", WITHIN)
def test_the_fuzzer_fails_for_a_reader_that_raises(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise error

    reader = READERS[name]
    path = reader.seeds(tmp_path / "seeds")[0]
    assert wrong(reader, path) is None
    module, _, function = WITHIN[name].rpartition(".")
    monkeypatch.setattr(import_module(module), function, broken)
    if reader.read.__name__ == function:  # the table holds the function itself
        reader = replace(reader, read=broken)
    if isinstance(error, InputError) and not reader.one_line:
        return
    assert wrong(reader, path) is not None
