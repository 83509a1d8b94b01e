"""`fewshot baseline`: segmentation without learning, and a table of filters before it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli.options import Config, Json, Overwrite, Sets, overrides_of, print_json, settings_of
from fewshot.errors import InputError
from fewshot.folders import filled_folder

if TYPE_CHECKING:
    from fewshot.classical.baseline import Baseline
    from fewshot.config.tree import RunSettings
    from fewshot.masks.coco import SliceSet

_CSV = (".csv", ".csv.gz")


def baseline(
    out: Annotated[
        Path, typer.Option("--out", help="CSV or COCO JSON file to write; with --table, a folder.")
    ],
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of 8-bit slices.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="COCO file of slices, instead of --images.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="With --table: the labels of --images.")
    ] = None,
    groups: Annotated[
        Path | None, typer.Option("--groups", help="With --table: CSV of image and patient.")
    ] = None,
    preprocess: Annotated[
        list[str] | None,
        typer.Option(
            "--preprocess",
            help="Steps before the watershed, as in the setting preprocess: one such as clahe, or "
            "a list. If given several times, each pixel takes its most frequent region.",
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Score filters before the watershed on labelled slices."),
    ] = False,
    slices: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many slices.", show_default=False),
    ] = None,
    config: Config = None,
    set_: Sets = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads; by default one per processor.")
    ] = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Segment slices with the challenge organisers' watershed, after any preprocessing.

    The constants of the watershed are the settings `baseline`; without --preprocess the steps are
    the settings `preprocess`. --table makes Table 1 of the reference report on labelled slices:
    table.csv, table.json, and table.png with filtered slices and their segmentations.
    """
    settings = settings_of(config, overrides_of(set_, None, None))
    chosen = _first(_slices(images, data, labels, groups), slices)
    if table:
        if preprocess:
            raise InputError("--preprocess: --table has its own rows; give only one of the two")
        with filled_folder(out, overwrite) as folder:
            shown = _table(folder, chosen, settings)
    else:
        _need_no_labels(labels, groups)
        shown = _write(out, chosen, _baseline(settings, preprocess or []), workers)
    if json_:
        print_json(shown)


def _slices(
    images: Path | None, data: Path | None, labels: Path | None, groups: Path | None
) -> "SliceSet":
    from fewshot.importing.datasets import tell
    from fewshot.importing.slices import import_slices
    from fewshot.masks.coco import check_images, read_coco

    if (images is None) == (data is None):
        raise InputError("baseline: give either --images or --data")
    if images is not None:
        imported = import_slices(images, labels, groups)
        tell(imported)
        return imported.slices
    assert data is not None
    _need_no_labels(labels, groups, "--data has labels and groups of its own")
    return check_images(read_coco(data))


def _need_no_labels(
    labels: Path | None, groups: Path | None, why: str = "only --table compares with labels"
) -> None:
    for name, given in (("--labels", labels), ("--groups", groups)):
        if given is not None:
            raise InputError(f"{name} {given}: {why}; leave it out")


def _first(slices: "SliceSet", count: int | None) -> "SliceSet":
    if not len(slices):
        raise InputError(f"{slices.images}: there are no slices")
    return slices.subset([record.image_id for record in slices.records[:count]])


def _baseline(settings: "RunSettings", texts: list[str]) -> "Baseline":
    from fewshot.classical.baseline import Baseline

    chosen = [settings_of(None, [f"preprocess={text}"]).preprocess for text in texts]
    chosen = chosen or [settings.preprocess]
    for one in chosen:
        if one.channels is not None or one.input != "grey":
            raise InputError("preprocess: the baseline has one grey channel; give only steps")
    watershed = settings.baseline
    return Baseline(watershed, tuple(one.steps for one in chosen))


def _write(
    out: Path, slices: "SliceSet", baseline: "Baseline", workers: int | None
) -> dict[str, Any]:
    from fewshot.classical.baseline import write_baseline_coco, write_baseline_csv
    from fewshot.parallel import processors
    from fewshot.progress import progress

    as_csv = out.name.lower().endswith(_CSV)
    if not as_csv and out.suffix.lower() != ".json":
        raise InputError(f"--out {out}: name it .csv or .csv.gz for label maps, .json for COCO")
    threads = workers or processors()
    with progress("baseline", len(slices)) as advance:
        if as_csv:
            write_baseline_csv(out, baseline, slices, workers=threads, advance=advance)
        else:
            write_baseline_coco(out, baseline, slices, threads, advance)
    return {"file": str(out), "images": len(slices)}


def _table(out: Path, slices: "SliceSet", settings: "RunSettings") -> Any:
    from fewshot.classical import table
    from fewshot.classical.table_figure import write_baseline_figure
    from fewshot.files import write_json, write_text
    from fewshot.progress import progress, say

    labelled = slices.subset(
        [one.image_id for one in slices.records if len(slices.masks_of(one.image_id))]
    )
    if not len(labelled):
        raise InputError("--table: no slice has labels; give --labels, or a COCO file with masks")
    watershed = settings.baseline
    baselines = table.report_baselines(watershed)
    with progress("baseline", len(labelled)) as advance:
        rows = table.measure_baselines(baselines, labelled, advance)
    result = table.table_json(rows, labelled, watershed)
    write_text(out / "table.csv", table.as_csv(rows))
    write_baseline_figure(out / "table.png", baselines, labelled, table.examples(rows, labelled))
    write_json(out / "table.json", result)
    for line in table.as_text(rows).splitlines():
        say(line)
    return result
