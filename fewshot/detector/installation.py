"""Installing Detectron2 0.6 without a compiler: what `fewshot setup` does.

Detectron2 is not on PyPI under its own name. Its source release 0.6 is, as `pb1-detectron2`, with
the Python files of the upstream tag but without the C++ sources, so a plain `pip install` of it
fails. Mask R-CNN needs only the Python files: that release is downloaded, its SHA-256 verified, the
Python files and the model zoo's configurations are packed into a wheel named `detectron2`, and that
is installed. A Detectron2 that can already be imported, such as a compiled upstream build, is left
alone.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from fewshot.errors import FewshotError
from fewshot.progress import say

VERSION = "0.6"
RELEASE = "pb1-detectron2"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"

# Where upstream's setup.py installs each folder of its source tree.
PACKAGES = {
    "detectron2": "detectron2",
    "projects/PointRend/point_rend": "detectron2/projects/point_rend",
    "projects/DeepLab/deeplab": "detectron2/projects/deeplab",
    "projects/Panoptic-DeepLab/panoptic_deeplab": "detectron2/projects/panoptic_deeplab",
}
MODEL_ZOO = "detectron2/model_zoo/configs"

# What the Python files import; upstream also lists stale pins (black, future, pydot) that they
# do without. model_zoo imports pkg_resources, which setuptools dropped in 81.
REQUIREMENTS = (
    "Pillow>=7.1",
    "cloudpickle",
    "fvcore<0.1.6,>=0.1.5",
    "hydra-core>=1.1",
    "iopath<0.1.11,>=0.1.7",
    "matplotlib",
    "numpy",
    "omegaconf>=2.1",
    "pycocotools>=2.0.2",
    "setuptools<81",
    "tabulate",
    "tensorboard",
    "termcolor>=1.1",
    "torch>=1.8",
    "torchvision",
    "tqdm>4.29.0",
    "yacs>=0.1.8",
)


class InstallError(FewshotError):
    """The release could not be downloaded, is not the expected one, or could not be installed."""


def installed_build() -> str | None:
    """Describe the Detectron2 that this interpreter would import, or return None without one."""
    spec = importlib.util.find_spec("detectron2")
    if spec is None or spec.origin is None:
        return None
    try:
        version = importlib.metadata.version("detectron2")
    except importlib.metadata.PackageNotFoundError:
        version = "of unknown version"
    return f"detectron2 {version} in {Path(spec.origin).parent}"


def download(folder: Path, release: str = f"{RELEASE}=={VERSION}", sha256: str = SHA256) -> Path:
    """Download the source release into `folder` with pip, thus from the user's own index.

    pip reads a source release's requirements by running its setup.py. In hash-checking mode it
    compares the SHA-256 before that, so nothing but the pinned release ever runs.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{release} --hash=sha256:{sha256}\n")
    _pip(
        *("download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"),
        *("--dest", str(folder), "--require-hashes", "--requirement", str(requirements)),
        failure=f"{release}: pip could not download the source release (its message is above); "
        "pip 26.3 and later refuse it over an optional dependency that is not installed here: use "
        "an older pip, or download the release yourself and name it with --from",
    )
    return next(folder.glob("*.tar.gz"))


def check_digest(archive: Path, expected: str | None = None) -> None:
    """Raise InstallError unless the SHA-256 of the file is the expected one, the release's."""
    expected = expected or SHA256
    if not archive.is_file():
        raise InstallError(f"{archive}: no such file")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != expected:
        raise InstallError(
            f"{archive}: SHA-256 is {found}, expected {expected}; "
            f"download the source release of {RELEASE} {VERSION} again"
        )


def build_wheel(archive: Path, folder: Path) -> Path:
    """Pack the Python part of a Detectron2 source archive into a wheel in `folder`.

    The archive is never unpacked: its files are read in place, renamed as upstream's setup.py
    would and written to the wheel in sorted order with a fixed date, so equal archives give equal
    wheels. Raises InstallError when a member would land outside the archive's folder, is neither
    a file nor a folder, or when a needed part is missing.
    """
    files = _select(_read_members(archive), archive)
    info = f"detectron2-{VERSION}.dist-info"
    files[f"{info}/METADATA"] = _metadata().encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: fewshot\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{name},{_record_digest(content)},{len(content)}" for name, content in files.items()]
    record.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()

    wheel = folder / f"detectron2-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as target:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return wheel


