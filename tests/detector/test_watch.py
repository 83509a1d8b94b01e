"""What TensorBoard and MLflow are told, read back by their own readers."""

from pathlib import Path

import numpy as np
import pytest
from detectron2.utils.events import EventStorage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.config.logging import LoggingSettings, check_mlflow
from fewshot.detector.watch import Watch, Watchers, open_watchers
from fewshot.detector.watch_tensorboard import TensorBoardWatcher
from fewshot.errors import InputError
from fewshot.masks.coco import SliceSet


def steps(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def store(uri: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a local MLflow store, as good as a server for its client."""
    pytest.importorskip("mlflow", reason="the extra fewshot[mlflow] is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return uri.as_uri()


def tell(watchers: Watchers, first: int, last: int) -> None:
    """Pass on a loss for every iteration, and two scalars that nobody wants to see."""
    with EventStorage(first) as storage:
        for iteration in range(first, last):
            storage.iter = iteration
            storage.put_scalar("total_loss", 1 / (1 + iteration), smoothing_hint=False)
            storage.put_scalar("data_time", 0.1, smoothing_hint=False)
            storage.put_scalar("rpn/num_pos_anchors", 3, smoothing_hint=False)
            watchers.write()


def test_a_continued_training_supersedes_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    watcher = TensorBoardWatcher(tmp_path, 0)
    for iteration in range(1, 6):
        watcher.scalars(iteration, {"loss/total": 1.0})
    watcher.close()
    watcher = TensorBoardWatcher(tmp_path, 3)
    for iteration in range(4, 8):
        watcher.scalars(iteration, {"loss/total": 2.0})
    watcher.close()
    assert steps(tmp_path, "loss/total") == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2)]


def test_a_training_that_starts_anew_removes_old_logs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for value in (1.0, 2.0):
        watcher = TensorBoardWatcher(tmp_path, 0)
        watcher.scalars(1, {"loss/total": value})
        watcher.close()
    assert steps(tmp_path, "loss/total") == [(1, 2)]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_pictures_show_truth_beside_prediction(tmp_path: Path, miniature: SliceSet) -> None:
    settings = LoggingSettings(images=2)
    watchers = open_watchers(Watch(settings, tmp_path / "final", 2, {}), 0)
    sure = {0: miniature.masks_of(0)}
    watchers.look(miniature, sure, iteration=1)
    watchers.close()
    events = EventAccumulator(str(tmp_path / "final"), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["validation/0.png", "validation/5.png"]
    (shown,) = events.Images("validation/0.png")
    assert (shown.step, shown.width, shown.height) == (2, 512, 256)


def test_without_anything_to_watch_nothing_is_written(tmp_path: Path) -> None:
    settings = LoggingSettings(tensorboard=False)
    tell(open_watchers(Watch(settings, tmp_path / "final", 2, {}), 0), 0, 2)
    assert list(tmp_path.iterdir()) == []


def test_mlflow_gets_one_run_a_model_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = store(tmp_path / "mlruns", monkeypatch)
    from mlflow.tracking import MlflowClient

    settings = LoggingSettings(tensorboard=False, mlflow=uri)
    watch = Watch(settings, tmp_path / "abdomen" / "tensorboard" / "final", 6, {"seed": 3})
    watchers = open_watchers(watch, 0)
    tell(watchers, 0, 4)
    watchers.close()
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("fewshot")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("abdomen/final", "KILLED")
    watchers = open_watchers(watch, 3)
    tell(watchers, 3, 6)
    watchers.close()
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "3"}
    assert set(run.data.metrics) == {"loss/total"}
    history = client.get_metric_history(run.info.run_id, "loss/total")
    assert {metric.step for metric in history} == {1, 2, 3, 4, 5, 6}
    assert np.isclose(run.data.metrics["loss/total"], 1 / 6)


def test_an_mlflow_server_that_is_not_there_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, monkeypatch)
    settings = LoggingSettings(tensorboard=False, mlflow="nonsense://nowhere")
    with pytest.raises(
        InputError, match=r"logging.mlflow: nonsense://nowhere: cannot be used \(.*\)"
    ):
        open_watchers(Watch(settings, tmp_path / "final", 2, {}), 0)


def test_mlflow_that_is_not_installed_is_said_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fewshot.config.logging.find_spec", lambda _name: None)
    check_mlflow(LoggingSettings())
    with pytest.raises(InputError, match=r"pip install 'fewshot\[mlflow\]'"):
        check_mlflow(LoggingSettings(mlflow="http://localhost:5000"))


def test_logs_that_cannot_be_written_do_not_stop_a_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    watchers = open_watchers(Watch(LoggingSettings(), tmp_path / "tensorboard" / "final", 2, {}), 0)
    tell(watchers, 0, 2)
    watchers.close()
    assert "TensorBoard logs cannot be written" in capfd.readouterr().err.replace("\n", " ")
