"""The letters at the edges of a slice, against nibabel's own axis codes and known pictures."""

import itertools
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from fewshot.drawing.slice_tile import Edges, edges_of
from fewshot.masks.coco import Volume
from fewshot.slices.volume import slice_of

LPS = np.diag([-0.7, -0.7, 2.5, 1.0])
# Turned by 20 degrees about the x axis, as a tilted gantry does.
TILTED = np.array([[1.0, 0, 0, 0], [0, 0.94, -0.34, 0], [0, 0.34, 0.94, 0], [0, 0, 0, 1.0]])


def volume(axis: int, affine: NDArray[Any]) -> Volume:
    rows: Any = tuple(map(tuple, affine.tolist()))
    return Volume((4, 5, 6), axis, rows, "ct")


@pytest.mark.parametrize(
    ("axis", "edges"),
    [
        (2, Edges("A", "P", "R", "L")),  # axial: the patient's right on the left
        (1, Edges("S", "I", "R", "L")),  # coronal
        (0, Edges("S", "I", "A", "P")),  # sagittal
    ],
)
@pytest.mark.parametrize("affine", [np.eye(4), LPS, TILTED], ids=["RAS", "LPS", "tilted"])
def test_slices_lie_as_radiologists_expect(axis: int, edges: Edges, affine: NDArray[Any]) -> None:
    assert edges_of(volume(axis, affine)) == edges


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIL", "ASL"])
def test_a_letter_stands_where_the_patient_has_that_side(codes: str, axis: int) -> None:
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, code in enumerate(codes):
        row = next(row for row, pair in enumerate(("LR", "PA", "IS")) if code in pair)
        affine[row, column] = 2 if code in "RAS" else -2
    assert "".join(nibabel.aff2axcodes(affine)) == codes
    found = edges_of(volume(axis, affine))
    # A bright half of the patient on a side must be seen at the edge with the letter of that side.
    for side, edge in itertools.product("RLAPSI", ("top", "bottom", "left", "right")):
        place = next((one for one, code in enumerate(codes) if code == side), None)
        if place is None or place == axis:
            continue
        voxels = np.zeros((4, 4, 4))
        voxels[tuple(slice(2, 4) if one == place else slice(None) for one in range(3))] = 1
        picture = slice_of(voxels, axis, 1, affine)
        halves = {
            "top": picture[:2],
            "bottom": picture[2:],
            "left": picture[:, :2],
            "right": picture[:, 2:],
        }
        assert bool(halves[edge].all()) == (getattr(found, edge) == side)
