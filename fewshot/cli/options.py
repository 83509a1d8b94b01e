"""Options that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewshot.text import printable

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings

Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and nothing else, on standard output."),
]
Out = Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what fewshot wrote to --out earlier.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random choices.")]
SeedSetting = Annotated[
    int | None, typer.Option("--seed", min=0, help="Same as --set seed=N.", show_default=False)
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option("--device", help="Where to compute; by default as in the settings."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that read slices during training; the result does not depend on it.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (YAML); by default the built-in settings."),
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
    """Return these options as overrides of settings, `--set` last; the last value of a key wins."""
    given = [("device", device), ("seed", seed), ("training.workers", workers)]
    return [*(f"{key}={value}" for key, value in given if value is not None), *(set_ or [])]


def settings_of(config: Path | None, overrides: list[str]) -> "RunSettings":
    """Return the settings in a file, or the built-in ones, with overrides applied."""
    from fewshot.config.load import load_settings, parse_settings

    if config is not None:
        return load_settings(config, overrides)
    # A command on files needs no data settings; the phantom is a placeholder.
    return parse_settings({"data": {"phantom": {}}}, overrides)


def print_line(text: str) -> None:
    """Print one line on standard output, with control characters escaped."""
    print(printable(text))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON on standard output."""
    print(json.dumps(value, allow_nan=False), flush=True)
