"""Packages that only some commands need, and the extras of fewshot that install them."""

from importlib.util import find_spec

# Module → the extra that installs it, as in pyproject.toml.
EXTRAS = {
    "gdcm": "dicom",
    "pydicom": "dicom",
    "nibabel": "volume",
    "trimesh": "volume",
    "segmentation_models_pytorch": "semantic",
    "timm": "semantic",
    "huggingface_hub": "semantic",
    "segment_anything": "sam",
    "starlette": "review",
    "uvicorn": "review",
    "mlflow": "mlflow",
}


def how_to_get(module: str) -> str | None:
    """Return how to install a missing module, in one line; None if it is in no extra.

    >>> how_to_get("nibabel")
    "nibabel is not installed; pip install 'fewshot[volume]'"
    """
    name = module.partition(".")[0]
    extra = EXTRAS.get(name)
    return None if extra is None else f"{name} is not installed; pip install 'fewshot[{extra}]'"


def is_installed(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    return find_spec(module) is not None
