#!/bin/sh
# Removes the development data: .payaid, and what lies elsewhere because PostgreSQL could not enter it (src/platform/cluster/site.rs).
set -eu
cd "$(dirname "$0")/.."

for folder in .payaid/* .payaid/*/elsewhere; do
    if [ -d "$folder" ] && command -v flock >/dev/null 2>&1 && ! flock -n "$folder/" true; then
        echo "payaid is running on $folder: stop it first." >&2
        exit 1
    fi
done
for link in .payaid/*/elsewhere; do
    [ ! -L "$link" ] || rm -rf -- "$(readlink "$link")"
done
rm -rf .payaid
