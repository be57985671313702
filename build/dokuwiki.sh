#!/usr/bin/env bash
# Unpacks Debian's package dokuwiki into a folder, without installing it: it would
# set up a web server. The libraries that it needs come with build/setup.sh
# backends. Usage: build/dokuwiki.sh FOLDER
set -euo pipefail

folder=${1:?Usage: build/dokuwiki.sh FOLDER}
rm -rf "$folder"
mkdir -p "$folder"
root=$(cd "$folder" && pwd)
cd "$root"
apt-get -q download dokuwiki >/dev/null 2>&1 || {
  printf 'dokuwiki.sh: apt-get download dokuwiki failed. As root, run apt-get update, and try again.\n' >&2
  exit 1
}
dpkg-deb -x dokuwiki_*.deb .
rm dokuwiki_*.deb
# The package's links from one of its folders to another lead to where it is not.
find . -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  target=$(readlink "$link")
  ln -sfnr "$root$target" "$link"
done
touch .installed
