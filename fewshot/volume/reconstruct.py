"""`fewshot volume`: from masks of slices to volumes, grids, surfaces and a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.config.volume import VolumeSettings
from fewshot.errors import InputError
from fewshot.folders import filled_folder
from fewshot.masks.coco import read_coco
from fewshot.progress import progress, say, warn
from fewshot.slices.sequence import Spacing
from fewshot.volume.clean import CleanRule
from fewshot.volume.interpolate import planes_per_step
from fewshot.volume.link import LinkRule
from fewshot.volume.measure import Structure, measure
from fewshot.volume.outputs import (
    rows,
    write_fine_grid,
    write_grid,
    write_linked,
    write_mesh,
    write_tables,
)
from fewshot.volume.read_stacks import read_stacks
from fewshot.volume.readers import link_stacks, read_annotators
from fewshot.volume.stack import LabelStack

_UNUSUAL = re.compile(r"[^\w.+-]")


@dataclass(frozen=True)
class Request:
    """What to reconstruct, and how; `masks` and `annotators` are COCO or NIfTI label volumes."""

    masks: Path
    images: Path | None = None
    annotators: tuple[Path, ...] = ()
    spacing: Spacing | None = None
    settings: VolumeSettings = field(default_factory=VolumeSettings)


def reconstruct(request: Request, out: Path, overwrite: bool = False) -> dict[str, Any]:
    """Write what is requested to a folder, all or nothing; return the table and the file names.

    `volumes.csv` and `volumes.json`; NIfTI grids `NAME.nii.gz`; surfaces `meshes/NAME_ID.ply`;
    `linked.json` if structures were linked; `NAME.html`.
    """
    settings = request.settings
    stacks = read_stacks(
        request.masks, request.spacing, settings.score_threshold, settings.max_voxels
    )
    notes = [line for stack in stacks for line in stack.warnings()]
    for line in notes:
        warn(line)
    linked, stacks = link_stacks(stacks, settings.link, LinkRule(join=settings.join))
    plain = _plain_names(stacks)
    annotators = (
        read_annotators(request.annotators, stacks, request.spacing, settings.max_voxels)
        if settings.page
        else {}
    )
    with filled_folder(out, overwrite) as folder:
        found: list[Structure] = []
        for stack in stacks:
            structures = _measured(stack, settings)
            found += structures
            _write_stack(folder, plain[stack.name], stack, structures, settings)
            if settings.page:
                from fewshot.volume.page import write_page

                write_page(
                    folder / f"{plain[stack.name]}.html",
                    stack,
                    structures,
                    {who: own[stack.name] for who, own in annotators.items() if stack.name in own},
                    _images(request),
                )
        if linked and _is_coco(request.masks):
            write_linked(folder / "linked.json", read_coco(request.masks, request.images), stacks)
        figures = [one.figures for one in found]
        write_tables(folder, figures, notes)
        files = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
    table = rows(figures)
    readings = [stack.described() for stack in stacks]
    _report(readings, table, out)
    return {
        "folder": str(out),
        "read": readings,
        "structures": table,
        "notes": notes,
        "files": files,
    }


def _measured(stack: LabelStack, settings: VolumeSettings) -> list[Structure]:
    total = int(np.count_nonzero(np.bincount(stack.labels.ravel())[1:]))
    found = []
    with progress(f"measuring {stack.name}", max(total, 1)) as advance:
        rule = CleanRule(settings.keep, settings.min_mm3, settings.fill_holes, settings.smooth)
        for structure in measure(stack, rule, settings.planes):
            found.append(structure)
            advance(len(found), "")
    return found


def _write_stack(
    folder: Path,
    name: str,
    stack: LabelStack,
    structures: list[Structure],
    settings: VolumeSettings,
) -> None:
    if settings.grid == "slices":
        cleaned = np.zeros_like(stack.labels)
        for one in sorted(structures, key=lambda one: -one.figures.voxels):
            cleaned[one.box][one.sections.masks] = one.figures.structure
        write_grid(folder / f"{name}.nii.gz", stack, cleaned)
    elif settings.grid == "interpolated":
        per_step = settings.planes or planes_per_step(stack.step, stack.pixel)
        target = folder / f"{name}.nii.gz"
        write_fine_grid(target, stack, structures, per_step, settings.max_voxels)
    for one in structures:
        for form in settings.meshes if one.mesh is not None else ():
            assert one.mesh is not None
            target = folder / "meshes" / f"{name}_{one.figures.structure}.{form}"
            write_mesh(target, one.mesh, one.figures.structure)


def _plain_names(stacks: Sequence[LabelStack]) -> dict[str, str]:
    """Return a file name for each volume; `InputError` when two would have the same."""
    plain: dict[str, str] = {}
    for stack in stacks:
        name = _UNUSUAL.sub("_", stack.name).lstrip(".") or "volume"
        if name in plain.values():
            raise InputError(f"volume {stack.name!r}: another one would be {name!r} too")
        plain[stack.name] = name
    return plain


def _images(request: Request) -> Path | None:
    if not _is_coco(request.masks):
        return request.images
    return read_coco(request.masks, request.images).images


def _is_coco(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _report(readings: list[str], table: list[dict[str, Any]], out: Path) -> None:
    for line in readings:
        say(line)
    for row in table[:20]:
        mesh = "–" if row["mesh_mm3"] is None else f"{row['mesh_mm3']:.2f}"
        say(
            f"{row['volume']} {row['structure']}: {row['voxels_mm3']:.2f} mm3 by {row['voxels']} "
            f"voxels, {row['interpolated_mm3']:.2f} interpolated, {mesh} by surface"
        )
    if len(table) > 20:
        say(f"and {len(table) - 20} more structures")
    say(f"written to {out}")
