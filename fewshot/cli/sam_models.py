"""`fewshot sam finetune`, `compare` and `study`: training and evaluating networks."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from fewshot.cli.options import Json, Out, Overwrite, Seed, print_json, print_line
from fewshot.cli.sam_options import (
    Embeddings,
    Filter,
    Slices,
    treatment_of,
)
from fewshot.cli.settings_options import settings_as_options
from fewshot.config.sam import FinetuneLoopSettings, FinetuneSchedule, FinetuneSettings
from fewshot.errors import InputError
from fewshot.folders import filled_folder, prepare_folder

Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")]
Precision = Annotated[
    Literal["auto", "off", "bfloat16", "float16"],
    typer.Option(
        "--mixed-precision",
        help="Number format that the encoder computes in; auto: bfloat16 on GPUs.",
    ),
]
Checkpoints = Annotated[
    list[str],
    typer.Option("--checkpoint", help="A checkpoint; may be repeated.", show_default=False),
]
EmbeddingsOfMany = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        help="Folder in which embeddings are kept for reuse, by encoder.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--slices", min=1, help="Use only this many slices, evenly spaced.")
]


@settings_as_options
def finetune(
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", help="Initial weights; tiny: a small network from scratch."),
    ],
    data: Annotated[
        Path, typer.Option("--data", help="Folder with train.json and validation.json.")
    ],
    out: Out,
    schedule: FinetuneSchedule,
    settings: FinetuneSettings,
    loop: FinetuneLoopSettings,
    stop_after: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many iterations; call again to continue."),
    ] = None,
    embeddings: Embeddings = None,
    device: Device = "auto",
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Fine-tune the mask decoder, or all but the prompt encoder; continues where it stopped.

    Writes model.pth, the best by validation Dice, which plain segment_anything loads.
    """
    from fewshot.config.logging import LoggingSettings
    from fewshot.config.names import TRAIN, VALIDATION
    from fewshot.config.tree import AugmentationSettings
    from fewshot.masks.coco import read_coco
    from fewshot.progress import progress, say
    from fewshot.sam.checkpoints import TINY, find_checkpoint
    from fewshot.sam.finetuning import EMBEDDINGS, LOGS, FinetuneTask, check_folder
    from fewshot.training.job import TrainingJob
    from fewshot.training.loop import train as train_on
    from fewshot.training.model_folder import WEIGHTS
    from fewshot.training.sampling import TrainingSource

    check_folder(out)
    from_scratch = (checkpoint, settings.train) == (TINY, "all")
    job = TrainingJob(
        name="sam",
        sources=[TrainingSource(read_coco(data / TRAIN))],
        validation=read_coco(data / VALIDATION),
        settings=settings,
        augmentation=AugmentationSettings(),
        schedule=schedule,
        seed=seed,
        weights=None if from_scratch else find_checkpoint(checkpoint),
        loop=loop,
        device=device,
        logging=LoggingSettings(),
        logs=out / LOGS,
    )
    task = FinetuneTask(job, embeddings or out / EMBEDDINGS)
    with progress("fine-tuning", schedule.iterations) as advance:
        found = train_on(task, out, advance, replace=False, stop_after=stop_after)
    before, best, file = found.before["dice"], found.best["dice"], out / WEIGHTS
    say(
        f"validation Dice {before:.4f} before, {best:.4f} at iteration {found.best_iteration}, of "
        f"{found.iteration}/{schedule.iterations} done: {file}"
    )
    if json_:
        print_json(
            {
                "iteration": found.iteration,
                "iterations": schedule.iterations,
                "dice_before": before,
                "best_dice": best,
                "best_iteration": found.best_iteration,
                "file": str(file),
            }
        )


