"""What Detectron2 needs to be imported on current Pillow and NumPy, and without its C++ part.

The room's `__init__` calls `apply` before any other module of the room is imported. Each fix looks
for what is missing and does nothing where nothing is missing: a compiled upstream build keeps its
own `detectron2._C`.

Detectron2 0.6 (2021) expects

* `PIL.Image.LINEAR`, removed in Pillow 10 (it was another name for `BILINEAR`);
* `numpy.bool`, `numpy.int`, `numpy.float` and `numpy.object`, removed in NumPy 1.24
  (`bool` came back with NumPy 2);
* the compiled module `detectron2._C`, which the Python-only source release lacks. Mask R-CNN on
  axis-aligned boxes takes its operators from torchvision; only rotated boxes, deformable
  convolution and the C++ COCO evaluator reach into `_C`.
"""

import importlib.machinery
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any, NoReturn

from fewshot.errors import FewshotError

_NUMPY_NAMES = {"bool": bool, "int": int, "float": float, "object": object}
_STUB_NAME = "detectron2._C"


class CompiledOperatorMissingError(FewshotError):
    """An operator of Detectron2's compiled part was called in a build that does not have it."""


def apply() -> None:
    """Make `import detectron2.layers` work; safe to call any number of times."""
    # Either may be missing when `fewshot doctor` is asked what is.
    if importlib.util.find_spec("PIL") is not None:
        _restore_pillow_names()
    if importlib.util.find_spec("numpy") is not None:
        _restore_numpy_names()
    if importlib.util.find_spec("detectron2") is not None and not has_compiled_part():
        _register_stub()
    # What Detectron2 still imports and decorates with is no business of fewshot's users.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)


def has_compiled_part() -> bool:
    """Return whether the installed Detectron2 has its C++ extension (`detectron2._C`)."""
    loaded = sys.modules.get(_STUB_NAME)
    if loaded is not None:
        return not isinstance(loaded, _CompiledStub)
    spec = importlib.util.find_spec("detectron2")
    if spec is None or spec.submodule_search_locations is None:
        return False
    finder = importlib.machinery.PathFinder
    return finder.find_spec(_STUB_NAME, list(spec.submodule_search_locations)) is not None


def _restore_pillow_names() -> None:
    from PIL import Image

    if not hasattr(Image, "LINEAR"):
        Image.LINEAR = Image.Resampling.BILINEAR  # type: ignore[attr-defined]


def _restore_numpy_names() -> None:
    import numpy as np

    for name, builtin in _NUMPY_NAMES.items():
        if name not in vars(np):
            setattr(np, name, builtin)


class _CompiledStub(ModuleType):
    """Stands in for `detectron2._C`; any operator taken from it raises when it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_args: object, **_kwargs: object) -> NoReturn:
            raise CompiledOperatorMissingError(
                f"detectron2._C.{name}: this Detectron2 build has no compiled operators; build "
                "Detectron2 from its upstream source, or choose an architecture without rotated "
                "boxes and deformable convolution"
            )

        return missing


def _register_stub() -> None:
    if _STUB_NAME in sys.modules:
        return
    stub = _CompiledStub(_STUB_NAME)
    # torchvision's operator registration inspects loaded modules and expects a file.
    stub.__file__ = __file__
    sys.modules[_STUB_NAME] = stub
