"""COCO files: the form in which slices and masks pass between stages."""

from fewshot.masks.coco_read import read_coco
from fewshot.masks.coco_stream import open_coco
from fewshot.masks.coco_write import write_coco, write_masks
from fewshot.masks.slice_set import SliceRecord, SliceSet, check_images
from fewshot.slices.volume import Volume

__all__ = [
    "SliceRecord",
    "SliceSet",
    "Volume",
    "check_images",
    "open_coco",
    "read_coco",
    "write_coco",
    "write_masks",
]
