"""`fewshot doctor`: what it says here, and on a machine where something is missing."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

Call = Callable[..., tuple[int, str, str]]

# A module that is None among the loaded ones is, to everybody, not installed.
DOCTOR_WITHOUT = """
import sys
sys.modules[{module!r}] = None
from fewshot.cli.app import main
sys.argv = ["fewshot", "doctor", *{options}]
main()
"""


def doctor_without(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    code = DOCTOR_WITHOUT.format(module=module, options=list(options))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_doctor_reports_what_it_looked_at(fewshot: Call) -> None:
    code, out, err = fewshot("doctor", "--json")
    assert err == ""
    assert len(out.splitlines()) == 1
    report = json.loads(out)
    assert set(report) == {"healthy", "checks"}
    assert {"python", "torch", "detectron2", "device", "memory", "disk"} <= set(report["checks"])
    assert any(name.startswith("weights ") for name in report["checks"])
    for name, check in report["checks"].items():
        assert set(check) == {"name", "fine", "needed", "found", "mend"}
        assert check["name"] == name
        assert check["found"]
        assert check["fine"] or check["mend"]
    assert "compiled" in report["checks"]["detectron2"]["found"] or (
        "Python part" in report["checks"]["detectron2"]["found"]
    )
    missing = [check for check in report["checks"].values() if check["needed"] > check["fine"]]
    assert report["healthy"] is not bool(missing)
    assert code == bool(missing)


def test_doctor_for_people(fewshot: Call) -> None:
    code, out, err = fewshot("doctor")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "ready"


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("detectron2", "detectron2"),
        # Detectron2 is there but cannot be imported.
        ("torch", "torch"),
        ("fvcore", "detectron2"),
        ("PIL", "pillow"),
        ("numpy", "numpy"),
    ],
)
def test_doctor_says_what_fixes_a_missing_package(module: str, missing: str) -> None:
    done = doctor_without(module)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"MISSING  {missing}"))
    mend = "fewshot setup" if module == "detectron2" else "pip install fewshot again"
    assert f"to fix: {mend}" in lines[at + 1]
    assert "cannot work" in lines[-1]


def test_doctor_as_json_without_detectron2() -> None:
    done = doctor_without("detectron2", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert report["healthy"] is False
    detectron2 = report["checks"]["detectron2"]
    assert (detectron2["fine"], detectron2["found"]) == (False, "not installed")
    assert detectron2["mend"] == "fewshot setup"


def test_a_missing_extra_is_named_and_harmless() -> None:
    done = doctor_without("nibabel", "--json")
    volume = json.loads(done.stdout)["checks"]["extra volume"]
    assert (volume["fine"], volume["needed"]) == (False, False)
    assert volume["mend"] == "pip install 'fewshot[volume]'"