def install(source: Path | None = None) -> str:
    """Install Detectron2 into the running interpreter; return a description of what is there now.

    Args:
        source: the source release as a `.tar.gz`, or its folder, for offline machines; by default
            the release is downloaded from the user's package index.

    Raises:
        InstallError: it could not be downloaded, is not the expected release, or pip failed.
    """
    build = installed_build()
    if build is not None:
        say(f"Detectron2: keeping {build}")
        return build
    with tempfile.TemporaryDirectory(prefix="detectron2-") as scratch:
        folder = Path(scratch)
        archive = download(folder) if source is None else _found(source)
        check_digest(archive)
        _install_wheel(build_wheel(archive, folder))
    importlib.invalidate_caches()
    build = installed_build()
    if build is None:
        raise InstallError("Detectron2: was installed, but cannot be found; see fewshot doctor")
    say(f"Detectron2: installed {build}")
    return build


def _found(source: Path) -> Path:
    """Return the release in a folder, or the file itself."""
    if not source.is_dir():
        return source
    name = f"{RELEASE}-{VERSION}.tar.gz"
    for candidate in (name, name.replace("-", "_", 1)):
        if (source / candidate).is_file():
            return source / candidate
    raise InstallError(f"{source}: contains no {name}; pip download --no-deps {RELEASE} gets it")


def _install_wheel(wheel: Path) -> None:
    """Install a pure-Python wheel with pip; where there is no pip (uv) unpack it."""
    if importlib.util.find_spec("pip") is not None:
        _pip("install", "--no-deps", str(wheel), failure=f"{wheel.name}: pip could not install it")
        return
    try:
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(sysconfig.get_path("purelib"))
    except OSError as error:
        raise InstallError(f"{error.filename}: cannot be written ({error.strerror})") from error


def _read_members(archive: Path) -> dict[str, bytes]:
    """Return the files of the archive by their path below its single top folder."""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as source:
            for member in source:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or "\\" in member.name:
                    raise InstallError(f"{archive}: {member.name} points outside the archive")
                if member.isdir():
                    continue
                content = source.extractfile(member) if member.isfile() else None
                if content is None:
                    raise InstallError(f"{archive}: {member.name} is neither a file nor a folder")
                members[str(PurePosixPath(*path.parts[1:]))] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InstallError(f"{archive}: not a readable .tar.gz ({error})") from error
    return members


def _select(members: dict[str, bytes], archive: Path) -> dict[str, bytes]:
    """Return the wheel's files, by their path in the wheel and in sorted order."""
    files: dict[str, bytes] = {}
    for source, package in PACKAGES.items():
        found = {
            package + name.removeprefix(source): content
            for name, content in members.items()
            if name.startswith(f"{source}/")
            and (name.endswith(".py") or name.startswith(f"{MODEL_ZOO}/"))
        }
        if f"{package}/__init__.py" not in found:
            raise InstallError(f"{archive}: {source}/__init__.py is missing")
        files |= found
    if not any(name.startswith(f"{MODEL_ZOO}/") for name in files):
        raise InstallError(f"{archive}: {MODEL_ZOO} is missing")
    if "LICENSE" not in members:
        raise InstallError(f"{archive}: LICENSE is missing")
    files[f"detectron2-{VERSION}.dist-info/LICENSE"] = members["LICENSE"]
    return dict(sorted(files.items()))


def _metadata() -> str:
    lines = [
        "Metadata-Version: 2.1",
        "Name: detectron2",
        f"Version: {VERSION}",
        "Summary: Detectron2, the Python part of its source release, without compiled operators",
        "Home-page: https://github.com/facebookresearch/detectron2",
        "Author: FAIR",
        "License: Apache-2.0",
        "License-File: LICENSE",
        "Requires-Python: >=3.7",
        *(f"Requires-Dist: {requirement}" for requirement in REQUIREMENTS),
    ]
    return "\n".join(lines) + "\n"


def _record_digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.decode().rstrip("=")


def _pip(*arguments: str, failure: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise InstallError(failure)
