#!/usr/bin/env bash
# Debian's Chromium, for the tests that look at the pages. Where it cannot be installed those tests say so and are skipped.
set -uo pipefail
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    printf 'browser: %s\n' "$(command -v "$name")"
    exit 0
  fi
done
skip() { printf 'browser: not installed (%s); the tests that need one are skipped\n' "$*"; exit 0; }
command -v apt-get >/dev/null || skip "no apt-get on this machine; install chromium by hand"
[ "$(id -u)" -eq 0 ] || skip "not root; run: sudo apt-get install chromium"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# the lists may be missing or old; a mirror that fails is not worth failing the tests for
{ timeout 120 apt-get update -qq && timeout 420 apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >"$log" 2>&1 </dev/null ||
  { tail -n 5 "$log"; skip "apt-get failed, see above"; }
printf 'browser: %s\n' "$(command -v chromium)"
