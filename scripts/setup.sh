#!/usr/bin/env bash
# Makes .venv and installs the given requirements into it; does nothing when that has been done already.
# The stamp holds what was installed, so switching branches or touching files costs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=$1
python=${PYTHON:-python3}

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python was not found; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3 …"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Stagewatch needs Python 3.11 or newer, and $python is $("$python" -V 2>&1 | cut -d' ' -f2); name a newer one: make PYTHON=python3.12 …"

# one at a time: two targets started together would install over each other
if command -v flock >/dev/null; then
  mkdir -p var && exec 9>var/setup.lock && flock 9
fi

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  "$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python comes without its venv module; on Debian and Ubuntu: apt-get install python3-venv"
  printf 'making .venv\n'
  rm -rf .venv
  "$python" -m venv .venv
fi

wanted=$(cat "$requirements" <(.venv/bin/python -V) | .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
stamp=.venv/installed-$requirements
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

printf 'installing %s (a minute or so the first time)\n' "$requirements"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# pip, not a faster tool: it is there, and it follows the machine's own configuration of where packages come from
if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --require-hashes -r "$requirements" >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  fail "the packages of $requirements could not be installed; the reason stands above"
fi
printf '%s\n' "$wanted" >"$stamp"
