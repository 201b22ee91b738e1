#!/usr/bin/env bash
# Create .venv exactly as requirements.lock says: every file by its hash, wheels only, members editable.
# Usage: deploy/setup.sh PYTHON MEMBER...
set -euo pipefail
python=$1; shift
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup: $python is older than 3.11; name another one: make setup PYTHON=python3.12" >&2; exit 1; }
[ -x .venv/bin/python ] || "$python" -m venv .venv || {
  echo "setup: $python has no venv (on Debian: apt-get install python3-venv)" >&2; exit 1; }
say() { printf '  %s\n' "$*" >&2; }
say "installing the pinned uv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes -r deploy/bootstrap.txt
say "installing $(grep -c '==' requirements.lock) packages from requirements.lock (hashes checked)"
export VIRTUAL_ENV="$PWD/.venv"
.venv/bin/uv pip sync --quiet --require-hashes --only-binary :all: requirements.lock
say "installing Recoup's own $# packages, editable"
editable=()
for member in "$@"; do editable+=(-e "./$member"); done
.venv/bin/uv pip install --quiet --offline --no-deps --no-build-isolation "${editable[@]}"
