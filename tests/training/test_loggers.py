"""What TensorBoard and MLflow are told, read back by their own readers."""

import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.config.logging import LoggingSettings, check_mlflow
from fewshot.errors import FewshotError, InputError
from fewshot.masks.coco import SliceSet
from fewshot.training.job import TrainingJob
from fewshot.training.loggers import Loggers, open_loggers, readable_name
from fewshot.training.loop import train
from fewshot.training.tensorboard_logger import TensorBoardLogger
from tests.training.conftest import ITERATIONS, KINDS, stop_at, task_of

MakeJob = Callable[..., TrainingJob]


def steps(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def store(uri: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a local MLflow store, as good as a server for its client."""
    pytest.importorskip("mlflow", reason="the extra fewshot[mlflow] is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return uri.as_uri()


def tell(loggers: Loggers, first: int, last: int) -> None:
    """Log a loss of every iteration, and two values that nobody wants to see."""
    for done in range(first + 1, last + 1):
        line = {"iteration": done - 1, "total_loss": 1 / done, "rpn/num_pos_anchors": 3, "iou": 0.5}
        loggers.scalars(done, line)


@pytest.mark.parametrize("kind", KINDS)
def test_trainings_of_every_kind_are_logged_and_go_on_in_their_logs(
    kind: str, make_job: MakeJob, tmp_path: Path
) -> None:
    logs = tmp_path / "tensorboard" / kind
    job = make_job(kind, logging=LoggingSettings(images=1), logs=logs)
    with pytest.raises(KeyboardInterrupt):
        train(task_of(job), tmp_path / "out", stop_at(3))
    train(task_of(job), tmp_path / "out")
    assert [step for step, _ in steps(logs, "loss/total")] == list(range(1, ITERATIONS + 1))
    assert [step for step, _ in steps(logs, "learning_rate")] == list(range(1, ITERATIONS + 1))
    score = {"sam": "validation/dice"}.get(kind, "validation/AP")
    assert [step for step, _ in steps(logs, score)] == [3, 4]
    events = EventAccumulator(str(logs))
    events.Reload()
    assert events.Tags()["images"] == ([] if kind == "sam" else ["validation/2.png"])


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("total_loss", "loss/total"),
        ("loss_rpn_cls", "loss/proposal_class"),
        ("loss_dice", "loss/dice"),
        ("lr", "learning_rate"),
        ("validation/ap50", "validation/AP50"),
        ("validation/dice", "validation/dice"),
        ("epoch/iou", "epoch/iou"),
        ("iteration", None),
        ("rpn/num_pos_anchors", None),
    ],
)
def test_values_have_readable_names(key: str, name: str | None) -> None:
    assert readable_name(key) == name


def test_a_continued_training_supersedes_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, 0)
    for iteration in range(1, 6):
        logger.scalars(iteration, {"loss/total": 1.0})
    logger.close()
    logger = TensorBoardLogger(tmp_path, 3)
    for iteration in range(4, 8):
        logger.scalars(iteration, {"loss/total": 2.0})
    logger.close()
    assert steps(tmp_path, "loss/total") == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2)]


def test_a_training_that_starts_anew_removes_old_logs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for value in (1.0, 2.0):
        logger = TensorBoardLogger(tmp_path, 0)
        logger.scalars(1, {"loss/total": value})
        logger.close()
    assert steps(tmp_path, "loss/total") == [(1, 2)]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_pictures_show_truth_beside_prediction(
    make_job: MakeJob, tmp_path: Path, miniature: SliceSet
) -> None:
    job = make_job("mask_rcnn", logging=LoggingSettings(images=2), logs=tmp_path / "final")
    loggers = open_loggers(job, 0)
    loggers.pictures(miniature, {0: miniature.masks_of(0)}, 2)
    loggers.close()
    events = EventAccumulator(str(tmp_path / "final"), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["validation/0.png", "validation/5.png"]
    (shown,) = events.Images("validation/0.png")
    assert (shown.step, shown.width, shown.height) == (2, 512, 256)


def test_without_anything_wanted_nothing_is_written(make_job: MakeJob, tmp_path: Path) -> None:
    settings = LoggingSettings(tensorboard=False)
    tell(open_loggers(make_job("sam", logging=settings, logs=tmp_path / "final"), 0), 0, 2)
    tell(open_loggers(make_job("sam"), 0), 0, 2)
    assert list(tmp_path.iterdir()) == []


def test_mlflow_gets_one_run_a_model_and_goes_on_with_it(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = store(tmp_path / "mlruns", monkeypatch)
    from mlflow.tracking import MlflowClient

    job = make_job(
        "semantic",
        logging=LoggingSettings(tensorboard=False, mlflow=uri),
        logs=tmp_path / "abdomen" / "tensorboard" / "final",
        seed=3,
    )
    loggers = open_loggers(job, 0)
    tell(loggers, 0, 3)
    loggers.close()
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("fewshot")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("abdomen/final", "KILLED")
    loggers = open_loggers(job, 2)
    tell(loggers, 2, ITERATIONS)
    loggers.close()
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "architecture": "unet tu-mobilenetv3_small_050",
        "batch_size": "2",
        "iterations": str(ITERATIONS),
        "labelled_share": "1.0",
        "learning_rate": "0.001",
        "seed": "3",
    }
    assert set(run.data.metrics) == {"loss/total"}
    history = client.get_metric_history(run.info.run_id, "loss/total")
    assert {metric.step for metric in history} == {1, 2, 3, 4}
    assert np.isclose(run.data.metrics["loss/total"], 1 / ITERATIONS)


def test_an_mlflow_server_that_is_not_there_is_refused_in_one_line(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, monkeypatch)
    settings = LoggingSettings(tensorboard=False, mlflow="nonsense://nowhere")
    job = make_job("sam", logging=settings, logs=tmp_path / "final")
    words = r"logging.mlflow: nonsense://nowhere: cannot be used \(.*\)"
    with pytest.raises(FewshotError, match=words):
        open_loggers(job, 0)


def test_mlflow_that_is_not_installed_is_said_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fewshot.config.logging.find_spec", lambda _name: None)
    check_mlflow(LoggingSettings())
    with pytest.raises(InputError, match=r"pip install 'fewshot\[mlflow\]'"):
        check_mlflow(LoggingSettings(mlflow="http://localhost:5000"))


def test_logs_that_cannot_be_written_do_not_stop_a_training(
    make_job: MakeJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    job = make_job("sam", logging=LoggingSettings(), logs=tmp_path / "tensorboard" / "final")
    loggers = open_loggers(job, 0)
    tell(loggers, 0, 2)
    loggers.close()
    assert "TensorBoard logs cannot be written" in capfd.readouterr().err.replace("\n", " ")


def test_an_mlflow_server_is_asked_for_before_anything_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("mlflow", reason="the extra fewshot[mlflow] is not installed")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        check_mlflow(LoggingSettings(mlflow=address))
        assert f"settings and names of folders go to {address}" in capsys.readouterr().err
    with pytest.raises(
        InputError, match=rf"{address}: nothing answers there \(Connection refused\)"
    ):
        check_mlflow(LoggingSettings(mlflow=address))
