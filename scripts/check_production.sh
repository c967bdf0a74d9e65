#!/usr/bin/env bash
# Django's own list for deployments, with the settings deploy/production.env.example ships and secrets made up for now.
set -euo pipefail
cd "$(dirname "$0")/.."
var=$(mktemp -d)
trap 'rm -rf "$var"' EXIT
key=$(.venv/bin/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')
secret=$(.venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(50))')
sed -e "s|^SECRET_KEY=.*|SECRET_KEY=$secret|" -e "s|^CREDENTIAL_KEYS=.*|CREDENTIAL_KEYS=$key|" -e 's/CHANGE/something-else/' \
  deploy/production.env.example >"$var/production.env"
set -a
. "$var/production.env"
set +a
STAGEWATCH_VAR="$var" .venv/bin/python manage.py check --deploy --fail-level WARNING
