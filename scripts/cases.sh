#!/bin/sh
# Run every outside case in an empty folder with this checkout's fewshot, and say PASS or FAIL.
#
#     scripts/cases.sh CASES_DIR             # all of them, some minutes
#     scripts/cases.sh CASES_DIR 17 hostile  # those whose name or folder begins so
#
# What is right for each case is in cases_expected.py.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ -n "${PYTHON:-}" ] || PYTHON=$root/.venv/bin/python
[ -x "$PYTHON" ] || PYTHON=python3
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTHONPATH=$root:$root/scripts exec "$PYTHON" "$root/scripts/cases.py" "$@"
