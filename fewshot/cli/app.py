"""`fewshot`: all commands, and how errors are reported."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import fewshot
from fewshot.cli import (
    baseline,
    data,
    export,
    pages,
    run,
    sam,
    score,
    semantic,
    volume,
)
from fewshot.cli.annotations import annotations
from fewshot.cli.interrupt import Stopped, how_to_go_on, stoppable
from fewshot.cli.setup import doctor, offer_setup, setup
from fewshot.cli.stages import as_command
from fewshot.errors import FewshotError
from fewshot.extras import how_to_get
from fewshot.files import check_regular
from fewshot.pipeline.plan import commands
from fewshot.progress import complain, say

# Threads that spin while waiting cost several times the CPU time of the work itself. OpenMP reads
# this when torch is first imported, which no command has done yet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="fewshot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Segment medical slices when only a few of them are labelled.\n\n"
        "Three Mask R-CNNs (the radiologists) are trained on the labelled slices and write soft "
        "labels (pseudo-labels) for the others; a final model is trained on all of them.\n\n"
        "Start with [bold]fewshot demo --out runs/demo[/bold], which needs no data. Then try "
        "[bold]fewshot run --images DIR --labels FILE --out runs/mine[/bold] on your own slices."
    ),
)

_WHOLE = "The whole run"
_STAGES = "One stage at a time, in this order"
_NETWORKS = "Other networks"
_PAGES = "Pages to look at"
_SAM = "Segment Anything"
_FORMS = "Pictures, and formats for other tools"
_VOLUMES = "From slices to volumes"
_CHECKS = "Scores and checks"
# What Typer raises for wrong options; newer versions have their own copy of click.
_WrongUsage: Any = typer.BadParameter.__base__

app.command("demo", rich_help_panel=_WHOLE)(run.demo)
app.command("run", rich_help_panel=_WHOLE)(run.run)
app.command("phantom", rich_help_panel=_STAGES)(data.phantom)
app.command("convert", rich_help_panel=_STAGES)(data.convert)
for _name, _work in commands().items():
    app.command(_name, rich_help_panel=_STAGES)(as_command(_work))
app.add_typer(semantic.app, name="semantic", rich_help_panel=_NETWORKS)
app.command("baseline", rich_help_panel=_STAGES)(baseline.baseline)
app.add_typer(sam.app, rich_help_panel=_SAM)
app.command("review", rich_help_panel=_PAGES)(pages.review)
app.command("report", rich_help_panel=_PAGES)(pages.report)
app.command("look", rich_help_panel=_FORMS)(export.look)
app.command("export", rich_help_panel=_FORMS)(export.export)
app.add_typer(annotations, name="annotations", rich_help_panel=_VOLUMES)
app.command("volume", rich_help_panel=_VOLUMES)(volume.volume)
app.command("volume-agreement", rich_help_panel=_VOLUMES)(volume.volume_agreement)
app.command("score", rich_help_panel=_CHECKS)(score.score)
app.command("agree", rich_help_panel=_CHECKS)(score.agree)
app.command("validate", rich_help_panel=_CHECKS)(score.validate)
app.command("doctor", rich_help_panel=_CHECKS)(doctor)
app.command("setup", rich_help_panel=_CHECKS)(setup)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"fewshot {fewshot.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors are one line, exit 1 for failed work and 2 for wrong input."""
    arguments = sys.argv[1:]
    try:
        with stoppable(arguments):
            for argument in arguments:
                # No command waits for a pipe without a writer, or reads a device without end.
                check_regular(Path(argument.removeprefix("--").partition("=")[2] or argument))
            code = app(standalone_mode=False) or 0
        sys.exit(code)
    except Stopped as stop:
        say(how_to_go_on(arguments))
        sys.exit(stop.exit_code)
    except _WrongUsage as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        _fail(_one_line(error), exit_code=error.exit_code)
    except FewshotError as error:
        _fail(*error.args, exit_code=error.exit_code)
    except ModuleNotFoundError as error:
        _missing(error)
    except BrokenPipeError:
        # The reader of standard output is gone, as in `fewshot score | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # A full or missing disk, without a better message from the code that used it.
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", exit_code=1)
    except MemoryError:
        _fail("out of memory; use smaller slices or batches", exit_code=1)


def _missing(error: ModuleNotFoundError) -> NoReturn:
    """Say how to install a missing package; offer to install Detectron2."""
    name = (error.name or "").partition(".")[0]
    if name == "detectron2":
        if offer_setup():
            os.execv(sys.executable, [sys.executable, "-m", "fewshot", *sys.argv[1:]])
        _fail("Detectron2 is not installed; run: fewshot setup", exit_code=2)
    line = how_to_get(name)
    if line is None:
        raise error
    _fail(line, exit_code=2)


def _fail(*lines: str, exit_code: int) -> NoReturn:
    for line in lines:
        complain(line)
    sys.exit(exit_code)


def _one_line(error: Any) -> str:
    """Return what is wrong with the options of a command, and where to read about them."""
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "fewshot"
    return f"{text}; see {path} --help"