def compare(
    checkpoint: Checkpoints,
    data: Slices,
    out: Out,
    points: Annotated[int, typer.Option(min=0, max=100, help="Points in each structure.")] = 0,
    box: Annotated[
        Literal["none", "tight", "whole"], typer.Option(help="Box around each structure.")
    ] = "tight",
    slices_: Limit = None,
    embeddings: EmbeddingsOfMany = None,
    precision: Precision = "auto",
    device: Device = "auto",
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Prompt several networks in the same way on labelled slices: IoU, Dice, and a picture.

    Writes scores.csv, with a row per structure, summary.json and comparison.png.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.sam.embeddings import embedder_below
    from fewshot.sam.input_transforms import RAW
    from fewshot.sam.model import load_sam
    from fewshot.sam.study_commands import compare_networks
    from fewshot.sam.study_prompts import StudyPrompt

    prompt = StudyPrompt(points, box)
    labelled = read_coco(data)
    prepare_folder(out, overwrite)
    embedders = [
        embedder_below(embeddings, load_sam(one, device), RAW, precision) for one in checkpoint
    ]
    with filled_folder(out, overwrite) as folder:
        summary = compare_networks(embedders, labelled, prompt, slices_, folder)
    if json_:
        print_json({"prompt": prompt.name, "models": summary})
    else:
        for row in summary:
            print_line(f"{row['model']:24s} IoU {row['iou']:.4f}  Dice {row['dice']:.4f}")


def study(
    checkpoint: Checkpoints,
    data: Slices,
    out: Out,
    points: Annotated[
        list[int], typer.Option(min=0, max=100, help="Points inside each structure.")
    ] = [0, 1, 5, 10, 20],  # noqa: B006
    resolution: Annotated[
        list[int], typer.Option(min=16, max=4096, help="Longer side of the input, pixels.")
    ] = [224, 512, 1024],  # noqa: B006
    input_: Annotated[
        list[str], typer.Option("--input", help="raw, clahe, sobel, canny or log.")
    ] = ["raw", "clahe", "sobel", "canny", "log"],  # noqa: B006
    box: Annotated[list[str], typer.Option(help="none, tight or whole.")] = [  # noqa: B006
        "none",
        "tight",
        "whole",
    ],
    phase: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE.json: the same slices in another contrast phase, combined by mean and "
            "maximum."
        ),
    ] = None,
    slices_: Limit = None,
    embeddings: EmbeddingsOfMany = None,
    precision: Precision = "auto",
    device: Device = "auto",
    json_: Json = False,
) -> None:
    """Try all combinations of prompts, inputs, resolutions and networks.

    Options with several values may be repeated. Writes study.csv, study.json and study.png, and
    continues where it stopped.
    """
    from fewshot.masks.coco import read_coco
    from fewshot.sam.model import load_sam
    from fewshot.sam.study_commands import StudyRequest, write_study
    from fewshot.sam.study_prompts import BOX_KINDS, StudyPrompt

    inputs = [_known("--input", one, ("raw", "clahe", "sobel", "canny", "log")) for one in input_]
    kinds = [cast(Any, _known("--box", one, BOX_KINDS)) for one in box]
    prompts = [
        StudyPrompt(count, kind) for kind in kinds for count in points if count or kind != "none"
    ]
    if not prompts:
        raise InputError("study: --points 0 with --box none leaves no prompt; give points or a box")
    request = StudyRequest(
        models=[load_sam(one, device) for one in checkpoint],
        slices=read_coco(data),
        phases={name: read_coco(file) for name, file in map(_phase, phase or [])},
        treatments=[treatment_of(cast(Filter, one)) for one in inputs],
        resolutions=resolution,
        prompts=prompts,
        most=slices_,
        embeddings=embeddings,
        mixed_precision=precision,
    )
    rows = write_study(request, out)
    if json_:
        print_json({"rows": rows})
    else:
        best = max(rows, key=lambda row: float(row["dice"]))
        print_line(f"{len(rows)} combinations: {out / 'study.csv'}")
        print_line("best: " + ", ".join(f"{key} {value}" for key, value in best.items()))


def _known(option: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise InputError(f"{option} {text}: give one of {', '.join(known)}")
    return text


def _phase(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise InputError(f"--phase {text}: write it as NAME=FILE.json")
    return name, Path(file)
