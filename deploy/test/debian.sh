#!/usr/bin/env bash
# Installs a minimal Debian into a folder, with only the packages that README.md requires. It uses
# this machine's package mirror and certificates.
#
#   deploy/test/debian.sh SUITE FOLDER
set -euo pipefail
suite="$1" folder="$2"

# The mirror has this machine's release and all others.
mirror="$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Label: Debian' 'Origin: Debian' | head -n 1)"
[ -n "$mirror" ] || { echo "this machine has no Debian package sources" >&2; exit 1; }
# debootstrap knows only the releases of its own time; later ones use the script of the newest.
script="/usr/share/debootstrap/scripts/$suite"
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid

log="$(mktemp)"
trap 'rm "$log"' EXIT
debootstrap --variant=minbase --include=ca-certificates,curl,make,python3,python3-venv \
    "$suite" "$folder" "$mirror" "$script" >"$log" 2>&1 ||
    { tail "$log" >&2; exit 1; }
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
