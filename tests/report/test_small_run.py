"""What a real, miniature run shows: its report, its logs, a second report, two side by side."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.cli.app import main
from fewshot.config.load import load_settings
from fewshot.errors import InputError
from fewshot.metrics.slice_metrics import METRICS
from fewshot.pipeline.run import run, status
from fewshot.radiologists.review import Decision, mask_key, write_review
from fewshot.report.compare import report_two
from fewshot.report.page import report_run

pytestmark = pytest.mark.slow


def test_the_report_of_a_run_has_all_its_parts(report_of_a_run: Path) -> None:
    text = report_of_a_run.read_text(encoding="utf-8")
    for words in (
        "95 % interval",
        "Final minus",
        "Settings that differ from the built-in ones",
        "Mask loss while training",
        "Share of the masks from a score on that are right",
        "Masks on a slice, soft-labelled and labelled ones",
        "What becomes of overlapping masks",
        "Chosen for",
        "Environment and how to run it again",
        *(metric.heading for metric in METRICS.values()),
    ):
        assert words in text
    data = text.partition('id="slices-data">')[2].partition("</script>")[0]
    gallery = json.loads(data)
    layers = [key for key, _ in gallery["layers"]]
    assert layers == ["truth", "rough", "steady", "fine", "final", "merged"]
    assert len(gallery["slices"]) == 5
    measured = {"ari_all", "dice", "missed", "extra"}
    assert all(one["l"]["truth"] and measured <= set(one["v"]) for one in gallery["slices"])
    assert measured <= {key for key, _, _ in gallery["sorts"]}


def test_the_report_is_made_again_to_the_same_bytes(small_run: Path, tmp_path: Path) -> None:
    target = report_run(small_run, tmp_path / "again.html")
    assert target.read_bytes() == (small_run / "report.html").read_bytes()


def test_every_training_has_logs_with_readable_names(small_run: Path) -> None:
    folder = small_run / "tensorboard"
    assert {path.name for path in folder.iterdir()} == {"rough", "steady", "fine", "final"}
    for name, last in {"rough": 5, "final": 8}.items():
        events = EventAccumulator(str(folder / name), size_guidance={"images": 0, "scalars": 0})
        events.Reload()
        tags = events.Tags()
        assert {"loss/total", "loss/mask", "learning_rate", "validation/AP"} <= set(tags["scalars"])
        assert {tag.partition("/")[0] for tag in tags["scalars"]} == {
            *("loss", "learning_rate", "validation"),
        }
        assert [event.step for event in events.Scalars("loss/total")] == list(range(1, last + 1))
        assert [event.step for event in events.Scalars("validation/AP")] == [
            *range(3, last, 3),
            last,
        ]
        (image,) = tags["images"]
        assert image.startswith("validation/")
        shown = events.Images(image)
        assert shown[-1].step == last
        assert (shown[-1].width, shown[-1].height) == (512, 256)


def test_two_runs_side_by_side(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(small_run, other)
    settings = (other / "config.resolved.yaml").read_text()
    (other / "config.resolved.yaml").write_text(settings.replace("iterations: 8", "iterations: 80"))
    table = (other / "score" / "per_image.csv").read_text().splitlines()
    column = table[0].split(",").index("ari_all")
    changed = [line.split(",") for line in table]
    for cells in changed:
        if cells[:3] == ["test", "final", "all"]:
            cells[column] = "0.999"
    (other / "score" / "per_image.csv").write_text("\n".join(map(",".join, changed)) + "\n")
    monkeypatch.setattr(sys, "argv", ["fewshot", "report", str(small_run), str(other)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    text = (other / "compared-with-small.html").read_text(encoding="utf-8")
    assert "<code>final.iterations</code></th><td>8</td><td>80</td>" in text
    assert "The slices that changed most" in text
    assert text.count('<th scope="row">') >= 5 + 5  # models and slices
    assert 'id="changes-data"' in text


def test_two_runs_are_two(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is given twice"):
        report_two(small_run, small_run)
    with pytest.raises(InputError, match=r"is not a run directory \(no config.resolved.yaml\)"):
        report_two(small_run, tmp_path)
    (tmp_path / "config.resolved.yaml").write_text("data: {phantom: {}}\n")
    with pytest.raises(InputError, match="the run has no scores yet"):
        report_run(tmp_path)


def test_a_review_trains_the_final_model_again_and_nothing_before_it(
    small_run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from fewshot.masks.coco import read_coco

    settings = load_settings(small_run / "config.resolved.yaml")
    review = small_run / "review.json"
    soft = read_coco(small_run / "soft_labels" / "annotations.json")
    record = next(one for one in soft.records if len(soft.masks_of(one.image_id)) > 1)
    first, second = (mask_key(record, rle) for rle in soft.masks_of(record.image_id).rles[:2])
    write_review(
        review,
        {first: Decision("delete", "0.png", "fine"), second: Decision("reject", "0.png", "fine")},
    )
    saved = small_run.parent / "saved"
    shutil.copytree(small_run, saved)
    try:
        reasons = dict(status(settings, small_run))
        assert reasons["train final"] == "review.json changed"
        assert reasons["soft labels"] == "done and unchanged"
        run(settings, small_run, "resume")
        said = capfd.readouterr().err
        assert "review: 0 accepted, 1 rejected, 1 deleted" in said
        assert "[train final] runs" in said
        assert "[soft labels] skipped" in said
        with pytest.raises(InputError, match=r"review.json: contains a person's review"):
            run(settings, small_run, "overwrite")
    finally:
        shutil.rmtree(small_run)
        shutil.move(saved, small_run)
        review.unlink()
