"""The checks of `fewshot doctor`; they work even when almost nothing is installed."""

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fewshot.extras import EXTRAS, is_installed

_GIB = 1 << 30
_NEEDED_MEMORY = 4 * _GIB
_SETUP = "pip install fewshot again (in a checkout: make setup)"
_DISTRIBUTIONS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "PIL": "pillow",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "pycocotools": "pycocotools",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}
_REPORT_ARCHITECTURES = ("mask_rcnn_R_50_FPN_3x", "mask_rcnn_X_101_32x8d_FPN_3x")


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was checked.
        fine: whether it is as it should be.
        needed: whether `fewshot run` needs it.
        found: what was found.
        mend: the command or step that fixes it; empty if it is fine.
    """

    name: str
    fine: bool
    needed: bool
    found: str
    mend: str = ""


def examine() -> list[Check]:
    """Return all checks, most basic first."""
    checks = [_python(), *(_package(*pair) for pair in _DISTRIBUTIONS.items()), _detectron2()]
    if all(check.fine for check in checks):
        checks += [_operators(), _device(), *map(_weights, _REPORT_ARCHITECTURES)]
    return [*checks, *map(_extra, dict.fromkeys(EXTRAS.values())), _memory(), _disk()]


def _python() -> Check:
    fine = sys.version_info >= (3, 11)
    mend = "" if fine else "install Python 3.11 or newer"
    return Check("python", fine, True, platform.python_version(), mend)


def _package(module: str, distribution: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(distribution, False, True, "not installed", _SETUP)
    try:
        return Check(distribution, True, True, metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return Check(distribution, True, True, "installed, version unknown")


def _extra(extra: str) -> Check:
    """Check the packages of an extra; without them only some commands fail."""
    lacking = [name for name, of in EXTRAS.items() if of == extra and not is_installed(name)]
    found = f"not installed: {', '.join(lacking)}" if lacking else "installed"
    mend = f"pip install 'fewshot[{extra}]'" if lacking else ""
    return Check(f"extra {extra}", not lacking, False, found, mend)


def _detectron2() -> Check:
    from fewshot.detector.compat import has_compiled_part

    if importlib.util.find_spec("detectron2") is None:
        return Check("detectron2", False, True, "not installed", "fewshot setup")
    try:
        import detectron2
        import detectron2.layers
    except Exception as error:  # a broken build can raise anything
        return Check("detectron2", False, True, f"cannot be imported: {error}", _SETUP)
    part = "compiled" if has_compiled_part() else "Python part only, enough for Mask R-CNN"
    return Check("detectron2", True, True, f"{detectron2.__version__}, {part}")


def _operators() -> Check:
    """Predict with a miniature network, which uses all operators of a prediction."""
    import torch

    from fewshot.config.tree import DetectorSettings
    from fewshot.detector.architecture import build_config, build_network

    try:
        network = build_network(build_config(DetectorSettings())).eval()
        with torch.inference_mode():
            network([{"image": torch.zeros(3, 64, 64), "height": 64, "width": 64}])
    except Exception as error:  # what fails here is what the user needs to read
        return Check("prediction", False, True, f"fails: {error}", _SETUP)
    return Check("prediction", True, True, "a small Mask R-CNN predicts")


def _device() -> Check:
    import torch

    if not torch.cuda.is_available():
        found = f"CPU only, {torch.get_num_threads()} threads"
        return Check("device", True, True, f"{found}; fine for the architecture 'tiny'")
    name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    return Check("device", True, True, f"CUDA: {name}, {memory / _GIB:.0f} GiB")


def _weights(architecture: str) -> Check:
    from fewshot.config.names import WEIGHTS_FOLDER_VARIABLE
    from fewshot.detector.weights import zoo_weights_present

    name = f"weights {architecture.removeprefix('mask_rcnn_')}"
    if zoo_weights_present(f"COCO-InstanceSegmentation/{architecture}.yaml"):
        return Check(name, True, False, "present")
    folder = os.environ.get(WEIGHTS_FOLDER_VARIABLE, "not set")
    return Check(
        name,
        False,
        False,
        f"not on this machine ({WEIGHTS_FOLDER_VARIABLE} is {folder}); 'tiny' needs none",
        "downloaded at first use, or put the file into a folder named by that variable",
    )


def _memory() -> Check:
    try:
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return Check("memory", True, False, "unknown")
    fine = total >= _NEEDED_MEMORY
    found = f"{total / _GIB:.1f} GiB, {available / _GIB:.1f} GiB free"
    return Check("memory", fine, True, found, "" if fine else "use a machine with at least 4 GiB")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    fine = free >= _GIB
    mend = "" if fine else "free at least 1 GiB"
    return Check("disk", fine, False, f"{free / _GIB:.1f} GiB free in {Path.cwd()}", mend)
