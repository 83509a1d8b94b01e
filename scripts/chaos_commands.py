"""Kill every command that writes a folder before each of its changes to the disk; give it again.

    .venv/bin/python scripts/chaos_commands.py            # all of them, a minute
    .venv/bin/python scripts/chaos_commands.py --command convert

A change is whatever Python's audit events tell of: a file opened for writing, a rename, a removal,
a folder made. After each kill the folder must hold what it held before or all that is new, and the
same command must end as if nothing had happened, with nothing left beside it. Exit code 1 when not.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.folders import RECORD
from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.images import write_image
from fewshot.slices.volume import Volume

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}
_MOST = 2000  # changes that a miniature makes at most

Command = Callable[[Path, bool], object]


def killed_at(point: int, work: Callable[[], object]) -> bool:
    """Do work in a forked process that dies before its change number `point`; whether it died.

    Raises `RuntimeError` when the work fails by itself.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"the work failed by itself, before change {point}: {code}")
        return code != 0
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _die_at(point)
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _die_at(point: int) -> None:
    left = iter(range(point, -1, -1))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        written = event == "open" and isinstance(arguments[2], int) and _writes(arguments)
        if (written or event in _CHANGES) and next(left, 1) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and path != os.devnull


def contents(folder: Path) -> dict[str, bytes]:
    """Return all that lies below a folder, hidden or not, but for the record of it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
        if path.name != RECORD
    }


def first_fault(command: Command, work: Path, overwrite: bool) -> str:
    """Kill a command at every change that it makes in `work/out`; return what went wrong, or ""."""
    with _inside(work):
        out = Path("out")
        command(out, False)
        whole = contents(out)
        for point in range(_MOST):
            shutil.rmtree(out)
            if overwrite:
                command(out, False)
            died = killed_at(point, lambda: command(out, overwrite))
            half = contents(out) if out.exists() else {}
            if half not in ({}, whole):
                return f"killed before change {point}: half a result: {sorted(half)[:3]}"
            command(out, True)
            if contents(out) != whole:
                return f"killed before change {point}: given again, it made something else"
            beside = sorted(path.name for path in Path().glob("*out*"))
            if beside != ["out"]:
                return f"killed before change {point}: left {beside}"
            if not died:
                return "" if point > 5 else f"only {point} changes were seen"
    return "it never ended"


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Within it `folder` is the working directory."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def commands(work: Path) -> dict[str, Command]:
    """Return miniatures of the commands that write a folder, and make what they read in `work`."""
    from fewshot.cli import data, export
    from fewshot.config.volume import VolumeSettings
    from fewshot.volume.reconstruct import Request, reconstruct

    labels = np.zeros((3, 24, 24), np.uint8)
    labels[:, 4:12, 6:14] = 1
    labels[:2, 14:20, 4:10] = 2
    records, masks = [], []
    for number, label_map in enumerate(labels):
        write_image(work / "X" / f"{number}.png", label_map * 100)
        name, position = f"{number}.png", 2.0 * number
        records.append(
            SliceRecord(
                number,
                name,
                24,
                24,
                group="p",
                volume="v",
                index=number,
                spacing=(1.0, 1.0),
                position=position,
            )
        )
        masks.append(SliceMasks.from_label_map(number, label_map, structures=True))
    np.save(work / "stack.npy", labels.astype(np.uint16) * 1000)
    affine = tuple(tuple(map(float, row)) for row in np.diag([1, 1, 2, 1]))
    volumes = {"v": Volume((24, 24, 3), 2, affine, "v.nii.gz")}
    truth = SliceSet(work / "X", tuple(records), {}, volumes).with_masks(masks)
    write_coco(work / "masks.json", truth, "labels")
    file = work / "masks.json"
    request = Request(
        masks=file, images=None, annotators=(), spacing=None, settings=VolumeSettings()
    )
    return {
        "phantom": lambda out, over: data.phantom(out, 64, 4, 1, 1, overwrite=over),
        "convert": lambda out, over: data.convert(
            images=work / "stack.npy", out=out, overwrite=over
        ),
        "export": lambda out, over: export.export(
            masks=file, form="label-png", out=out, overwrite=over
        ),
        "volume": lambda out, over: reconstruct(request, out, over),
    }


def main() -> int:
    """Try every command, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--command", action="append", help="only this one; may be repeated")
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="fewshot-chaos-") as folder:
        for name, command in commands(Path(folder) / "input").items():
            if chosen.command and name not in chosen.command:
                continue
            for overwrite in (False, True):
                fault = first_fault(command, Path(folder) / f"{name}-{overwrite}", overwrite)
                bad += bool(fault)
                how = "over an old one" if overwrite else "anew"
                print(f"| {name:10} | {how:15} | {fault or 'equal'} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
