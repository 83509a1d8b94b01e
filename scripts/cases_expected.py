"""What is right for each outside case, as its README says."""

import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import Case

_MM3 = re.compile(r" ([\d.]+) mm3 by \d+ voxels, ([\d.]+) interpolated, ([\d.]+) by surface")
_READ = "data: 4 test slices"


def _volumes(case: Case, text: str, *right: float, surface: float = 0.005) -> None:
    """Check the volumes that were said: of voxels and interpolated, and of surfaces roughly."""
    found = [tuple(map(float, one)) for one in _MM3.findall(text)]
    case.check(len(found) == len(right), f"{len(found)} volumes, not {len(right)}")
    for (voxels, between, surfaces), wanted in zip(found, right, strict=False):
        for name, value, share in (
            ("voxels", voxels, 0.001),
            ("interpolated", between, 0.001),
            ("surface", surfaces, surface),
        ):
            off = abs(value / wanted - 1)
            case.check(off <= share, f"{name}: {value} mm3, right is {wanted}")


def _parts(text: str, ends: str = r"exit \d+|rc \d+") -> list[str]:
    """Return what was said up to each line that tells an exit code, with that line."""
    return [one[0] for one in re.finditer(rf"(?s).*?^(?:{ends})$", text, re.M)]


def _named(text: str) -> dict[str, str]:
    """Return what was said under each heading `== NAME`."""
    pieces = re.split(r"^== (.+)\n", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=False))


def _lists(text: str) -> list[list[str]]:
    return [re.findall(r"'([^']+)'", one) for one in re.findall(r"\[[^\]]*\]", text)]


def _gantry_tilt(case: Case) -> None:
    _volumes(case, case.script(), 18126.16, 4698.46)


def _groups(case: Case) -> None:
    text = case.script()
    first, _, rest = text.partition("\nvalidation [")
    train, validation = _lists(first)[-1], _lists(f"[{rest}")[0]
    case.check(not set(train) & set(validation), "a group is in training and in validation")
    patients = {*train, *validation}
    case.check(len(patients) == 4, f"{len(patients)} patients, not 4")
    case.check("a table of other images: exit 2" in text, "a table of other images is taken")


def _orientation_noise(case: Case) -> None:
    # The labels that the case makes have the names of a series that was split in two.
    case.make()
    convert = ("fewshot", "convert", "--images", "ct", "--test", "--out")
    case.run(*convert, "names")
    pictures = sorted((case.folder / "names" / "images").iterdir())
    for label, picture in zip(sorted((case.folder / "labels").iterdir()), pictures, strict=True):
        label.rename(case.folder / "labels" / f"{picture.stem}_label.png")
    text = case.run(*convert, "data", "--labels", "labels", "--structures").text
    case.check("volumes: 1," in text, "the series is not one volume")
    measured = ("--out", "v", "--no-page", "--mesh", "none")
    text = case.run("fewshot", "volume", "--masks", "data/test.json", *measured).text
    _volumes(case, text, 20000)


def _exif(case: Case) -> None:
    from fewshot.masks.coco import read_coco
    from fewshot.masks.rle import decode
    from fewshot.slices.images import read_image

    text = case.script()
    if "exit 2" in text:
        case.check("EXIF" in text or "orientation" in text, "refused without naming the tag")
        return
    slices = read_coco(case.folder / "o/test.json")
    for record in slices.records:
        mask = decode(slices.masks_of(record.image_id).rles[0])
        grey = read_image(slices.path_of(record))[mask].mean()
        case.check(grey > 150, f"grey {grey:.0f} under the mask of {record.file_name}")


def _two_kinds(case: Case) -> None:
    for part, kind in zip(_parts(case.script()), ("preview", "nii"), strict=True):
        named = re.search(r"(?m)^(error|warning): .*(DICOM|\.dcm)", part)
        case.check(named, f"with {kind}: the DICOM files are not spoken of")


