#!/bin/sh
# Locks pyproject.toml's dependencies for every Python from 3.11 on, with hashes and without addresses.
# Versions that are locked already stay, unless --upgrade (or --upgrade-package NAME) says otherwise.
set -eu
cd "$(dirname "$0")/../.."

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"${PYTHON:-python3}" -m venv "$room/uv"
"$room/uv/bin/python" -m pip --disable-pip-version-check install --quiet uv

compile() {
    "$room/uv/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@"
}
compile --output-file requirements.lock "$@"
compile --group dev --constraint requirements.lock --output-file requirements-dev.lock "$@"
echo "requirements.lock and requirements-dev.lock are up to date."
