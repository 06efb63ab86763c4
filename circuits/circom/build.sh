#!/usr/bin/env bash
# Compiles the circuits to .r1cs and .sym, for developers.
#
#   circuits/circom/build.sh OUT
#
# The compiler and circomlib come from npm and stay outside of the repository (both are GPL-3.0). The
# optimisation level is part of the circuit's identity: the published keys were made with --O2.
#
# The compiler is WebAssembly and sees nothing above its working directory, so the sources are
# brought to where node_modules are.
set -euo pipefail

out=$(realpath -m "${1:?where to write to}")
sources=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$sources"/*.circom "$work"
cd "$work"
npm install --silent --no-save --prefix . circom2@0.2.23 circomlib@2.0.5

mkdir -p built "$out"
for circuit in rln_20_16 rln_multi_20_16_4; do
    npx circom2 "$circuit.circom" --r1cs --sym --O2 -l node_modules -o built
    # The form in which circuits/tests/fixtures has them.
    xz -9e -k "built/$circuit.r1cs"
done
mv built/* "$out"