def _masks_beside(case: Case) -> None:
    first, second = _parts(case.script())
    if "exit 0" in first:
        case.check("6 slices" in first, "the masks count as slices")
        case.check("1 to 71" not in first, "pictures are their own labels")
    case.check("exit 0" in second, "two masks of a picture cannot be given")
    case.check("1 to 2 structures" in second, "two masks are not two structures")


def _steps(case: Case) -> None:
    text = case.script()
    _volumes(case, text, 20000, 100000, 10000)
    case.check(re.search(r"steps? of 5", text), "the step of 5 is not said")


def _modalities(case: Case) -> None:
    text = case.script()
    case.check("channel" in text, "channels are not spoken of")
    if "validation" in text and "unlabelled" in text.rpartition("validation")[2]:
        lists = _lists(text.rpartition("validation")[2])
        validation, unlabelled = ({re.sub(r"_\d{4}$", "", name) for name in one} for one in lists)
        case.check(not validation & unlabelled, "heads of validation are among the unlabelled")
        case.check(validation, "no slice is for validation")


def _loses_volume(case: Case) -> None:
    parts = _parts(case.script(), r"exit \d+")
    for name, part in zip(("missing", "rounding", "jitter", "duplicate"), parts, strict=True):
        kept = "volumes: 1" in part
        said = re.search(r"(?m)^warning: .*\d", part)
        case.check(kept or said, f"{name}: no volume, and not why")
    case.check("volumes: 1" in parts[1], "rounding: pixel sizes that differ by 7e-7 are no volume")
    case.check(list(case.folder.glob("e_rounding/*.nii.gz")), "rounding: no NIfTI is written")


def _windows(case: Case) -> None:
    text = case.script()
    said = re.search(r"(error|warning): .*windows", text)
    tissue = [int(one) for one in re.findall(r"\d+", text.strip().splitlines()[-1])]
    case.check(said or len(set(tissue)) == 1, f"equal values are shown as {tissue}, without a word")


def _bad_annotation(case: Case) -> None:
    text = case.script()
    for name, part in _named(text).items():
        case.check(_READ in part, f"{name} is not read with --skip-bad: {part.strip()[:100]}")
    areas = re.search(r"zero_area: \[(.*)\]", text)
    case.check(areas and "0" not in areas[1].split(", "), "an outline of no area is a structure")


def _local_paths(case: Case) -> None:
    for name, part in _named(case.script()).items():
        case.check(_READ in part, f"{name} is not read: {part.strip()[:100]}")


def _numbers_as_text(case: Case) -> None:
    text = case.script()
    for name, part in _named(text).items():
        plain = Path(name).stem in (
            *("text_ids", "float_sizes", "float_crowd", "null_crowd", "null_score"),
            *("null_bbox", "empty_bbox", "bom", "zero_bbox", "xyxy_bbox"),
        )
        one_line = re.search(r"(?m)^error: .+$", part) and len(part.split("\n== ")[0]) < 1000
        case.check(_READ in part or (not plain and one_line), f"{name} is not read")
    for name in ("zero_bbox", "xyxy_bbox"):
        right = re.search(rf"{name} \[\(1200, \[20(\.0)?, 30(\.0)?, 30(\.0)?, 40(\.0)?\]", text)
        case.check(right, f"{name}: the box is not that of the mask")


def _apple_double(case: Case) -> None:
    text = case.script()
    case.check("exit 0" in text, "resource forks are not passed over")
    case.check("6 test slices" in text, "not six slices")


def _nearly_whole(case: Case) -> None:
    text = case.script()
    case.check(text.count("exit 0") == 3, f"{3 - text.count('exit 0')} of 3 are refused")


def _more_images(case: Case) -> None:
    text = case.script()
    case.check(text.count("exit 0") == 2, "a file that lists more images is refused")


def _validate(case: Case) -> None:
    text = case.script()
    case.check(text.count("exit 0") == 2, "the command of the docs is refused")


