#!/bin/sh
# Builds the server as it is to be used, and the benchmark, in target/optimised: once to see which paths through them are taken how often, once with that known,
# and lays out what comes of it. What is current is not built again; a change of any kind has all of it built again, because its counts are new ones.
# With the argument `dependencies` it only builds what the first step has of others.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc --print host-tuple)
profile=$PWD/target/profile
mkdir -p "$profile"

# The flag is given in the way that may have spaces and wins over all others. For the host by name: so it is for the programs alone, and not for what Cargo runs
# while it builds them.
speed() {
    folder=$1 flag=$2
    shift 2
    CARGO_ENCODED_RUSTFLAGS=$flag cargo bench --locked --bench speed --target "$host" --target-dir "target/$folder" "$@"
}

count=-Cprofile-generate=$profile/counts
if [ "${1:-}" = dependencies ]; then
    speed counted "$count" --no-run
    exit
fi
echo "Building the server and the benchmark so that they count (10 to 30 minutes)"
speed counted "$count" -- profile --counts "$profile/counts" --out "$profile/payaid.profdata"
echo "Building them with what was counted (10 to 30 minutes)"
speed profiled "-Cprofile-use=$profile/payaid.profdata" -- lay-out --meanwhile target/layout --out target/optimised
