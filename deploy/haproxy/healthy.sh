#!/usr/bin/env bash
# Succeeds if the proxy of this container leads to a replica that is ready. HAProxy's image has bash,
# and no program that sends requests.
set -euo pipefail

exec 3<>"/dev/tcp/127.0.0.1/${1:-8000}"
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
# The proxy with TLS answers 308 here, whatever the replicas do.
[ "$status" = 200 ] || [ "$status" = 308 ]