def _misleading(case: Case) -> None:
    text = case.script()
    case.check(re.search(r"nested: .*(2|two) (sub-)?folders", text), "sub-folders are not named")
    read = text.count("data: ")
    hint = re.search(r"IM0000.*(rename|\.dcm)", text)
    case.check(read == 2 or (hint and read == 1), "no way is shown to DICOM without a preamble")
    case.check("nfc.json: no image" not in text, "names in two normal forms are not compared")


# Attacks


def _any_folder(case: Case) -> None:
    case.take("any.json", "big.json")
    case.refused(case.run("fewshot", "validate", "any.json"), "any.json")
    merge = ("--score-threshold", "0.5", "--background", "keep", "--out", "m.json")
    case.refused(case.run("fewshot", "merge", "--predictions", "big.json", *merge), "big.json")
    (case.folder / "twice.json").write_text(
        '{"images": [], "images": [], "categories": [], "annotations": []}'
    )
    case.refused(case.run("fewshot", "validate", "twice.json"), "repeated keys")


def _deflated(case: Case) -> None:
    case.make()
    case.refused(case.run("fewshot", "convert", "--images", ".", "--out", "o"), "a.dcm")


def _many_slices(case: Case) -> None:
    for name in ("a.npz", "dcm100000.dcm"):
        (case.folder / "in").mkdir(exist_ok=True)
        for old in (case.folder / "in").iterdir():
            old.unlink()
        (case.folder / "in" / name).write_bytes((case.source / name).read_bytes())
        answer = case.run("fewshot", "convert", "--images", "in", "--out", f"o_{name}")
        # A last axis of one is a channel: then 2,000,000 slices are the rows of a single one.
        case.harmless(answer, name)


def _dicom_patients(case: Case) -> None:
    case.take("make.py", "mkd.py")
    case.run(sys.executable, "mkd.py")
    case.run("fewshot", "convert", "--images", "dcm", "--out", "o")
    planted = (b"DOE", b"JANE", b"1970", b"19700102", b"943", b"Elsewhere")
    for path in (case.folder / "o").rglob("*"):
        content = path.read_bytes() if path.suffix in (".json", ".csv", ".txt", ".png") else b""
        found = [one.decode() for one in planted if one in path.name.encode() + content]
        case.check(not found, f"{path.name} tells {found}")
    case.run(sys.executable, "make.py")
    text = case.run("fewshot", "convert", "--images", "d", "--out", "o2").text
    case.check("6 slices" in text, "of two series with long ids one is lost")


def _file_systems(case: Case) -> None:
    near = case.folder.parent / "killed-export-convert-volume/exp.json"
    merge = f"merge --predictions {near} --score-threshold 0.5 --background keep --out"
    python = f"{sys.executable} -m fewshot {merge}"
    (case.folder / "a.json").write_text("old")
    fault = "strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=EINVAL:when=2"
    answer = case.run(f"{fault} {python} a.json")
    case.check(answer.code == 0, f"a folder that cannot be synced: {answer.text.strip()[:100]}")
    secret = case.folder / "s.json"
    secret.write_text("x")
    secret.chmod(0o600)
    case.run(f"{python} s.json")
    mode = stat.S_IMODE(secret.stat().st_mode)
    case.check(mode == 0o600, f"mode 600 becomes {mode:o}")
    if case.run("mknod mynull c 1 3").code == 0:
        answer = case.run(f"{python} mynull")
        case.check(answer.code == 2, f"a device as output: exit code {answer.code}")
        kept = stat.S_ISCHR((case.folder / "mynull").stat().st_mode)
        case.check(kept, "a device node is replaced by a file")
    case.run("mkfifo pipe")
    answer = case.run("fewshot", "run", "--config", "pipe", "--out", "p", timeout=30)
    case.check(answer.code == 2, f"a FIFO as settings: exit code {answer.code}")
    settings = _mini(case)
    small = "mount -t tmpfs -o size=4k tmpfs /dev/shm"
    run = f"{sys.executable} -m fewshot run --config {settings} --out sh --set training.workers=1"
    if case.run(f"unshare -m sh -c '{small}'").code == 0:
        answer = case.run(f'unshare -m sh -c "{small} && {run}"')
        case.check("Traceback" not in answer.text, "/dev/shm is full: a traceback")
        told = answer.code == 0 or re.search(
            r"error: .*(/dev/shm|shared memory|workers)", answer.text
        )
        case.check(told, f"/dev/shm is full: {answer.text.strip()[-150:]}")


