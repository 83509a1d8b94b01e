"""Solids whose volume is known, cut into slices."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.volume.stack import LabelStack

Coordinates = NDArray[np.float64]
Solid = Callable[[Coordinates, Coordinates, Coordinates], NDArray[np.bool_]]


def sphere(z: Any, y: Any, x: Any) -> Any:
    return z**2 + y**2 + x**2 <= 9**2


def ellipsoid(z: Any, y: Any, x: Any) -> Any:
    """An ellipsoid with half axes 12, 7 and 5 whose longest axis is oblique."""
    return ((0.8 * z + 0.6 * y) / 12) ** 2 + ((0.8 * y - 0.6 * z) / 7) ** 2 + (x / 5) ** 2 <= 1


def flat_torus(z: Any, y: Any, x: Any) -> Any:
    return (np.hypot(x, y) - 10) ** 2 + z**2 <= 4**2


def upright_torus(z: Any, y: Any, x: Any) -> Any:
    return (np.hypot(x, z) - 10) ** 2 + y**2 <= 4**2


SOLIDS: dict[str, tuple[Solid, float]] = {
    "sphere": (sphere, 4 / 3 * np.pi * 9**3),
    "ellipsoid": (ellipsoid, 4 / 3 * np.pi * 12 * 7 * 5),
    "flat torus": (flat_torus, 2 * np.pi**2 * 10 * 4**2),
    "upright torus": (upright_torus, 2 * np.pi**2 * 10 * 4**2),
}


def cut(
    solid: Solid, step: float, pixel: tuple[float, float], offset: float
) -> tuple[NDArray[np.bool_], Coordinates, Coordinates, Coordinates]:
    """Return sections and the coordinates of slices, rows and columns, mm around the centre.

    `offset`, in steps, is where the slices lie.
    """
    half = np.ceil(15 / step)
    z = (np.arange(-half, half + 1) + offset) * step
    y = np.arange(-15, 15, pixel[0]) + 0.07
    x = np.arange(-15, 15, pixel[1]) + 0.11
    return solid(z[:, None, None], y[None, :, None], x[None, None, :]), z, y, x


def stack_of(
    labels: NDArray[Any], step: float = 1.0, pixel: tuple[float, float] = (1.0, 1.0)
) -> LabelStack:
    """Return a stack with one id a structure, its slices a step apart."""
    affine = np.diag([step, *pixel, 1.0])
    return LabelStack(
        name="made up",
        labels=labels.astype(np.uint16),
        positions=np.arange(len(labels), dtype=np.float64) * step,
        pixel=pixel,
        step=step,
        affine=affine,
        linked=True,
    )
