"""What the source may not do: read data as code. What commands write, cli/conftest.py watches."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("fewshot", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")
)
# Calls that run what they read, wherever they come from.
FORBIDDEN = {
    *(
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "pickle._Unpickler",
        "cPickle.load",
        "cPickle.loads",
        "marshal.load",
        "shelve.open",
    ),
    *("dill.load", "dill.loads", "joblib.load", "pandas.read_pickle", "pd.read_pickle"),
    *("cloudpickle.load", "cloudpickle.loads", "torch.hub.load", "numpy.fromregex"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.UnsafeLoader"),
    *("yaml.Loader", "yaml.FullLoader", "os.system", "os.popen", "eval", "exec"),
    *("CfgNode.load_yaml_with_base",),
}
# They make files that would run a command, to see them refused.
ATTACKERS = {
    ROOT / "tests" / name
    for name in ("detector/test_weights.py", "sam/test_model.py", "cli/test_sam_commands.py")
}


def dangers(source: str) -> Iterator[str]:
    """Yield each call in a source that must not be there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in FORBIDDEN:
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {one.arg: ast.unparse(one.value) for one in node.keywords}
        if name == "torch.load" and given.get("weights_only") != "True":
            yield f"line {node.lineno}: torch.load without weights_only=True"
        if name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False":
            yield f"line {node.lineno}: {name} with pickles"
        if given.get("allow_unsafe") == "True" or given.get("shell") == "True":
            yield f"line {node.lineno}: {name}({given})"
        if name.endswith("merge_from_file"):
            yield f"line {node.lineno}: {name} reads YAML unsafely by default"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path not in ATTACKERS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_data_are_never_run(path: Path) -> None:
    found = list(dangers(path.read_text()))
    assert found == [], f"{path}: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pickle.loads(data)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.load_all(text, yaml.FullLoader)",
        "config.merge_from_file(path)",
        "subprocess.run(command, shell=True)",
        "eval(text)",
        "reader = pickle.loads",
        "class Careful(pickle.Unpickler): pass",
    ],
)
def test_the_check_sees(source: str) -> None:
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    ["torch.load(p, weights_only=True)", "np.load(p)", "yaml.safe_load(t)", "re.compile(x)"],
)
def test_the_check_lets_pass(source: str) -> None:
    assert not list(dangers(source))
