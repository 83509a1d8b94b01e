import hashlib
import importlib.util
import io
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import fewshot
from fewshot.detector import installation as installer

FILES = {
    "LICENSE": "Apache License",
    "setup.py": "raise SystemExit('setup.py must never run')",
    "tools/train_net.py": "",
    "detectron2/__init__.py": "__version__ = '0.6'",
    "detectron2/config/__init__.py": "",
    "detectron2/layers/csrc/vision.cpp": "",
    "detectron2/model_zoo/__init__.py": "",
    "detectron2/model_zoo/configs/Base-RCNN-FPN.yaml": "MODEL: {}",
    "detectron2/model_zoo/configs/common/train.py": "train = {}",
    "detectron2/projects/__init__.py": "",
    "projects/PointRend/point_rend/__init__.py": "point_rend = 1",
    "projects/DeepLab/deeplab/__init__.py": "",
    "projects/Panoptic-DeepLab/panoptic_deeplab/__init__.py": "",
}


def make_archive(path: Path, files: dict[str, str], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"pb1-detectron2-0.6/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        for member in extra:
            archive.addfile(member)
    return path


def make_link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.SYMTYPE
    member.linkname = target
    return member


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "release.tar.gz", FILES)


def test_wheel_holds_the_python_files_and_the_model_zoo(archive: Path, tmp_path: Path) -> None:
    wheel = installer.build_wheel(archive, tmp_path)

    with zipfile.ZipFile(wheel) as opened:
        contents = {name: opened.read(name).decode() for name in opened.namelist()}
    assert wheel.name == "detectron2-0.6-py3-none-any.whl"
    assert {name for name in contents if not name.startswith("detectron2-0.6.dist-info/")} == {
        "detectron2/__init__.py",
        "detectron2/config/__init__.py",
        "detectron2/model_zoo/__init__.py",
        "detectron2/model_zoo/configs/Base-RCNN-FPN.yaml",
        "detectron2/model_zoo/configs/common/train.py",
        "detectron2/projects/__init__.py",
        "detectron2/projects/deeplab/__init__.py",
        "detectron2/projects/panoptic_deeplab/__init__.py",
        "detectron2/projects/point_rend/__init__.py",
    }
    assert contents["detectron2/projects/point_rend/__init__.py"] == "point_rend = 1"
    assert contents["detectron2-0.6.dist-info/LICENSE"] == "Apache License"


def test_wheel_metadata_names_only_what_is_needed(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(installer.build_wheel(archive, tmp_path)) as opened:
        metadata = Parser().parsestr(opened.read("detectron2-0.6.dist-info/METADATA").decode())

    requirements = {str(Requirement(line)) for line in metadata.get_all("Requires-Dist", [])}
    names = {Requirement(line).name for line in requirements}
    assert (metadata["Name"], metadata["Version"]) == ("detectron2", "0.6")
    assert "setuptools<81" in requirements
    assert {"torch", "fvcore", "iopath", "pycocotools"} <= names
    assert not {"black", "future", "pydot"} & names


def test_equal_archives_give_equal_wheels(archive: Path, tmp_path: Path) -> None:
    first = installer.build_wheel(archive, tmp_path).read_bytes()
    again = make_archive(tmp_path / "again.tar.gz", dict(reversed(FILES.items())))
    assert installer.build_wheel(again, tmp_path).read_bytes() == first


def test_pip_installs_the_wheel_and_it_imports(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = installer.build_wheel(archive, tmp_path)
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True
    )

    monkeypatch.setenv("PYTHONPATH", str(target))
    code = [sys.executable, "-c", "import detectron2; print(detectron2.__file__)"]
    shown = subprocess.run(code, check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == str(target / "detectron2" / "__init__.py")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tarfile.TarInfo("pb1/detectron2/../../evil.py"), "points outside"),
        (tarfile.TarInfo("/detectron2/evil.py"), "points outside"),
        (tarfile.TarInfo("pb1/detectron2\\..\\..\\evil.py"), "points outside"),
        (make_link("pb1/detectron2/evil.py", "/etc/passwd"), "neither a file nor a folder"),
    ],
)
def test_members_outside_the_archive_are_refused(
    member: tarfile.TarInfo, message: str, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path / "release.tar.gz", FILES, member)
    with pytest.raises(installer.InstallError, match=message):
        installer.build_wheel(archive, tmp_path)
    assert not list(tmp_path.glob("*.whl"))


@pytest.mark.parametrize(
    "missing",
    [
        "LICENSE",
        "detectron2/__init__.py",
        "projects/DeepLab/deeplab/__init__.py",
        "detectron2/model_zoo/configs",
    ],
)
def test_an_incomplete_archive_is_refused(missing: str, tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if not name.startswith(missing)}
    archive = make_archive(tmp_path / "release.tar.gz", files)
    with pytest.raises(installer.InstallError, match=f"{missing}.* is missing"):
        installer.build_wheel(archive, tmp_path)


def test_a_truncated_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(installer.InstallError, match=r"not a readable \.tar\.gz"):
        installer.build_wheel(archive, tmp_path)


def test_the_digest_decides(archive: Path) -> None:
    installer.check_digest(archive, hashlib.sha256(archive.read_bytes()).hexdigest())
    with pytest.raises(installer.InstallError, match=f"expected {installer.SHA256}"):
        installer.check_digest(archive)


def test_another_archive_is_refused_before_anything_is_installed(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "installed_build", lambda: None)
    monkeypatch.setattr(installer, "_install_wheel", lambda _wheel: pytest.fail("installed"))
    with pytest.raises(installer.InstallError, match="SHA-256 is"):
        installer.install(archive)


@pytest.mark.parametrize("name", ["pb1-detectron2-0.6.tar.gz", "pb1_detectron2-0.6.tar.gz"])
def test_a_folder_serves_without_network(
    name: str, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, site = tmp_path / "downloads", tmp_path / "site"
    folder.mkdir()
    archive.rename(folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    builds = iter([None, "detectron2 0.6"])
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(installer, "SHA256", digest)
    monkeypatch.setattr(installer, "installed_build", lambda: next(builds))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda module: None if module == "pip" else find_spec(module)
    )
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(site))
    assert installer.install(folder) == "detectron2 0.6"
    assert (site / "detectron2" / "__init__.py").read_text() == FILES["detectron2/__init__.py"]


def test_an_empty_folder_says_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "installed_build", lambda: None)
    with pytest.raises(installer.InstallError, match=r"contains no pb1-detectron2-0\.6\.tar\.gz"):
        installer.install(tmp_path)


def test_an_importable_build_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Path
) -> None:
    package = tmp_path / "site" / "detectron2"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{Path(fewshot.__file__).parent.parent}")
    command = [sys.executable, "-m", "fewshot", "setup", "--from", str(archive), "--json"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"in {package}" in result.stdout
    assert not list(package.parent.glob("*.dist-info"))
