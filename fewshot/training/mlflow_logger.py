"""Training logs in MLflow: one run per model, in the experiment `fewshot`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from fewshot.errors import FewshotError
from fewshot.progress import warn

EXPERIMENT = "fewshot"
_FOLDER_TAG = "fewshot.folder"
_BATCH = 200  # values that are sent together


class MlflowLogger:
    """Sends scalars to an MLflow tracking server.

    A resumed training continues its MLflow run. If the server fails later, logging stops with a
    warning and the training continues.
    """

    def __init__(
        self,
        uri: str,
        folder: Path,
        iterations: int,
        parameters: Mapping[str, str | int | float],
        start: int,
    ) -> None:
        """`folder` is that of the model's other logs; its name is the model's.

        Raises `FewshotError` if the server cannot be reached.
        """
        self._pending: list[Metric] = []
        self._done, self._iterations = start, iterations
        try:
            self._client: MlflowClient | None = MlflowClient(tracking_uri=uri)
            self._run = _run_of(self._client, folder.resolve(), start)
            params = [Param(name, str(value)) for name, value in parameters.items()]
            self._client.log_batch(self._run, params=params)
        except Exception as error:  # its stores raise all kinds
            raise FewshotError(
                f"logging.mlflow: {uri}: cannot be used ({_reason(error)}); give the address of a "
                "running MLflow server, or leave the setting out"
            ) from error

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log values by readable name."""
        self._done = max(self._done, iteration)
        now = int(time.time() * 1000)
        self._pending += [Metric(name, value, now, iteration) for name, value in values.items()]
        if len(self._pending) >= _BATCH:
            self._send()

    def pictures(self, iteration: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Send pending values; pictures are only for TensorBoard."""
        self._send()

    def close(self) -> None:
        """Send what is still pending and end the run."""
        self._send()
        finished = self._done >= self._iterations
        status = RunStatus.to_string(RunStatus.FINISHED if finished else RunStatus.KILLED)
        self._try(lambda client: client.set_terminated(self._run, status))

    def _send(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            self._try(lambda client: client.log_batch(self._run, metrics=pending))

    def _try(self, action: Callable[[MlflowClient], object]) -> None:
        if self._client is None:
            return
        try:
            action(self._client)
        except Exception as error:  # a lost connection must not cost the training
            warn(f"MLflow no longer answers; logging to it stops: {_reason(error)}")
            self._client = None


def _run_of(client: MlflowClient, folder: Path, start: int) -> str:
    """Return the id of a training's MLflow run: the existing one if it resumes, else a new one."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = (
        client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
    )
    if start:
        left = client.search_runs([number], f"tags.`{_FOLDER_TAG}` = '{folder}'", max_results=1)
        if left:
            number_of_run = str(left[0].info.run_id)
            client.update_run(number_of_run, status=RunStatus.to_string(RunStatus.RUNNING))
            return number_of_run
    name = f"{folder.parent.parent.name}/{folder.name}"
    run = client.create_run(number, tags={_FOLDER_TAG: str(folder)}, run_name=name)
    return str(run.info.run_id)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
