"""Settings of volumes made of stacks of slices, and of their agreement."""

from typing import Annotated, Literal

from pydantic import Field

from fewshot.config.base import Count, Fraction, Settings

MeshForm = Literal["ply", "stl", "glb"]
Grid = Literal["slices", "interpolated", "none"]
Link = Literal["auto", "always", "never"]
MAX_VOXELS = 1 << 30


class StackSettings(Settings):
    """How masks of slices are stacked."""

    score_threshold: Fraction = 0.0
    """Score below which masks are left out."""
    link: Link = "auto"
    """Find which masks belong to one structure; auto: unless the file says so."""
    max_voxels: Count = MAX_VOXELS
    """Refuse larger stacks: a file can claim any size."""


class VolumeSettings(StackSettings):
    """How structures are linked, cleaned, measured and written."""

    join: Link = "auto"
    """Join regions that merge on another slice into one structure; auto: as in the data."""
    planes: Annotated[int, Field(ge=1, le=32)] | None = None
    """Interpolated planes per slice; by default as many as make isotropic voxels."""
    keep: Literal["all", "largest"] = "all"
    """Keep all parts of a structure, or only the largest."""
    min_mm3: Annotated[float, Field(ge=0)] = 0.0
    """Volume below which parts are left out."""
    fill_holes: bool = False
    """Fill enclosed cavities."""
    smooth: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Standard deviation, in mm, of a volume-preserving smoothing."""
    mesh: Annotated[tuple[Literal["ply", "stl", "glb", "none"], ...], Field(min_length=1)] = (
        "ply",
    )
    """File format of surfaces; may be repeated."""
    grid: Grid = "slices"
    """NIfTI grid to write."""
    page: bool = True
    """Write an HTML page with a 3D view and the slices."""

    @property
    def meshes(self) -> tuple[MeshForm, ...]:
        """The formats of surfaces, without repetition; empty if `none` is among them."""
        forms = tuple(dict.fromkeys(one for one in self.mesh if one != "none"))
        return () if "none" in self.mesh else forms


class AgreementSettings(StackSettings):
    """Comparison of a model's volumes with those of annotators."""

    model_seconds: Annotated[float, Field(ge=0)] | None = None
    """Time that the model took for all slices."""
    annotation_seconds: Annotated[float, Field(ge=0)] | None = None
    """Time that an annotator took for all slices."""