def _fuzzer(case: Case) -> None:
    answer = case.run(sys.executable, str(case.source / "proof.py"))
    case.check("KeyError" in answer.text, f"the fuzzer is content: {answer.text.strip()[-100:]}")


def _killed(case: Case) -> None:
    answer = case.run("sh", str(case.source / "run.sh"))
    if "No such file" in answer.text:  # the case's own file, beside its script
        case.take("exp.json")
        answer = case.run("sh", str(case.source / "run.sh"))
    case.check("is not empty" not in answer.text, "the same command is refused after a kill")
    every = sorted(one.name for one in (case.folder / "kx").iterdir())
    left = [name for name in every if name != ".fewshot.json"]
    case.check(left == ["v1.nii.gz", "v2.nii.gz"], f"left: {left}")


def _lock_link(case: Case) -> None:
    key = "ssh-ed25519 AAAA victim\n"
    script = (case.source / "run.sh").read_text().replace("$FEWSHOT", sys.executable)
    answer = case.run(script)
    kept = (case.folder / "authorized_keys").read_text()
    case.check(kept == key, f"the target of a link was changed to {kept[:60]!r}")
    case.check(answer.code != 0, "a lock that is a link is taken")


def _control_characters(case: Case) -> None:
    raw = (case.source / "run.sh").read_text().replace("| cat -v", "")
    raw = raw.replace("$FEWSHOT", f"{sys.executable} -m fewshot")
    text = case.run(raw, shell="bash").text
    for code in ("\x1b", "\x07", "\x9b"):
        case.check(code not in text, f"{code!r} reaches the terminal")
    if "rc 0" in text:
        case.check("fine" in text, "convert writes a COCO file that is refused")


def _overwrite(case: Case) -> None:
    answer = case.run("sh", str(case.source / "run.sh"), timeout=60)
    thesis = case.folder / "p" / "thesis.txt"
    case.check(thesis.is_file(), "what is not the run's was removed")
    case.check("Traceback" not in answer.text, "a traceback")


def _mini(case: Case) -> Path:
    """Write the miniature run of the cases under the names that its settings have today."""
    import yaml

    source = case.folder.parent / "pkl-memory-corruption/mini.yaml"
    settings = yaml.safe_load(source.read_text())
    own = settings["detector"]
    settings["device"] = own.pop("device")
    names = ("evaluation_period", "checkpoint_period")
    settings["training"] = {name: own.pop(name) for name in names}
    path = case.folder / "today.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def _pickle(case: Case) -> None:
    case.take("obj3.pkl")
    weights = ("--set", "detector.weights=obj3.pkl")
    answer = case.run("fewshot", "run", "--config", str(_mini(case)), "--out", "r", *weights)
    case.refused(answer, "obj3.pkl", "networks")


def _weights(case: Case) -> None:
    case.make()
    settings = _mini(case)
    for path in sorted(case.folder.glob("*.p*")):
        weights = ("--set", f"detector.weights={path.name}")
        answer = case.run("fewshot", "run", "--config", str(settings), "--out", "r", *weights)
        case.refused(answer, path.name, "networks")


