#!/usr/bin/env bash
# What some tests need and PyPI does not have, from Debian: Chromium, for the tests that look at the pages, promtool and
# prometheus, for those of the alert rules, and curl, for those that run the commands of the guides. Where one cannot be
# installed its tests say so and are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT

found() { # tool, then the names and paths it may go by
  local tool=$1 name
  shift
  for name in "$@"; do
    name=$(type -P "$name") && printf "%s: %s\n" "$tool" "$name" && return 0
  done
  return 1
}

skip() { printf '%s: not installed (%s); the tests that need it are skipped\n' "$1" "$2"; }

listed=no
packages() { # the lists may be missing or old
  [ "$listed" = yes ] || timeout 120 apt-get update -qq >"$log" 2>&1 </dev/null
  listed=yes
}

chromium() {
  found chromium chromium chromium-browser google-chrome && return
  command -v apt-get >/dev/null || { skip chromium "no apt-get on this machine; install it by hand"; return; }
  [ "$(id -u)" -eq 0 ] || { skip chromium "not root; run: sudo apt-get install chromium"; return; }
  packages
  # a mirror that fails is not worth failing the tests for
  timeout 420 apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >"$log" 2>&1 </dev/null && found chromium chromium && return
  tail -n 5 "$log"
  skip chromium "apt-get failed, see above"
}

curl_client() {
  found curl curl && return
  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || { skip curl "install it by hand"; return; }
  packages
  timeout 120 apt-get install -y -qq --no-install-recommends curl >"$log" 2>&1 </dev/null && found curl curl && return
  tail -n 5 "$log"
  skip curl "apt-get failed, see above"
}

# Both taken out of their package: installing that would set up a Prometheus server as a service.
promtool() {
  found promtool promtool "$PWD/var/tools/promtool" && found prometheus prometheus "$PWD/var/tools/prometheus" && return
  command -v apt-get >/dev/null || { skip promtool "no apt-get on this machine; put it on the PATH or set PROMTOOL"; return; }
  packages
  local folder
  folder=$(mktemp -d)
  if (cd "$folder" && timeout 300 apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .) >"$log" 2>&1 </dev/null; then
    mkdir -p var/tools
    mv "$folder/usr/bin/promtool" "$folder/usr/bin/prometheus" var/tools/
    found promtool "$PWD/var/tools/promtool" && found prometheus "$PWD/var/tools/prometheus"
  else
    tail -n 5 "$log"
    skip promtool "apt-get failed, see above"
  fi
  rm -rf "$folder"
}

curl_client
chromium
promtool
