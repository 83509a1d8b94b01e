"""The whole report, on a made-up run directory."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.config.base import Metric
from fewshot.config.tree import DataSettings, PhantomData, RunSettings
from fewshot.errors import InputError
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.merge import MergeRule
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.average_precision import AveragePrecision
from fewshot.metrics.bootstrap import MeanInterval
from fewshot.metrics.scores import Scores
from fewshot.metrics.slice_metrics import METRICS
from fewshot.radiologists.review import Decision, write_review
from fewshot.report.page import write_report
from fewshot.report.wording import METRIC_WORDS
from fewshot.run.layout import RunLayout
from fewshot.run.scores import ModelScores, RunScores
from fewshot.slices.images import write_image
from fewshot.slices.phantom import phantom_slice

SIZE = 96
AUDIT, RULE = "soft_labels/audit.json", "calibration/final/rule.json"
CURVES = [
    *(f"radiologists/{name}/training.jsonl" for name in ("rough", "steady", "fine")),
    *(f"{name}/training.jsonl" for name in ("final", "control")),
]
MODELS = {"rough": 0.31, "steady": 0.42, "fine": 0.38, "final": 0.45, "control": 0.44}
LabelMap = NDArray[np.uint8]


def predicted(image_id: int, labels: LabelMap, source: str) -> SliceMasks:
    """Masks like a model's: some shifted, some missing, some made up, with scores."""
    rng = np.random.default_rng(image_id)
    masks = SliceMasks.from_label_map(image_id, labels, source)
    kept = []
    for mask in masks.decode():
        if rng.random() < 0.3:
            continue
        shift = rng.integers(-6, 7, 2) * (rng.random() < 0.8)
        kept.append(np.roll(mask, shift, (0, 1)))
    canvas = np.zeros((len(kept), *labels.shape), np.uint8)
    for row, mask in enumerate(kept):
        canvas[row][mask] = 1
    parts = [SliceMasks.from_label_map(image_id, one, source) for one in canvas]
    return SliceMasks(
        image_id,
        labels.shape[0],
        labels.shape[1],
        rng.uniform(0.3, 1, len(parts)).astype(np.float32),
        np.concatenate([part.boxes for part in parts]).reshape(-1, 4),
        tuple(part.rles[0] for part in parts),
        (source,) * len(parts),
    )


def scores(value: float, images: int, threshold: float) -> ModelScores:
    def tuned(everything: float, foreground: float) -> Scores:
        means = {"ari_all": everything, "ari_foreground": foreground, "dice": value / 2}
        means |= {"missed": 1.25, "extra": 2 * value}
        return Scores({key: MeanInterval(one, None) for key, one in means.items()}, images, False)

    return ModelScores(
        {"all": tuned(value, value - 0.05), "foreground": tuned(value - 0.3, value + 0.2)},
        {
            "all": MergeRule(threshold, 9, "keep"),
            "foreground": MergeRule(threshold, 9, "nearest"),
        },
        AveragePrecision(value - 0.1, value + 0.1, value - 0.2),
    )


