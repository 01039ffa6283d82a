#!/bin/bash
# Asks the server of this container whether it is ready; the image has no HTTP client, bash can open a connection.
set -u
port=${TERRANE_LISTEN##*:}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 2 _ status _ <&3 || exit 1
[ "$status" = 200 ]
