#!/usr/bin/env bash
# Pins what pyproject.toml asks for, with hashes and without the address they came from.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
pin() { uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet "$@" >/dev/null; }
pin --output-file requirements.txt
# what both name has one version
pin --group dev --constraint requirements.txt --output-file requirements-dev.txt
