#!/usr/bin/env bash
# Runs every fuzz target of a Go module for a while. Usage: build/fuzz.sh FOLDER DURATION
set -euo pipefail
cd "$1"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    printf '\n== fuzz %s %s\n' "$package" "$target"
    # Minimizing is bounded, since it would else take most of the time.
    if go test -run '^$' -fuzz "^$target\$" -fuzztime "$2" -fuzzminimizetime 20x "$package" >"$log" 2>&1; then
      tail -n 1 "$log"
    elif grep -q 'Failing input written to' "$log" || ! grep -q '^ *context deadline exceeded$' "$log"; then
      cat "$log"
      failed=1
    else # the go command reports its own end of time as a failure when a worker is slow to stop
      printf 'ok  \t%s\tended by the clock\n' "$package"
    fi
  done
done
exit "$failed"
