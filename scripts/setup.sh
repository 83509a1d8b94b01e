#!/bin/sh
# Create .venv beside this project and install everything into it: the pinned dependencies, fewshot
# itself (editable) and Detectron2. Works from any directory and needs no compiler. A second call
# does nothing until pyproject.toml, constraints.txt or what installs changes.
#
#   PYTHON=/path/to/python3.11 sh scripts/setup.sh [dev]
#
# With `dev` the tools of the tests and checks are installed too.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
python=${PYTHON:-python3.11}
venv_python=.venv/bin/python
extras=all
[ "${1:-}" != dev ] || extras=dev
stamp=.venv/fewshot-setup-$extras.sha256
inputs="pyproject.toml constraints.txt fewshot/detector/installation.py scripts/setup.sh"

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

# What the developers' environment holds is more than the users' needs.
for done_before in "$stamp" .venv/fewshot-setup-dev.sha256; do
    if [ -s "$done_before" ] && [ "$(cat "$done_before")" = "$(digest 2>/dev/null)" ]; then
        say ".venv is up to date"
        exit 0
    fi
done
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
say "installing the pinned dependencies: PyTorch is large, about 7 GB of disk in all and 3 GB to download"
"$venv_python" -m pip install --quiet --constraint constraints.txt pip &&
    "$venv_python" -m pip install --quiet --constraint constraints.txt \
        --build-constraint constraints.txt --editable ".[$extras]" ||
    fail "pip could not install the dependencies (its message is above); mend that and run it again"
"$venv_python" -m fewshot setup --yes

installed=$(digest)
printf '%s\n' "$installed" >"$stamp"
say "done: $root/.venv"
