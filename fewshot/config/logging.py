"""Settings of the loggers that trainings write to; no result depends on them."""

from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from fewshot.config.base import Settings
from fewshot.errors import InputError


def _without_password(address: str | None) -> str | None:
    """Refuse an address with a password in it: settings are written to files and reports."""
    parts = urlsplit(address or "")
    if "@" in parts.netloc or (parts.scheme and (parts.query or parts.fragment)):
        raise ValueError(
            "has a name, a password or a query in it, which would be written to the run's files; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN "
            "in the environment instead"
        )
    return address


class LoggingSettings(Settings):
    """Logs of trainings: TensorBoard in the run directory, and MLflow where a server is named."""

    tensorboard: bool = True
    """Whether trainings write TensorBoard logs, to `tensorboard/` in the run directory."""
    images: Annotated[int, Field(ge=0, le=32)] = 4
    """How many validation slices are drawn at each evaluation."""
    mlflow: Annotated[str | None, AfterValidator(_without_password)] = None
    """Tracking URI of an MLflow server, such as http://localhost:5000; without a password."""


def check_mlflow(settings: LoggingSettings) -> None:
    """Raise `InputError` when MLflow is asked for but not installed."""
    if settings.mlflow is not None and find_spec("mlflow") is None:
        raise InputError(
            "logging.mlflow: MLflow is not installed; pip install 'fewshot[mlflow]', or leave it "
            "out"
        )
