"""Batches of a training in order, read by the training's own process or by others beside it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from fewshot.errors import FewshotError

# One that could not be made has no such attribute of its own, and says so when it is deleted.
_MultiProcessingDataLoaderIter._shutdown = True

_Sample = TypeVar("_Sample", covariant=True)
_Batch = TypeVar("_Batch")


class Samples(Protocol[_Sample]):
    """An endless sequence of training samples, addressed by position from 0."""

    def __getitem__(self, position: int, /) -> _Sample: ...


def batches_of(
    samples: Samples[_Sample],
    collate: Callable[[list[_Sample]], _Batch],
    batch_size: int,
    start: int,
    stop: int,
    workers: int,
) -> Iterator[_Batch]:
    """Yield the batches of iterations `start` to `stop`, in order.

    Args:
        samples: addressed by position from 0; iteration i has `batch_size` of them from
            i · `batch_size`.
        collate: makes a batch of samples.
        batch_size: samples a batch.
        start: the first iteration.
        stop: the one after the last.
        workers: how many processes read; 0 reads here.

    Raises `FewshotError` as a sample raised it, in one line wherever that was; when a process that
    reads was killed; and when the shared memory that such processes answer through is full.
    """
    loader = DataLoader(
        _Carried(samples),
        batch_size=batch_size,
        sampler=range(start * batch_size, stop * batch_size),
        num_workers=workers,
        collate_fn=partial(_collated, collate),
        # Its own, so that starting the loader leaves the training's random numbers alone.
        generator=torch.Generator(),
    )
    try:
        batches = iter(loader)
    except OSError as error:
        raise _no_shared_memory(workers, error) from None  # the iterator would stay half-made
    for iteration in range(start, stop):
        try:
            batch = next(batches)
        except OSError as error:
            raise _no_shared_memory(workers, error) from error
        except RuntimeError as error:
            if "unable to write to file" in str(error) or "shared memory" in str(error):
                raise _no_shared_memory(workers, error) from error
            if "DataLoader worker" not in str(error):
                raise
            raise FewshotError(
                f"iteration {iteration}: a process that reads slices was killed, perhaps for want "
                "of memory; use fewer workers, or none (0)"
            ) from error
        if isinstance(batch, FewshotError):
            raise batch
        yield batch


def _no_shared_memory(workers: int, error: Exception) -> FewshotError:
    reason = getattr(error, "strerror", None) or "it is full"
    return FewshotError(
        f"{workers} processes that read slices cannot be started or heard ({reason}): /dev/shm is "
        "full or small; make it larger, or read in this process (detector.workers=0)"
    )


class _Carried(Dataset[Any]):
    """Samples of which a wrong one is the error about it, to be raised where it reads as one line.

    A worker process that raises adds its whole traceback to the message.
    """

    def __init__(self, samples: Samples[Any]) -> None:
        self._samples = samples

    def __getitem__(self, position: int) -> Any:
        try:
            return self._samples[position]
        except FewshotError as error:
            return error


def _collated(collate: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
    """Return a batch; or, where a sample is an error, the first."""
    errors = (sample for sample in samples if isinstance(sample, FewshotError))
    return next(errors, None) or collate(samples)
