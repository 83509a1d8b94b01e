"""Batches of a training in order, read by the main process or by workers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from fewshot.errors import FewshotError

# A loader that could not be made lacks this attribute, and would print an error when deleted.
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
        batch_size: samples per batch.
        start: the first iteration.
        stop: the iteration after the last.
        workers: number of reading processes; 0: the main process.

    Raises `FewshotError` as a sample raised it, in one line from any process; if a worker was
    killed; and if the workers' shared memory is full.
    """
    loader = DataLoader(
        _Carried(samples),
        batch_size=batch_size,
        sampler=range(start * batch_size, stop * batch_size),
        num_workers=workers,
        collate_fn=partial(_collated, collate),
        # A separate one, so that starting the loader does not change the training's random numbers.
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
                f"iteration {iteration}: a process that reads slices was killed, perhaps for lack "
                "of memory; use fewer training.workers, or 0"
            ) from error
        if isinstance(batch, FewshotError):
            raise batch
        yield batch


def _no_shared_memory(workers: int, error: Exception) -> FewshotError:
    reason = getattr(error, "strerror", None) or "it is full"
    return FewshotError(
        f"{workers} processes that read slices cannot be started or read from ({reason}): /dev/shm "
        "is full or small; make it larger, or use training.workers=0"
    )


class _Carried(Dataset[Any]):
    """Returns the errors of bad samples, to be raised in the main process.

    An error raised in a worker process would have the traceback in its message.
    """

    def __init__(self, samples: Samples[Any]) -> None:
        self._samples = samples

    def __getitem__(self, position: int) -> Any:
        try:
            return self._samples[position]
        except FewshotError as error:
            return error


def _collated(collate: Callable[[list[Any]], Any], samples: list[Any]) -> Any:
    """Return a batch, or the first error among its samples."""
    errors = (sample for sample in samples if isinstance(sample, FewshotError))
    return next(errors, None) or collate(samples)
