"""Write docs/commands.md: every command with its options, from the command line itself.

`make docs` calls it.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main

from fewshot.cli.app import app

TARGET = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
_HEAD = """# Commands

Generated from the command line itself by `scripts/commands_reference.py`. All commands take
`--help`; those with `--json` print one machine-readable object on standard output, and everything
else goes to standard error. Exit codes: 0 done, 1 the work failed, 2 the command or its input was
wrong.
"""


def page() -> str:
    """Return the page."""
    top: Any = typer.main.get_command(app)
    return "\n".join([_HEAD, *_commands(top, ["fewshot"])]) + "\n"


def _commands(group: Any, path: list[str]) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, [*path, name])
        else:
            yield from _command(command, [*path, name])


def _command(command: Any, path: list[str]) -> Iterator[str]:
    yield f"## {' '.join(path)}\n"
    yield _plain(inspect.cleandoc(command.help or "")) + "\n"
    options = [one for one in command.params if not getattr(one, "hidden", False)]
    if not options:
        return
    yield "| option | default | what |"
    yield "|---|---|---|"
    context = typer.Context(command)
    for option in options:
        yield f"| {_names(option, context)} | {_default(option)} | {_cell(option)} |"
    yield ""


def _names(option: Any, context: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if option.param_type_name == "argument":
        names = f"`{option.name.upper()}`"
    shown = str(option.metavar or option.display_type(context)).strip("<>[]").replace("|", "\\|")
    return names if getattr(option, "is_flag", False) else f"{names} `{shown}`"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    value = option.default
    if value in (None, (), "", False) or callable(value):
        return ""
    shown = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return f"`{shown}`"


def _cell(option: Any) -> str:
    return _plain(getattr(option, "help", "") or "").replace("\n", " ").replace("|", "\\|")


def _plain(text: str) -> str:
    """Return help without its markup for terminals."""
    return re.sub(r"\[/?(?:bold|italic|dim|cyan|green|red|b|i)\]", "", text)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
