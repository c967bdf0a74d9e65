#!/usr/bin/env bash
# Everything that can be said about the code without running its tests. Runs all checks, then says which failed.
set -uo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
failed=()
log=$(mktemp)
schema=$(mktemp)
trap 'rm -f "$log" "$schema"' EXIT

check() { # name, then the command
  local name=$1 start=$SECONDS
  shift
  if "$@" >"$log" 2>&1; then
    printf 'ok      %-20s %3d s\n' "$name" $((SECONDS - start))
  else
    printf 'FAILED  %-20s %3d s\n' "$name" $((SECONDS - start))
    tail -n 40 "$log" | sed 's/^/        /'
    failed+=("$name")
  fi
}

openapi() {
  python manage.py spectacular --validate --fail-on-warn --file "$schema" || return 1
  diff -u docs/openapi.yaml "$schema" || { echo "docs/openapi.yaml differs from the code; run: make schema"; return 1; }
}

check "format" ruff format --check .
check "lint" ruff check .
check "types" mypy
check "import contracts" lint-imports --no-cache
check "migrations" python manage.py makemigrations --check --dry-run
check "OpenAPI" openapi
check "system checks" python manage.py check --fail-level WARNING
check "migration safety" env DJANGO_SETTINGS_MODULE=scripts.lint_settings python manage.py lintmigrations
check "configuration" python scripts/configuration.py --check
check "production settings" scripts/check_production.sh
check "deployment files" python scripts/check_deploy.py

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[*]}"
  exit 1
fi