def _secrets(case: Case) -> None:
    script = f"""
import http.server, os, threading
from pathlib import Path
got = []
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): got.append(self.path); self.send_response(404); self.end_headers()
    do_POST = do_GET
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
os.environ["AWS_SECRET_ACCESS_KEY"] = "wJalrXUtnFEMI"
text = Path({str(case.folder.parent / "pkl-memory-corruption/mini.yaml")!r}).read_text()
for key in ("live", "logging"):
    address = "http://alice:s3cr3tpw@127.0.0.1:%d/" % s.server_port
    name = f"{{key}}.yaml"
    Path(name).write_text(text + key + ': {{mlflow: "' + address + '${{AWS_SECRET_ACCESS_KEY}}"}}')
    os.system(f"{sys.executable} -m fewshot run --config {{name}} --out r_{{key}} 2>&1 | tail -n 2")
print("SENT", [one for one in got if "wJalr" in one])
"""
    text = case.run(sys.executable, "-c", script).text
    case.check("SENT []" in text, f"a secret was sent: {text.strip()[-200:]}")
    for path in case.folder.rglob("*"):
        if path.is_file() and path.parent != case.folder:
            content = path.read_bytes()
            for secret in (b"s3cr3tpw", b"wJalrXUtnFEMI"):
                case.check(secret not in content, f"{path.name} holds a secret")


def _two_servers(case: Case) -> None:
    wrapper = case.folder / "fewshot"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m fewshot "$@"\n')
    wrapper.chmod(0o755)
    maker = (case.source / "mkrev.py").read_text().replace(",f'p{i}'", ",group=f'p{i}'")
    case.run(sys.executable, "-c", maker)  # by the records of slices as they are now
    text = case.run(f"F={wrapper} timeout 60 {sys.executable} {case.source / 'rv.py'}").text
    found = re.search(r"two servers: acknowledged (\d+) .* on disk (\d+)", text)
    case.check(found is not None, f"two servers: no answer: {text.strip()[-200:]}")
    if found is None:
        return
    case.check(int(found[2]) >= int(found[1]), f"two servers lose decisions: {found[0]}")
    case.check(not re.search(r" 500 ", text), "an answer of 500")
    memory = re.search(r"rss (\d+) -> (\d+)", text)
    case.check(memory is None or int(memory[2]) - int(memory[1]) < 50, "a chunked body is held")


EXPECTED: dict[str, Callable[[Case], Any]] = {
    "01-gantry-tilt-volume": _gantry_tilt,
    "03-groups-ignored-for-volumes": _groups,
    "04-dicom-orientation-noise": _orientation_noise,
    "05-jpeg-exif-rotation": _exif,
    "06-folder-of-two-kinds": _two_kinds,
    "07-masks-beside-images": _masks_beside,
    "09-numbers-in-steps": _steps,
    "11-nnunet-modalities": _modalities,
    "12-series-that-loses-its-volume": _loses_volume,
    "14-window-of-each-slice": _windows,
    "15-coco-one-bad-annotation": _bad_annotation,
    "16-coco-windows-and-local-paths": _local_paths,
    "17-coco-numbers-as-text": _numbers_as_text,
    "18-apple-double-dicom": _apple_double,
    "19-nearly-whole-labels": _nearly_whole,
    "21-coco-lists-more-images": _more_images,
    "22-validate-as-the-docs-say": _validate,
    "24-refusals-that-mislead": _misleading,
    "hostile/coco-any-folder-and-time": _any_folder,
    "hostile/dicom-deflated-without-preamble": _deflated,
    "hostile/dicom-patients": _dicom_patients,
    "hostile/file-systems": _file_systems,
    "hostile/fuzzer-that-cannot-fail": _fuzzer,
    "hostile/killed-export-convert-volume": _killed,
    "hostile/lock-symlink": _lock_link,
    "hostile/many-slices-in-small-file": _many_slices,
    "hostile/names-with-control-characters": _control_characters,
    "hostile/overwrite-wipes-other-files": _overwrite,
    "hostile/pkl-memory-corruption": _pickle,
    "hostile/review-two-servers": _two_servers,
    "hostile/settings-send-secrets": _secrets,
    "hostile/weights-tracebacks": _weights,
}
