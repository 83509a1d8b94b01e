#!/bin/sh
# Create .venv beside this project and install everything into it: the pinned dependencies, fewshot
# itself (editable) and Detectron2. Works from any directory and needs no compiler. A second call
# does nothing until pyproject.toml, constraints.txt or one of the two install scripts changes.
#
#   PYTHON=/path/to/python3.11 sh scripts/setup.sh
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
python=${PYTHON:-python3.11}
venv_python=.venv/bin/python
stamp=.venv/fewshot-setup.sha256
inputs="pyproject.toml constraints.txt scripts/install_detectron2.py scripts/setup.sh"

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# The digest covers the checkout's own path too: an editable install points at it.
digest() {
    # shellcheck disable=SC2086  # the names are words of their own
    "$venv_python" -c 'import hashlib, pathlib, sys
digest = hashlib.sha256(sys.argv[1].encode())
for name in sys.argv[2:]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())' "$root" $inputs
}

if [ -s "$stamp" ] && [ "$(cat "$stamp")" = "$(digest 2>/dev/null)" ]; then
    say ".venv is up to date"
    exit 0
fi
rm -f "$stamp"

if ! "$venv_python" -c 'import pip' 2>/dev/null; then
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
        fail "$python: not found, or not Python 3.11; install Python 3.11 (your system's packages," \
            "pyenv or uv), or name it: PYTHON=/path/to/python3.11 sh scripts/setup.sh"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python: its venv module is missing; on Debian and Ubuntu install python3.11-venv"
    say "creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
say "installing the pinned dependencies (PyTorch is large: about 7 GB of disk in all)"
"$venv_python" -m pip install --quiet --constraint constraints.txt pip &&
    "$venv_python" -m pip install --quiet --constraint constraints.txt \
        --build-constraint constraints.txt --editable '.[dev]' ||
    fail "pip could not install the dependencies (its message is above); mend that and run it again"
"$venv_python" scripts/install_detectron2.py

installed=$(digest)
printf '%s\n' "$installed" >"$stamp"
say "done: $root/.venv"
