#!/usr/bin/env bash
# Installs what the build and the tests need and says so. What it cannot install
# it names, with the way to get it. Usage: build/setup.sh [browser|engines|recipes|backends]
set -euo pipefail

missing=0
need() { # need COMMAND WHAT HOW
  if ! command -v "$1" >/dev/null 2>&1; then
    printf 'setup: %s is missing. %s\n' "$2" "$3" >&2
    missing=1
  fi
}

need go "Go 1.26 or newer" "Get it at https://go.dev/dl/ and put its bin folder on PATH."
need node "Node.js 20.19 or newer" "Get it at https://nodejs.org/ or from your distribution (package nodejs)."
need npm "npm" "It comes with Node.js: https://nodejs.org/"
need cc "a C compiler (the embedded store needs one)" "Install gcc or clang, on Debian: apt-get install gcc libc6-dev; on macOS: xcode-select --install."
need c++ "a C++ compiler (the embedded store needs one)" "Install g++ or clang, on Debian: apt-get install g++; on macOS: xcode-select --install."
[ "$missing" = 0 ] || exit 1

newer() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; } # newer LEAST HAVE
go_version=$(go env GOVERSION); go_version=${go_version#go}
newer 1.26 "$go_version" || { printf 'setup: Go %s is too old, 1.26 is needed. Get it at https://go.dev/dl/\n' "$go_version" >&2; exit 1; }
node_version=$(node --version); node_version=${node_version#v}
newer 20.19 "$node_version" || { printf 'setup: Node.js %s is too old, 20.19 is needed. Get it at https://nodejs.org/\n' "$node_version" >&2; exit 1; }

has_browser() {
  [ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null 2>&1
}

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

packages=()
services=() # of those packages; a package that comes for tests must not start them
case "${1:-}" in
  "") exit 0 ;;
  browser | engines) has_browser || packages+=(chromium fonts-dejavu-core) ;; # the demo's driver and most tests
  recipes) # the programs of docs/guides that stand in front of the proxy or behind it
    has nginx || { packages+=(nginx); services+=(nginx); }
    has haproxy || { packages+=(haproxy); services+=(haproxy); }
    has apache2 || packages+=(apache2-bin) # the program without its service
    has varnishd || { packages+=(varnish); services+=(varnish varnishncsa); }
    has caddy || { packages+=(caddy); services+=(caddy caddy-api); }
    ;;
  backends) # what applications that stand behind the proxy run on: PHP, Debian's Flask and DokuWiki's libraries
    has php || packages+=(php-cli)
    php -m 2>/dev/null | grep -qx xml || packages+=(php-xml)
    /usr/bin/python3 -c 'import flask' 2>/dev/null || packages+=(python3-flask)
    [ -e /usr/share/javascript/jquery-ui/jquery-ui.min.js ] || packages+=(libjs-jquery libjs-jquery-cookie libjs-jquery-ui)
    [ -e /usr/share/php-geshi/geshi.php ] || packages+=(libphp-simplepie php-geshi php-phpseclib)
    ;;
  *) printf 'setup: what is %s? Usage: build/setup.sh [browser|engines|recipes|backends]\n' "$1" >&2; exit 2 ;;
esac
if [ "$1" = engines ]; then
  # What only the agent's tests need: the other two engines, a display for one of
  # them, and openssl for the certificate of an HTTP/2 server.
  [ -n "${FIREFOX:-}" ] || has firefox-esr || packages+=(firefox-esr)
  has WebKitWebDriver || packages+=(webkit2gtk-driver)
  has Xvfb || packages+=(xvfb)
  has openssl || packages+=(openssl)
fi
[ "${#packages[@]}" -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  printf 'setup: missing: %s. Install them and put them on PATH; another Chromium can be named in the variable CHROMIUM, another Firefox in FIREFOX. WebKitGTK is of Linux alone; in browser/, "npm test" runs the agent'"'"'s tests in Chromium, "ENGINE=firefox npm test" in Firefox. The programs of the recipes are those of Debian, and so is where they are; elsewhere run "make e2e" in a Debian system.\n' "${packages[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    printf 'setup: missing: %s. As root, run: apt-get install %s\n' "${packages[*]}" "${packages[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
printf 'setup: installing %s with apt-get, this takes a minute ...\n' "${packages[*]}"
if [ "${#services[@]}" -gt 0 ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  # Asked before a package starts its service; 101 is no.
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
  "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
fi
"${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=580 update >/dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=580 install -y --no-install-recommends "${packages[@]}" >/dev/null
if [ "${#services[@]}" -gt 0 ] && has systemctl; then # nor at the next start of the system
  "${as_root[@]}" systemctl -q disable "${services[@]}" >/dev/null 2>&1 || printf 'setup: could not disable the services %s; look with: systemctl list-unit-files\n' "${services[*]}" >&2
fi
