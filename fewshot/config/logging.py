"""Settings of the loggers that trainings write to; no result depends on them."""

from importlib.util import find_spec
from typing import Annotated

from pydantic import Field

from fewshot.config.base import Settings
from fewshot.errors import InputError


class LoggingSettings(Settings):
    """Logs of trainings: TensorBoard in the run directory, and MLflow where a server is named."""

    tensorboard: bool = True
    """Whether trainings write TensorBoard logs, to `tensorboard/` in the run directory."""
    images: Annotated[int, Field(ge=0, le=32)] = 4
    """How many validation slices are drawn at each evaluation."""
    mlflow: str | None = None
    """Tracking URI of an MLflow server, such as http://localhost:5000."""


def check_mlflow(settings: LoggingSettings) -> None:
    """Raise `InputError` when MLflow is asked for but not installed."""
    if settings.mlflow is not None and find_spec("mlflow") is None:
        raise InputError(
            "logging.mlflow: MLflow is not installed; pip install 'fewshot[mlflow]', or leave it "
            "out"
        )
