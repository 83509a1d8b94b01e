"""A review session: soft labels, their pictures, and the decisions so far."""

import io
import threading
from pathlib import Path
from typing import Any

from PIL import Image

from fewshot.config.names import REVIEW
from fewshot.drawing.contours import outline
from fewshot.errors import InputError
from fewshot.lock import REVIEW_LOCK, locked
from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.masks.rle import decode
from fewshot.radiologists.review import (
    VERDICTS,
    Decision,
    Verdict,
    mask_key,
    read_review,
    write_review,
)
from fewshot.run.layout import RunPaths
from fewshot.run.names import ANNOTATIONS
from fewshot.slices.images import read_image

SIDE = 768
"""The longer side of a slice's picture, in pixels."""

_PATIENCE = 10.0  # seconds for which a decision waits for others, of a second server


class ReviewSession:
    """Soft labels to be reviewed. Each decision is on disk before the request is answered.

    >>> import tempfile
    >>> import numpy as np
    >>> from fewshot.masks.predicted import SliceMasks
    >>> masks = SliceMasks.from_label_map(0, np.array([[1, 0], [0, 2]]), "fine")
    >>> soft = SliceSet(Path("images"), (SliceRecord(0, "0.png", 2, 2),), {0: masks})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     session = ReviewSession(soft, Path(folder, "review.json"))
    ...     keys = session.overview()["slices"][0]["masks"]
    ...     list(session.decide(keys[1], "reject").values())
    ['reject']
    """

    def __init__(self, soft: SliceSet, review: Path) -> None:
        """Read existing decisions; only slices with masks are shown.

        Raises `InputError` if there is nothing to review, or if `review` is another file.
        """
        self._soft = soft
        self.review = review
        self._records = [one for one in soft.records if len(soft.masks_of(one.image_id))]
        if not self._records:
            raise InputError("review: there are no soft labels; make some first")
        self._keys = {
            record.image_id: [mask_key(record, rle) for rle in soft.masks_of(record.image_id).rles]
            for record in self._records
        }
        self._known = {
            key: (record.file_name, source)
            for record in self._records
            for key, source in zip(
                self._keys[record.image_id], soft.masks_of(record.image_id).sources, strict=True
            )
        }
        self._lock = threading.Lock()
        self._moments: dict[str, int] = {}
        self._stored()

    def overview(self) -> dict[str, Any]:
        """Return the slices with the keys of their masks, and all decisions by key."""
        return {
            "slices": [
                {"id": record.image_id, "name": record.file_name, "masks": keys}
                for record in self._records
                for keys in [self._keys[record.image_id]]
            ],
            "decisions": self.decisions(),
        }

    def decisions(self) -> dict[str, str]:
        """Return key → verdict of the masks of this session."""
        return {key: one.verdict for key, one in self._stored().items() if key in self._known}

    def slice(self, image_id: int) -> dict[str, Any] | None:
        """Return a slice's masks with contours, scores and sources; None for an unknown slice."""
        record = self._record(image_id)
        if record is None:
            return None
        masks = self._soft.masks_of(image_id)
        width, height = _size(record)
        return {
            "id": image_id,
            "name": record.file_name,
            "group": record.group,
            "width": width,
            "height": height,
            "masks": [
                {
                    "key": key,
                    "path": outline(decode(rle), (width, height)),
                    "score": round(float(score), 3),
                    "source": source,
                    "pixels": int(area),
                }
                for key, rle, score, source, area in zip(
                    self._keys[image_id],
                    masks.rles,
                    masks.scores,
                    masks.sources,
                    masks.areas(),
                    strict=True,
                )
            ],
        }

    def picture(self, image_id: int) -> bytes | None:
        """Return a slice as PNG, enlarged for the screen; None for an unknown slice."""
        record = self._record(image_id)
        if record is None:
            return None
        image = Image.fromarray(read_image(self._soft.path_of(record)))
        buffer = io.BytesIO()
        image.resize(_size(record), Image.Resampling.BICUBIC).save(buffer, format="PNG")
        return buffer.getvalue()

    def decide(self, key: str, verdict: str | None, moment: int = 0) -> dict[str, str]:
        """Save a decision, or undo it (None); return all decisions.

        A decision made earlier than the last saved one on this mask is dropped, since requests may
        arrive out of order.

        Raises `InputError` for an unknown mask or verdict.
        """
        if key not in self._known:
            raise InputError(f"mask {key}: is not among the soft labels")
        if verdict is not None and verdict not in VERDICTS:
            raise InputError(f"{verdict!r}: is not a decision; give accept, reject or delete")
        folder = self.review.parent
        with self._lock, locked(folder, self.review, REVIEW_LOCK, patience=_PATIENCE):
            # Read anew, so that a second window, or a second server, of the same run loses nothing.
            decisions = self._stored()
            if moment >= self._moments.get(key, 0):
                self._moments[key] = moment
                decisions.pop(key, None)
                if verdict is not None:
                    said: Verdict = next(one for one in VERDICTS if one == verdict)
                    decisions[key] = Decision(said, *self._known[key])
                write_review(self.review, decisions)
            return {one: kept.verdict for one, kept in decisions.items() if one in self._known}

    def _stored(self) -> dict[str, Decision]:
        return read_review(self.review) if self.review.exists() else {}

    def _record(self, image_id: int) -> SliceRecord | None:
        return next((one for one in self._records if one.image_id == image_id), None)


def open_session(place: Path) -> ReviewSession:
    """Return the session of a run directory, or of an `annotations.json` of soft labels.

    In a run, the soft labels that the final model is trained on are reviewed: the refined ones, if
    any. The review is `review.json` in the run directory, or next to the file.
    """
    if not place.exists():
        raise InputError(f"{place}: no such run directory or file of soft labels")
    if not place.is_dir():
        return ReviewSession(read_coco(place), place.with_name(REVIEW))
    paths = RunPaths(place)
    found = [path for path in (paths.refined_soft_labels, paths.soft_labels) if path.is_file()]
    if not found:
        raise InputError(f"{place}: contains no soft labels (no soft_labels/{ANNOTATIONS})")
    return ReviewSession(read_coco(found[0]), paths.review)


def _size(record: SliceRecord) -> tuple[int, int]:
    scale = SIDE / max(record.height, record.width)
    return max(1, round(record.width * scale)), max(1, round(record.height * scale))
