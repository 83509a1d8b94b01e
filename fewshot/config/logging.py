"""Settings of training logs; no result depends on them."""

import socket
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from fewshot.config.base import Settings
from fewshot.errors import InputError
from fewshot.progress import say

_PORTS = {"http": 80, "https": 443}
_PATIENCE = 5.0  # seconds


def _without_password(address: str | None) -> str | None:
    """Refuse an address with a password, since settings are written to files and reports."""
    parts = urlsplit(address or "")
    if "@" in parts.netloc or (parts.scheme and (parts.query or parts.fragment)):
        raise ValueError(
            "contains a name, a password or a query, which would be written to the run's files; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN "
            "in the environment instead"
        )
    return address


class LoggingSettings(Settings):
    """Training logs: TensorBoard in the run directory, and MLflow if a server is given."""

    tensorboard: bool = True
    """Whether to write TensorBoard logs to `tensorboard/` in the run directory."""
    images: Annotated[int, Field(ge=0, le=32)] = 4
    """Number of validation slices to draw at each evaluation."""
    mlflow: Annotated[str | None, AfterValidator(_without_password)] = None
    """Tracking URI of an MLflow server, such as http://localhost:5000, without a password."""


def check_mlflow(settings: LoggingSettings) -> None:
    """Report where MLflow logs go; `InputError` if it is not installed or nothing answers there."""
    if settings.mlflow is None:
        return
    if find_spec("mlflow") is None:
        raise InputError(
            "logging.mlflow: MLflow is not installed; pip install 'fewshot[mlflow]', or leave the "
            "setting out"
        )
    say(f"logging.mlflow: losses, settings and names of folders go to {settings.mlflow}")
    parts = urlsplit(settings.mlflow)
    if parts.scheme in _PORTS and parts.hostname:
        try:
            place = (parts.hostname, parts.port or _PORTS[parts.scheme])
            socket.create_connection(place, timeout=_PATIENCE).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"logging.mlflow: {settings.mlflow}: nothing answers there "
                f"({getattr(error, 'strerror', None) or error}); give the address of a running "
                "MLflow server, or leave the setting out"
            ) from error
