"""Segment medical slices when only a few of them are labelled; from Python, see `fewshot.api`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewshot import api as api
    from fewshot.api import load as load
    from fewshot.api import score as score

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # Only when asked for, so that `import fewshot` and the commands' help are quick. The function
    # `run` is not among them: `fewshot.run` is the package of run directories.
    if name in ("api", "load", "score"):
        from importlib import import_module

        api = import_module("fewshot.api")
        return api if name == "api" else getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
