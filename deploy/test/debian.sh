#!/usr/bin/env bash
# Puts a minimal Debian into a folder, with what README.md asks of a machine and nothing else. The
# packages come from where this machine has its own, and it trusts what this machine trusts.
#
#   deploy/test/debian.sh SUITE FOLDER
set -euo pipefail
suite="$1" folder="$2"

# The release that this machine runs and any other lie in the same place.
mirror="$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Label: Debian' 'Origin: Debian' | head -n 1)"
[ -n "$mirror" ] || { echo "this machine has no packages of Debian's" >&2; exit 1; }
# debootstrap knows the releases of its own time; later ones are made as the newest is.
script="/usr/share/debootstrap/scripts/$suite"
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid

log="$(mktemp)"
trap 'rm "$log"' EXIT
debootstrap --variant=minbase --include=ca-certificates,curl,make,python3,python3-venv \
    "$suite" "$folder" "$mirror" "$script" >"$log" 2>&1 ||
    { tail "$log" >&2; exit 1; }
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
