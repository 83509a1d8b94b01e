"""fewshot from Python: run everything, load what was trained, segment slices, score label maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

if TYPE_CHECKING:
    from fewshot.config.tree import RunSettings
    from fewshot.metrics.scores import Scores
    from fewshot.pipeline.segmenter import Segmenter

PathLike: TypeAlias = str | Path
LabelMaps: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]


def run(
    *,
    out: PathLike,
    images: PathLike | None = None,
    labels: PathLike | None = None,
    test_images: PathLike | None = None,
    settings: "PathLike | Mapping[str, Any] | RunSettings | None" = None,
    resume: bool = False,
) -> "Segmenter":
    """Run the whole pipeline, and return the final model, ready to predict.

    Args:
        out: the run directory, which holds the scores, the report and the models afterwards.
        images: folder of training slices; `data.train_images` of the settings.
        labels: their labels; `data.train_labels` of the settings.
        test_images: folder of test slices; `data.test_images` of the settings.
        settings: a YAML file, a tree of settings, or settings that were read before.
        resume: whether to go on with a run in `out`; otherwise `out` must be empty or absent.

    Raises:
        InputError: settings, data or directory are wrong.
        FewshotError: the work failed, or another process is working in the directory.
    """
    from fewshot.pipeline.run import run as run_pipeline
    from fewshot.pipeline.segmenter import Segmenter

    given = {"train_images": images, "train_labels": labels, "test_images": test_images}
    found = _settings(settings, {key: Path(one) for key, one in given.items() if one is not None})
    folder = Path(out).resolve()
    run_pipeline(found, folder, "resume" if resume else "new")
    return Segmenter.load(folder, found.device)


def load(path: PathLike, device: str = "auto") -> "Segmenter":
    """Load a finished run or a model folder, to predict on `cpu`, `cuda` or `auto`.

    Raises `InputError` when there is neither, or the run is not finished.
    """
    from fewshot.pipeline.segmenter import Segmenter

    return Segmenter.load(Path(path), device)


def score(truth: PathLike | LabelMaps, prediction: PathLike | LabelMaps) -> "Scores":
    """Return every metric of predicted label maps, as `fewshot score` does.

    Args:
        truth: a label CSV; or label maps: (height, width), (slices, height, width) or a list.
        prediction: the same, for the same slices.

    Raises `InputError` when the two are not of the same slices.

    >>> truth = np.array([[1, 1, 0], [0, 2, 2]])
    >>> score(truth, truth).mean("ari_all")
    1.0
    """
    from fewshot.metrics.scores import Scores
    from fewshot.metrics.slice_metrics import score_label_maps
    from fewshot.submission.scoring import score_submission

    if isinstance(truth, str | Path) and isinstance(prediction, str | Path):
        return score_submission(Path(truth), Path(prediction)).scores
    if isinstance(truth, str | Path) or isinstance(prediction, str | Path):
        raise InputError("score: give two label CSVs, or label maps of both")
    true_maps, maps = _slices(truth), _slices(prediction)
    if len(true_maps) != len(maps):
        raise InputError(f"score: {len(maps)} predicted label maps for {len(true_maps)} true ones")
    pairs = enumerate(zip(true_maps, maps, strict=True))
    return Scores.of({str(place): score_label_maps(*pair) for place, pair in pairs})


def _settings(given: Any, data: Mapping[str, Path]) -> "RunSettings":
    from fewshot.config.load import parse_settings, read_tree
    from fewshot.config.tree import RunSettings

    if isinstance(given, RunSettings):
        if not data:
            return given
        given = given.model_dump(mode="json")
    tree = dict(read_tree(Path(given)) if isinstance(given, str | Path) else given or {})
    if data:
        tree["data"] = {**(tree.get("data") or {}), **{key: str(one) for key, one in data.items()}}
    return parse_settings(tree)


def _slices(maps: LabelMaps) -> list[NDArray[Any]]:
    single = isinstance(maps, np.ndarray) and maps.ndim == 2
    return [np.asarray(one) for one in ([maps] if single else maps)]
