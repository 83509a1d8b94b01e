"""Run outside cases in empty folders and compare with what is right (see cases.sh)."""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LONGEST = 240.0  # seconds of the clock
_CPU, _MEMORY = 2.0, 300.0  # seconds and MB that a refusal may take beyond the imports
_IMPORTS = {
    "light": "import fewshot.importing.convert, fewshot.slices.sources.dicom_pixels, cv2, nibabel",
    "networks": "import fewshot.cli.app, fewshot.pipeline.run, fewshot.models.mask_rcnn",
}


@dataclass(frozen=True)
class Answer:
    """What a command said and took."""

    code: int
    text: str  # both streams, as they came
    seconds: float  # of all processors
    megabytes: float


@dataclass
class Case:
    """One case at work: its folder, an empty folder to run in, and what was found wrong."""

    source: Path
    folder: Path
    problems: list[str] = field(default_factory=list)

    def run(self, *command: str, shell: str = "sh", timeout: float = _LONGEST) -> Answer:
        """Run a command, `fewshot` as its first word; a single text is for the shell."""
        if command[0] == "fewshot":
            command = (sys.executable, "-m", "fewshot", *command[1:])
        elif len(command) == 1:
            command = (shell, "-c", command[0])
        return measured(command, self.folder, timeout)

    def script(self) -> str:
        """Run the case's own run.sh and return what it said."""
        return self.run("sh", str(self.source / "run.sh")).text

    def make(self, name: str = "make.py") -> None:
        """Run a script of the case that makes its files."""
        self.run(sys.executable, str(self.source / name))

    def take(self, *names: str) -> None:
        """Copy files of the case into the folder."""
        for name in names:
            shutil.copy(self.source / name, self.folder / name)

    def harmless(self, answer: Answer, what: str) -> None:
        """Note a problem unless a command was refused, or done in little time and memory."""
        if answer.code:
            self.refused(answer, what)
            return
        took = answer.seconds - _imports("light")[0]
        self.check(took < _CPU, f"{what}: took {took:.1f} CPU-s beyond the imports")
        self.check(answer.megabytes < _MEMORY, f"{what}: took {answer.megabytes:.0f} MB")

    def check(self, right: object, problem: str) -> None:
        """Note a problem unless something is right."""
        if not right:
            self.problems.append(problem)

    def refused(self, answer: Answer, what: str, imports: str = "light") -> None:
        """Note what a refusal has that it should not have: lines, time, memory."""
        lines = [line for line in answer.text.splitlines() if line.strip()]
        errors = [line for line in lines if not line.startswith("warning: ")]
        seconds, megabytes = _imports(imports)
        self.check(answer.code == 2, f"{what}: exit code {answer.code}, not 2")
        self.check(len(errors) == 1, f"{what}: {len(errors)} lines, not one: {_shown(answer.text)}")
        took = answer.seconds - seconds
        self.check(took < _CPU, f"{what}: took {took:.1f} CPU-s beyond the imports")
        more = answer.megabytes - (megabytes if imports == "networks" else 0)
        self.check(more < _MEMORY, f"{what}: took {more:.0f} MB")
        self.check("Traceback" not in answer.text, f"{what}: a traceback")


# A process counts as its own what its parent held when it began: a small one stands between.
_BETWEEN = """
import json, os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], file)
"""


def measured(command: Sequence[str], folder: Path, timeout: float = _LONGEST) -> Answer:
    """Run a command in a folder and return what it said, its processor time and its memory."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as figures:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BETWEEN, figures.name, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(folder),
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        with suppress(ProcessLookupError):  # with what it left running
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        text = output.read().decode(errors="replace")
        found = figures.read()
    status, seconds, megabytes = json.loads(found) if found else (signal.SIGKILL, 0.0, 0.0)
    return Answer(os.waitstatus_to_exitcode(status), text, seconds, megabytes)


def _environment(folder: Path) -> dict[str, str]:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    own = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}",
        "PYTHON": sys.executable,
        "FEWSHOT": f"{sys.executable} -m fewshot",
        "HOME": str(home),
    }
    return {**os.environ, **own}


def _imports(kind: str) -> tuple[float, float]:
    if kind not in _known:
        with tempfile.TemporaryDirectory(prefix="fewshot-case-") as name:
            folder = Path(name) / "run"
            folder.mkdir()
            answer = measured((sys.executable, "-c", _IMPORTS[kind]), folder)
        if answer.code:
            raise SystemExit(f"cases: the imports fail: {_shown(answer.text)}")
        _known[kind] = answer.seconds, answer.megabytes
    return _known[kind]


_known: dict[str, tuple[float, float]] = {}


def _shown(text: str) -> str:
    return " | ".join(text.strip().splitlines())[-300:]


def _state(folder: Path, without: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file below a folder but for one."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_relative_to(without) or path.is_relative_to(folder / "home"):
            continue
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


def try_case(source: Path, judge: Callable[[Case], None]) -> list[str]:
    """Run one case in an empty folder beside copies of its neighbours; return what is wrong."""
    with tempfile.TemporaryDirectory(prefix="fewshot-case-") as name:
        root = Path(name).resolve()
        for one in source.parent.iterdir():
            if source.parent.name == "hostile":
                shutil.copytree(one, root / one.name)
        folder = root / "run"
        folder.mkdir()
        case = Case(source, folder)
        before = _state(root, folder)
        try:
            judge(case)
        except Exception as error:
            case.problems.append(f"{type(error).__name__}: {error}")
        changed = before.items() ^ _state(root, folder).items()
        case.check(not changed, f"changed outside: {sorted({name for name, _ in changed})[:3]}")
        return case.problems


def main() -> int:
    """Run the chosen cases."""
    from cases_expected import EXPECTED

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("only", nargs="*", help="beginnings of names")
    chosen = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    failed = 0
    folders = [*sorted(chosen.cases.glob("[0-9]*")), *sorted((chosen.cases / "hostile").glob("*"))]
    for source in (one.resolve() for one in folders if one.is_dir()):
        name = source.relative_to(chosen.cases.resolve()).as_posix()
        wanted = [name.startswith(one) or source.name.startswith(one) for one in chosen.only]
        if chosen.only and not any(wanted):
            continue
        judge = EXPECTED.get(name)
        problems = ["nothing says what is right"] if judge is None else try_case(source, judge)
        failed += bool(problems)
        told = "PASS" if not problems else "FAIL"
        print(f"{told} {name}", *(f"     {one}" for one in problems), sep="\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
