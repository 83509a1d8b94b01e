"""Label images, named like the images they belong to."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fewshot.slices.images import list_images, read_ids, read_values
from fewshot.slices.label_names import label_files, match_names, refuse_strange, slice_names
from fewshot.slices.labels.check import PLAIN, LabelRules, check_label_map
from fewshot.slices.sources.source import SliceSource, SourceSlice


class ImageLabels:
    """PNGs or TIFFs whose grey values (or palette indices) are ids.

    `fewshot.slices.label_names` matches them with the images; several for one image are several
    structures. Images without a label image are unlabelled.
    """

    form = "label images"
    structures = False

    def __init__(self, path: Path, source: SliceSource, rules: LabelRules = PLAIN) -> None:
        self._rules = rules
        listed = list_images(path) if path.is_dir() else [path]
        files = {one.name: one for one in label_files(path, source, listed)}
        wanted = slice_names(source, rules.renamed)
        found = match_names(wanted, files)
        if len(files) == len(source.slices) == 1 and not path.is_dir():
            found = dict.fromkeys(files, source.slices[0].name)
        refuse_strange(path, files, found, wanted, bool(source.skipped))
        self._files: dict[str, list[Path]] = defaultdict(list)
        for name, image in found.items():
            self._files[image].append(files[name])

    def label_maps(self, item: SourceSlice, height: int, width: int) -> Sequence[NDArray[Any]]:
        """Return the label images of a slice."""
        read = read_ids if self._rules.threshold is None else read_values
        return [
            check_label_map(read(file), height, width, str(file), self._rules)
            for file in self._files.get(item.name, ())
        ]
