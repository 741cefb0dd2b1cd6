#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image: Python and the packages.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}

if ! python3 -c 'import ensurepip, venv'; then
    apt-get update
    apt-get install -y python3 python3-venv
fi
python3 -m venv "$root/source/venv" # Ubuntu 24.04 lets pip install nowhere else
"$root/source/venv/bin/python" -m pip install --no-cache-dir -r "$root/source/requirements.txt"
