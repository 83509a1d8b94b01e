"""What a file or folder contains, in words for error messages."""

from collections import Counter
from pathlib import Path

# The first bytes of files of other kinds, and what they are.
_BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the file: git lfs pull fetches it"),
    (b"GIF8", "a GIF"),
    (b"\x89PNG", "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzipped"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"NRRD", "an NRRD volume"),
    (b"SIMPLE  =", "a FITS image"),
    (b"%PDF", "a PDF"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
)
_MOST_FILES = 20_000
# The first elements of DICOM files that lack the preamble: little-endian tags (0002,0000),
# (0002,0001), (0008,0000), (0008,0005), (0008,0008), (0008,0012), (0008,0016), (0008,0018).
_FIRST_TAGS = tuple(
    bytes([group, 0, element, 0])
    for group, elements in ((2, (0, 1)), (8, (0, 1, 5, 8, 0x12, 0x16, 0x18)))
    for element in elements
)


def is_hidden(path: Path, below: Path | None = None) -> bool:
    """Return whether a file is a hidden or system file: `.name`, `__MACOSX/…`.

    With `below`, the folders between it and the file count too.
    """
    parts = path.relative_to(below).parts if below is not None else (path.name,)
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def begins_as_dicom(path: Path) -> bool:
    """Return whether a file starts like DICOM, with the preamble or, if old, without."""
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    if start[128:] == b"DICM":
        return True
    # After the tag comes a VR of two letters, or a length whose upper bytes are zero.
    return start[:4] in _FIRST_TAGS and (start[4:6].isalpha() or start[6:8] == b"\0\0")


def what_file(path: Path) -> str:
    """Return what a file is by its first bytes, or `""`."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return ""
    if not start:
        return "empty"
    if start[8:12] == b"WEBP":
        return "a WebP"
    if start[4:8] == b"ftyp":
        return "a HEIC or AVIF picture, or a film"
    for beginning, name in _BEGINNINGS:
        if start.lstrip(b"\xef\xbb\xbf \r\n").startswith(beginning):
            return name
    return "DICOM" if begins_as_dicom(path) else ""


def what_is_there(path: Path) -> str:
    """Return what a file or folder is, for a message: `is JSON`, `holds 3 .nrrd`."""
    if path.is_dir():
        return _what_folder(path)
    return (
        f"is {what_file(path) or (f'a {path.suffix} file' if path.suffix else 'of no known form')}"
    )


def _what_folder(path: Path) -> str:
    """Return what lies in a folder: `holds 2 sub-folders with 12 .png; 3 .nrrd`."""
    here: Counter[str] = Counter()
    below: Counter[str] = Counter()
    folders: set[Path] = set()
    for count, one in enumerate(sorted(path.rglob("*"))):
        if count == _MOST_FILES:
            break
        if is_hidden(one, path) or not one.is_file():
            continue
        kind = "".join(one.suffixes[-2:]).lower() if one.suffix == ".gz" else one.suffix.lower()
        if one.parent == path:
            here[kind or "files without suffix"] += 1
        else:
            below[kind or "files without suffix"] += 1
            folders.add(one.parent)
    parts = [_counted(here)] if here else []
    if below:
        name = "1 sub-folder" if len(folders) == 1 else f"{len(folders)} sub-folders"
        parts.insert(0, f"{name} with {_counted(below)}")
    return f"holds {'; '.join(parts)}" if parts else "is empty"


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(4))
