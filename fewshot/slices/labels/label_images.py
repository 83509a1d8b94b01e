"""Label images, one beside each image under the same name."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, list_images, name_a_few, read_ids
from fewshot.slices.labels.source import check_label_map
from fewshot.slices.sources.source import SliceSource, SourceSlice

_ENDS = ("_labels", "_label", "_masks", "_mask", "_seg", "_gt")


class ImageLabels:
    """PNGs or TIFFs whose grey values (or palette indices) are ids.

    The name is that of the image, which may be followed by _label, _mask, _seg or _gt; images
    without a label image are unlabelled.
    """

    form = "label images"
    structures = False

    def __init__(self, path: Path, source: SliceSource) -> None:
        files = list_images(path) if path.is_dir() else [path]
        wanted = {image_stem(item.name) for item in source.slices}
        self._files: dict[str, Path] = {}
        for file in files:
            stem = image_stem(file.name)
            short = next((stem.removesuffix(end) for end in _ENDS if stem.endswith(end)), stem)
            own = stem if stem in wanted else short
            if own in self._files:
                raise InputError(f"{file}: labels of image {own!r} are also in {self._files[own]}")
            self._files[own] = file
        strange = [file.name for stem, file in self._files.items() if stem not in wanted]
        if strange and not source.skipped:
            raise InputError(
                f"{path}: no image for {name_a_few(strange)}; name labels as their images"
            )

    def label_map(self, item: SourceSlice, height: int, width: int) -> NDArray[Any] | None:
        """Return the label image of a slice."""
        file = self._files.get(image_stem(item.name))
        return None if file is None else check_label_map(read_ids(file), height, width, str(file))
