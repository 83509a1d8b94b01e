"""The stages of a run as commands, with their own options, settings and `--json`."""

import inspect
from collections.abc import Callable
from typing import Any

from fewshot.cli.options import (
    Config,
    Device,
    Json,
    SeedSetting,
    Sets,
    Workers,
    overrides_of,
    print_json,
    settings_of,
)

_SETTINGS = {
    "config": Config,
    "set_": Sets,
    "seed": SeedSetting,
    "device": Device,
    "workers": Workers,
}


def as_command(work: Callable[..., Any]) -> Callable[..., None]:
    """Return a Typer command from the function `command` of a stage module.

    Its parameter `settings` comes from `--config`, `--set` and so on; `--json` prints its result.
    """
    own = inspect.signature(work).parameters
    wanted = _SETTINGS if "settings" in own else {}

    def command(json_: bool, **values: Any) -> None:
        if wanted:
            given = {name: values.pop(name) for name in wanted}
            config = given.pop("config")
            values["settings"] = settings_of(config, overrides_of(**given))
        answer = work(**values)
        if json_:
            print_json(answer)

    parameters = [one for name, one in own.items() if name != "settings"]
    parameters += [_option(name, kind, None) for name, kind in wanted.items()]
    parameters.append(_option("json_", Json, False))
    command.__doc__ = work.__doc__
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _option(name: str, kind: Any, default: Any) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=kind)
