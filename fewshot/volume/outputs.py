"""Writing measured structures: tables, NIfTI grids, surfaces, linked masks."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.drawing.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, rgb
from fewshot.errors import InputError
from fewshot.export.nifti import LONGEST_SIDE, save_volume
from fewshot.files import atomic_path, write_json, write_text
from fewshot.masks.coco import SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.metrics.scores import as_csv
from fewshot.slices.volume import put_slice, slice_position
from fewshot.volume.interpolate import Sections, plane_positions, planes
from fewshot.volume.measure import Structure, Volumetry
from fewshot.volume.stack import Labels, LabelStack
from fewshot.volume.surface_mesh import Mesh

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY)


def rows(figures: Iterable[Volumetry]) -> list[dict[str, Any]]:
    """Return the rows of the table: volumes in mm3, by voxels in ml too."""
    found = []
    for one in figures:
        row = {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in asdict(one).items()
        }
        found.append({**row, "voxels_ml": round(one.voxels_ml, 6)})
    return found


def write_tables(folder: Path, figures: Sequence[Volumetry], notes: Sequence[str]) -> None:
    """Write `volumes.csv` and `volumes.json` (with notes on missing slices) to a folder."""
    table = rows(figures)
    write_text(folder / "volumes.csv", as_csv(table, ["volume", "structure"]))
    write_json(folder / "volumes.json", {"structures": table, "notes": list(notes)})


def write_grid(target: Path, stack: LabelStack, labels: Labels) -> None:
    """Write label maps as an int16 NIfTI volume with the axes of their volume.

    Missing slices between the first and the last are copies of the nearest one.
    """
    volume = stack.volume
    if volume is None:
        raise InputError(f"volume {stack.name!r}: has no place in space")
    sides = max(volume.shape)
    if sides > LONGEST_SIDE:
        raise InputError(f"volume {stack.name!r}: a NIfTI side has at most {LONGEST_SIDE} voxels")
    voxels = np.zeros(volume.shape, dtype=np.int16, order="F")
    apart = stack.step / stack.every
    last = round(float(stack.positions[-1]) / apart)
    for number in range(last + 1):
        nearest = int(np.abs(stack.positions - number * apart).argmin())
        put_slice(voxels, volume.axis, stack.first + number, volume.affine, labels[nearest])
    save_volume(target, voxels, volume.affine)


def write_fine_grid(
    target: Path, stack: LabelStack, structures: Sequence[Structure], per_step: int, most: int
) -> None:
    """Write structures, interpolated to `per_step` planes per step, as an int16 NIfTI volume.

    Axes are columns, rows, planes; where structures overlap, the smaller one is kept.
    Raises `InputError` for more than `most` voxels.
    """
    whole = Sections(np.zeros((0, 0, 0), np.bool_), stack.positions, stack.step, stack.pixel)
    positions = plane_positions(whole, per_step)
    height, width = stack.labels.shape[1:]
    if len(positions) * height * width > most:
        raise InputError(
            f"volume {stack.name!r}: the interpolated grid has {len(positions) * height * width} "
            f"voxels; the limit is {most}, which --max-voxels raises; or give fewer --planes"
        )
    voxels = np.zeros((width, height, len(positions)), dtype=np.int16, order="F")
    for one in sorted(structures, key=lambda one: -one.figures.voxels):
        place = np.s_[one.box[2], one.box[1]]
        for index, plane in enumerate(planes(one.framed, positions)):
            inside = (plane > 0).T
            if inside.any():
                voxels[(*place, index)][inside] = one.figures.structure
    affine = stack.affine[:, [2, 1, 0, 3]].copy()
    affine[:3, 2] /= per_step
    affine[:3, 3] += stack.affine[:3, 0] * float(positions[0]) / stack.step
    save_volume(target, voxels, affine)


def write_mesh(target: Path, mesh: Mesh, structure: int) -> None:
    """Write a measured structure's surface as PLY, STL or GLB, by the suffix of the file.

    PLY and STL are in mm of the volume (right, anterior, superior), GLB in metres as its
    specification asks.
    """
    import trimesh

    made: Any = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    if made.volume < 0:  # the volume's axes are left-handed
        made.invert()
    form = target.suffix[1:]
    if form == "glb":
        made.apply_scale(0.001)
    if form != "stl":
        made.visual.face_colors = (*rgb(_COLORS[(structure - 1) % len(_COLORS)]), 255)
    with atomic_path(target) as temporary:
        temporary.write_bytes(made.export(file_type=form))


def write_linked(target: Path, slices: SliceSet, stacks: Sequence[LabelStack]) -> None:
    """Write a COCO file with a mask for each structure on each slice, and its `structure`."""
    masks = []
    for stack in stacks:
        for record, labels in zip(stack.records, stack.labels, strict=True):
            if labels.any():
                linked = SliceMasks.from_label_map(
                    record.image_id, labels, "linked", structures=True
                )
                masks.append(linked)
    described = {record.image_id: record for stack in stacks for record in stack.records}
    records = tuple(described.get(one.image_id, one) for one in slices.records)
    if not slices.volumes:
        volumes = {stack.name: stack.volume for stack in stacks if stack.volume is not None}
        records = tuple(_placed(described[one.image_id], stacks) for one in records)
        slices = replace(slices, records=records, volumes=volumes)
    write_coco(target, slices.with_masks(masks), "structures linked across slices")


def _placed(record: Any, stacks: Sequence[LabelStack]) -> Any:
    """Return the record of a slice with its place in its stack."""
    for stack in stacks:
        for one, position in zip(stack.records, stack.positions, strict=True):
            number = position / stack.step * stack.every
            if one.image_id != record.image_id or abs(number - round(number)) > 1e-6:
                continue
            assert stack.volume is not None
            index = stack.first + round(number)
            place = slice_position(stack.volume.axis, index, stack.volume.affine)
            where = {"volume": stack.name, "index": index, "spacing": stack.pixel}
            return replace(record, **where, position=place)
    return record
