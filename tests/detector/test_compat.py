"""What is missing for Detectron2 is put in its place, and what is there is left alone.

Each case runs in a Python of its own: what has been imported, and patched, is its subject.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fewshot

ROOT = Path(fewshot.__file__).resolve().parents[1]
APPLY = "import sys; from fewshot.detector import compat; compat.apply()"


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A folder with a Detectron2 that has its compiled part."""
    package = tmp_path / "detectron2"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = 'compiled'\n")
    (package / "_C.py").write_text("def nms_rotated(): return 'the real one'\n")
    return tmp_path


@pytest.fixture
def python_only(tmp_path: Path) -> Path:
    """A folder with a Detectron2 that lacks its compiled part."""
    package = tmp_path / "detectron2"
    package.mkdir()
    (package / "__init__.py").write_text("")
    return tmp_path


def python(*lines: str, path: Path | None = None) -> None:
    """Run lines in a fresh Python, in which packages under `path` come first."""
    folders = [*([str(path)] if path else []), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "before",
    [
        # Whether it was imported before or not.
        "",
        "import detectron2",
        "import detectron2._C",
    ],
)
def test_a_compiled_build_keeps_its_own_operators(before: str, compiled: Path) -> None:
    python(
        before,
        APPLY,
        "assert compat.has_compiled_part()",
        "from detectron2 import _C",
        "assert _C.nms_rotated() == 'the real one'",
        path=compiled,
    )


@pytest.mark.parametrize("operator", ["nms_rotated", "deform_conv_forward", "COCOevalAccumulate"])
def test_a_missing_operator_says_which_and_what_to_do(operator: str, python_only: Path) -> None:
    python(
        APPLY,
        "from fewshot.errors import FewshotError",
        "assert not compat.has_compiled_part()",
        # Detectron2 imports it when it is loaded and calls it when it is needed.
        "from detectron2 import _C",
        f"from detectron2._C import {operator} as operator",
        f"assert operator.__class__ is _C.{operator}.__class__",
        "try:",
        "    operator(1, boxes=2)",
        "except compat.CompiledOperatorMissingError as error:",
        f"    assert 'detectron2._C.{operator}: ' in str(error)",
        "    assert 'build' in str(error) and '\\n' not in str(error)",
        "    assert isinstance(error, FewshotError)",
        "else:",
        "    raise AssertionError('no error')",
        path=python_only,
    )


def test_the_stub_passes_for_a_module(python_only: Path) -> None:
    python(
        APPLY,
        "import inspect",
        "from detectron2 import _C",
        "assert inspect.ismodule(_C) and inspect.getfile(_C)",
        # Python and its tools ask modules for names like these and expect none.
        "assert not hasattr(_C, '__path__') and not hasattr(_C, '__wrapped__')",
        path=python_only,
    )


@pytest.mark.parametrize("part", ["compiled", "python_only"])
def test_again_changes_nothing(part: str, request: pytest.FixtureRequest) -> None:
    python(
        APPLY,
        "import warnings",
        "import numpy",
        "from PIL import Image",
        "def state():",
        "    patched = (Image.LINEAR, numpy.bool, numpy.int, numpy.float, numpy.object)",
        "    return [*patched, sys.modules.get('detectron2._C'), list(warnings.filters)]",
        "before = state()",
        "compat.apply()",
        "assert state() == before",
        path=request.getfixturevalue(part),
    )


def test_names_that_are_there_are_kept(compiled: Path) -> None:
    python(
        "import numpy",
        "from PIL import Image",
        "Image.LINEAR, numpy.int, numpy.object, kept = 'linear', 'int', 'object', numpy.bool",
        APPLY,
        "assert (Image.LINEAR, numpy.int, numpy.object) == ('linear', 'int', 'object')",
        "assert numpy.bool is kept",
        path=compiled,
    )


def test_names_that_are_gone_come_back(compiled: Path) -> None:
    python(
        "import numpy",
        "from PIL import Image",
        "vars(Image).pop('LINEAR', None)",
        "for name in ('bool', 'int', 'float', 'object'): vars(numpy).pop(name, None)",
        APPLY,
        "assert Image.LINEAR == Image.BILINEAR",
        "named = (numpy.bool, numpy.int, numpy.float, numpy.object)",
        "assert named == (bool, int, float, object)",
        path=compiled,
    )


def test_without_detectron2_nothing_stands_in_for_it() -> None:
    python(
        "import sys",
        "sys.modules['detectron2'] = None  # as if it were not installed",
        APPLY,
        "assert not compat.has_compiled_part()",
        "assert 'detectron2._C' not in sys.modules",
    )


def test_compat_alone_is_light(python_only: Path) -> None:
    # `fewshot doctor` asks it on machines where torch or Detectron2 is broken.
    (python_only / "detectron2" / "__init__.py").write_text("raise ImportError('broken')")
    python(APPLY, "assert not {'torch', 'detectron2'} & set(sys.modules)", path=python_only)


def test_the_installed_detectron2_imports_without_a_word() -> None:
    python(
        "import fewshot.detector",
        "import detectron2.layers",
        "from detectron2 import model_zoo",
        "assert model_zoo.get_config_file('COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml')",
    )