def as_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make_run(root: Path, *, metric: Metric = "all", test: int = 14, size: int = SIZE) -> RunLayout:
    """Leave what a run leaves, without training anything."""
    data = PhantomData(size=size, test=max(test, 1))
    layout = RunLayout(RunSettings(data=DataSettings(phantom=data), control=True), root)
    rng = np.random.default_rng(0)
    images: dict[int, LabelMap] = {}
    for image_id in range(test):
        image, images[image_id] = phantom_slice(rng, size)
        write_image(root / "X" / f"{image_id}.png", image)
    records = tuple(SliceRecord(i, f"{i}.png", size, size) for i in images)
    slices = SliceSet(root / "X", records, {})
    labels = [SliceMasks.from_label_map(i, labels) for i, labels in images.items()]
    write_coco(layout.test, slices.with_masks(labels), "test slices")
    for name, target in (
        ("final", layout.answers("final") / layout.test.name),
        ("fine", layout.soft_labels),
    ):
        masks = [predicted(i, labels, name) for i, labels in images.items()]
        write_coco(target, slices.with_masks(masks), "predictions")
    watershed = {"ari_foreground": 0.4, "ari_all": 0.137, "images": test}
    parts = {
        part: {
            "watershed": ModelScores.from_json(watershed),
            **{name: scores(value, count, 0.55) for name, value in MODELS.items()},
        }
        for part, count in (("test", test), ("validation", 5))
    }
    run = RunScores("test", metric, parts)
    for scored in parts["test"]["final"].tuned_for.values():
        for name in (record.file_name for record in records):
            scored.per_image[name] = dict(zip(METRICS, rng.random(len(METRICS)), strict=True))
    run.write(layout.metrics, layout.per_image)
    weights = {"rough": 0.25, "steady": 0.4, "fine": 0.35}
    as_json(layout.weights, {"average_precision": weights, "weights": weights})
    read = {"slices": 20, "labelled": 15, "masks": 60}
    audit = {
        "slices": 60,
        "labelled": 45,
        "empty": 15,
        "masks": 180,
        "masks_per_slice": 4.0,
        "masks_per_labelled_slice": 5.5,
        "uncertain": 7,
        "by_radiologist": dict.fromkeys(weights, read),
        "reliability": {name: {"threshold": 0.7} for name in weights},
        "score_histogram": [0, 0, 0, 0, 0, 0, 0, 40, 60, 80],
        "runaway": False,
    }
    as_json(layout.audit, audit)
    curve = [
        {
            "score_threshold": round(0.05 * step, 2),
            "foreground": 0.3 + 0.02 * step - 0.001 * step**2,
            "all_pixels": 0.2 + 0.03 * step - 0.0015 * step**2,
        }
        for step in range(1, 20)
    ]
    rules = {
        variant: {
            "metric": variant,
            "rule": asdict(run.models["final"].rules[variant]),
            "validation": {key: curve[10][key] for key in ("foreground", "all_pixels")},
            "curve": curve,
        }
        for variant in METRIC_WORDS
    }
    as_json(layout.rule("final"), rules)
    for number, name in enumerate(MODELS):
        steps = 200 + 50 * number
        noise = np.random.default_rng(number)
        losses = 1 + 3.5 * np.exp(-np.arange(steps) / 80) + 0.2 * noise.standard_normal(steps)
        lines = [
            {"iteration": i, "total_loss": float(losses[i])}
            | ({"validation/ap": 0.4 * i / steps} if (i + 1) % 50 == 0 else {})
            for i in range(steps)
        ]
        layout.curves(name).parent.mkdir(parents=True, exist_ok=True)
        layout.curves(name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        record = {
            "stage": f"train {name}",
            "started": f"2026-11-2{number}T10:00:00+0000",
            "seconds": 61.5,
            "cpu_seconds": 120.0,
            "peak_memory_mb": 900,
            "environment": {"fewshot": "0.1.0", "python": "3.11.9", "torch": "2.14.1"},
        }
        as_json(root / name / "stage.json", record)
    return layout


class Page(HTMLParser):
    """What the tests look for in a page: tags, attributes, visible text."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(files: RunLayout) -> Page:
    target = files.root / "report.html"
    write_report(files, target)
    return Page(target.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    return make_run(tmp_path_factory.mktemp("runs") / "abdomen")


@pytest.fixture(scope="module")
def page(run: RunLayout) -> Page:
    return report(run)


@pytest.mark.parametrize(
    "text",
    [
        "Run abdomen",
        "0.450 what the submission is tuned for",
        "0.400 the same submission; 0.650 when tuned for it",
        "scored on 14 test slices",
        "It beats its control, the same training on the labelled slices alone: 0.450 against 0.440",
        "It beats every radiologist; the best of them, steady, scores 0.420.",
        "Masks with a score of at least 0.55",
        "Regions of fewer than 9 pixels are dropped.",
        "Dice of matched regions 0.225 the same submission",
        "Missed structures 1.25 a slice, on average",
        "Extra structures 0.90 a slice, on average",
        "final labelled and soft-labelled slices 0.450 0.650 0.225 1.25 0.90 0.550 0.350",
        "watershed baseline without learning 0.137 0.400 – – – – –",
        "fine 0.0005 650 0.7 final 0.001 500 0.55 (auto)",
        "steady 0.400 0.400 20 15 60",
        "Of these soft-labelled 45 (75.0 %)",
        "Masks per labelled slice 5.5",
        "used for the submission 0.55 9 kept",
        "masks of the final model overlap",
        "before after",
        "control no yes",
        "All stages together took 5 min 8 s, and 10 min 0 s of processor time.",
        "torch 2.14.1",
        "fewshot run --config config.resolved.yaml",
        "validation_fraction: 0.2",
    ],
)
def test_report_says_what_a_reader_looks_for(page: Page, text: str) -> None:
    assert text in page.text


def test_report_is_whole_html_with_headings_in_order(page: Page) -> None:
    assert not page.open
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    sections = {f"#{section['id']}" for section in page.all("section")}
    assert {link["href"] for link in page.all("a")} == sections


def test_report_needs_no_other_file_and_no_network(page: Page) -> None:
    assert not {"iframe", "object"} & {tag for tag, _ in page.tags}
    assert all(set(script) <= {"type", "id"} for script in page.all("script"))
    sources = [image["src"] for image in page.all("img")]
    assert all(source.startswith(("data:image/png;", "data:image/svg+xml;")) for source in sources)
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    style = (Path(write_report.__code__.co_filename).parent / "page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_every_image_has_a_text_and_every_figure_both_themes(page: Page) -> None:
    images = page.all("img")
    assert all(len(image["alt"]) > 20 for image in images)
    themes = [image.get("class") for image in images]
    assert themes.count("light") == themes.count("dark") == 6
    assert sum(theme is None for theme in themes) == 2 * 4  # overlaps, before and after


def test_same_files_give_the_same_bytes(run: RunLayout, tmp_path: Path) -> None:
    first, second = tmp_path / "1.html", tmp_path / "2.html"
    write_report(run, first)
    write_report(run, second)
    assert first.read_bytes() == second.read_bytes()


def without(*names: str) -> Callable[[RunLayout], RunLayout]:
    """Remove files of a run."""

    def change(files: RunLayout) -> RunLayout:
        for name in names:
            (files.root / name).unlink()
        return files

    return change


def edited(name: str, edit: Callable[[Any], None]) -> Callable[[RunLayout], RunLayout]:
    """Change a JSON file of a run."""

    def change(files: RunLayout) -> RunLayout:
        value = json.loads((files.root / name).read_text())
        edit(value)
        as_json(files.root / name, value)
        return files

    return change


def reviewed(files: RunLayout) -> RunLayout:
    write_review(files.root / "review.json", {"k": Decision("accept", "0.png", "fine")})
    return files


def validation_only(metrics: dict[str, Any]) -> None:
    del metrics["test"]
    metrics["answer"]["part"] = "validation"


def no_masks(audit: dict[str, Any]) -> None:
    audit.update(labelled=0, empty=60, masks=0, masks_per_slice=0.0, score_histogram=[0] * 10)


def no_control(metrics: dict[str, Any]) -> None:
    for part in ("test", "validation"):
        del metrics[part]["control"]


def one_point(rules: dict[str, Any]) -> None:
    for rule in rules.values():
        rule["curve"] = rule["curve"][:1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (edited("metrics.json", no_control), "No control (the same training on the labelled"),
        (edited("metrics.json", validation_only), "There are no labels for the test slices."),
        (
            edited(AUDIT, no_masks),
            "No mask reached the radiologists' score thresholds",
        ),
        (
            edited(AUDIT, lambda audit: audit.update(slices=0)),
            "There were no unlabelled",
        ),
        (
            edited(AUDIT, lambda audit: audit.update(runaway=True)),
            "suspiciously many soft labels",
        ),
        (
            edited(AUDIT, lambda audit: audit.clear()),
            "There were no unlabelled slices",
        ),
        (without(AUDIT), "rough 0.250 0.250 – – –"),
        (without("weights/weights.json"), "There are no weights."),
        (without("soft_labels/annotations.json"), "What the soft labels look like"),
        (without(RULE), "Masks with a score of at least 0.55"),
        (
            edited(RULE, one_point),
            "used for the submission",
        ),  # a fixed threshold
        (without(*CURVES), "There are no learning curves."),
        (without("predictions/final/test.json"), "There are no labelled slices with predictions"),
        (without(*[f"{name}/stage.json" for name in MODELS]), "contains no records of its stages"),
        (without("X/0.png"), "its image cannot be read"),
        (reviewed, "1 were accepted and counted as certain, 0 rejected and their pixels ignored"),
    ],
)
def test_missing_pieces_are_left_out_or_named(
    change: Callable[[RunLayout], RunLayout], text: str, tmp_path: Path
) -> None:
    page = report(change(make_run(tmp_path / "run", test=4)))
    assert text in page.text
    assert not page.open


def test_final_behind_control_and_radiologist_is_said_plainly(tmp_path: Path) -> None:
    def worse(metrics: dict[str, Any]) -> None:
        for name in ("control", "fine"):
            metrics["test"][name]["tuned_for_all"]["ari_all"] = 0.7

    page = report(edited("metrics.json", worse)(make_run(tmp_path, test=3)))
    assert "It does not beat its control" in page.text
    assert "The soft labels did not pay in this run." in page.text
    assert "It does not beat every radiologist: fine (0.700) scores as much or more." in page.text
    marks = [item["class"] for item in page.all("li") if "class" in item]
    assert marks == ["worse", "worse", "better"]


def test_difference_that_may_be_chance_is_not_called_a_success(tmp_path: Path) -> None:
    files = make_run(tmp_path, test=4)
    lines = ["part,model,tuned_for,image,ari_foreground,ari_all,missed"]
    for image, (final, control) in enumerate([(0.5, 0.3), (0.3, 0.5), (0.6, 0.5), (0.5, 0.48)]):
        lines.append(f"test,final,all,{image}.png,0,{final},1")
        lines.append(f"test,control,all,{image}.png,0,{control},2")
    (tmp_path / "score" / "per_image.csv").write_text("\n".join(lines) + "\n")
    page = report(files)
    assert "But that may be chance (95 % interval of the difference over 4" in page.text
    assert "mean over 4 slices, with its 95 % bootstrap interval" in page.text
    assert "control as final, without soft labels +0.030 " in page.text
    assert "\u22121.00 \u22121.00 to \u22121.00" in page.text


def test_foreground_submission_leads_with_the_foreground_score(tmp_path: Path) -> None:
    page = report(make_run(tmp_path, test=3, metric="foreground"))
    assert "ARI, foreground pixels 0.650 what the submission is tuned for" in page.text
    assert "takes the nearest region" in page.text
    assert "the outlines here do not show it" in page.text


def test_names_are_shown_as_text_never_as_markup(tmp_path: Path) -> None:
    files = make_run(tmp_path / "<b>run", test=1)
    edited("data/test.json", lambda coco: coco["images"][0].update(file_name="<i>a.png"))(files)
    page = report(files)
    assert "Run <b>run" in page.text
    assert "<i>a.png" in page.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", "{}", "metrics.json: is not the metrics of a run"),
        ("metrics.json", "{", "metrics.json: broken JSON at line 1"),
        (AUDIT, '{"slices": 3}', "audit.json: is no audit of soft labels"),
        ("weights/weights.json", "[1]", "weights.json: contains no radiologists' weights"),
        (RULE, '{"all": {}}', "rule.json: holds no merge rules"),
        ("score/per_image.csv", "a,b\n1,2\n", "per_image.csv: is no table of scores by image"),
    ],
)
def test_a_file_that_holds_something_else_is_named(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    files = make_run(tmp_path, test=1)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=re.escape(message)):
        report(files)


def test_missing_metrics_are_refused(tmp_path: Path) -> None:
    files = without("metrics.json")(make_run(tmp_path, test=1))
    with pytest.raises(InputError, match=r"metrics.json: no such file"):
        report(files)
