#!/usr/bin/env bash
# Runs a command with a container engine: the running one, or one that it starts and stops itself.
# STANDINS=1 also builds stand-ins for images of a registry: a base with Debian's Python, and
# HAProxy, Prometheus and Alertmanager on it. They have names of their own and are removed at the
# end. DEBIAN=FOLDER uses a Debian made by debian.sh; otherwise one is made.
#
#   deploy/test/engine.sh COMMAND…
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="$(mktemp -d "${TMPDIR:-/tmp}/phiz-engine.XXXXXX")"
base="${PHIZ_BASE:-python:3.11-slim-bookworm}"
made=()
export DOCKER_BUILDKIT=1 DOCKER_CONFIG="$folder/config"

end() {
    # The last image first: it is built on those before it.
    for image in "${made[@]}"; do docker image rm "$image" >/dev/null 2>&1 || true; done
    if [ -f "$folder/pid" ]; then
        engine="$(cat "$folder/pid")"
        kill "$engine"
        while kill -0 "$engine" 2>/dev/null; do sleep 0.1; done
    fi
    rm -rf "$folder"
}
trap end EXIT

begin() {
    dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
        --host "unix://$folder/docker.sock" >"$folder/log" 2>&1 &
    export DOCKER_HOST="unix://$folder/docker.sock"
    for _ in $(seq 300); do
        docker info >/dev/null 2>&1 && return
        sleep 0.1
    done
    tail -n 20 "$folder/log" >&2
    exit 1
}

make_base() {
    [ -n "${DEBIAN:-}" ] || "$here/debian.sh" bookworm "$folder/root"
    tar -C "${DEBIAN:-$folder/root}" -c . | docker import -c 'CMD ["python3"]' - "$base" >/dev/null
    rm -rf "$folder/root"
    made=("$base" "${made[@]}")
}

docker info >/dev/null 2>&1 || begin
mkdir -p "$DOCKER_CONFIG/cli-plugins"
compose="$(dirname "${PYTHON:-$here/../../.venv/bin/python}")/docker-compose"
[ -x "$compose" ] && ln -s "$compose" "$DOCKER_CONFIG/cli-plugins/docker-compose"
if [ -n "${STANDINS:-}" ]; then
    export PROXY_IMAGE=phiz-standin-proxy PROMETHEUS_IMAGE=phiz-standin-prometheus \
        ALERTMANAGER_IMAGE=phiz-standin-alertmanager
    if ! docker image inspect "$base" >/dev/null 2>&1; then
        base=phiz-standin-base
        make_base
    fi
    export PHIZ_BASE="$base"
    for part in proxy prometheus alertmanager; do
        docker build --quiet --network=host --build-arg BASE="$base" --target "$part" \
            --tag "phiz-standin-$part" "$here/standins" >/dev/null
        made=("phiz-standin-$part" "${made[@]}")
    done
fi
"$@"
