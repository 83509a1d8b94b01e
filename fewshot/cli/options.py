"""Options that several commands share."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewshot.errors import InputError

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is random.")]
SeedSetting = Annotated[
    int | None, typer.Option("--seed", min=0, help="Same as --set seed=N.", show_default=False)
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option("--device", help="Where to compute; as the settings say when left out."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that read slices while training; they change no result.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (YAML); the built-in settings when left out."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one setting, such as final.iterations=900; may be repeated.",
    ),
]


def overrides_of(
    set_: list[str] | None, device: str | None, seed: int | None, workers: int | None = None
) -> list[str]:
    """Return these options as overrides of settings, `--set` last; the last of a key holds."""
    given = [("detector.device", device), ("seed", seed), ("detector.workers", workers)]
    return [*(f"{key}={value}" for key, value in given if value is not None), *(set_ or [])]


def refuse_filled(out: Path) -> None:
    """Raise `InputError` when the folder to write to is a file, or holds anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: is not empty; give another folder")


def print_json(value: Any) -> None:
    """Print a value as one line of JSON on standard output."""
    print(json.dumps(value, allow_nan=False), flush=True)
