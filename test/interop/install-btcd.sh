#!/usr/bin/env bash
# Installs btcd, the node that test/interop/btcd drives, into test/interop/.installed. Needs Go. Run again, it does
# nothing.
set -euo pipefail
cd "$(dirname "$0")"
installed="$PWD/.installed/btcd"
if [ ! -x "$installed/btcd" ] || [ ! -x "$installed/btcctl" ]; then
  mkdir -p "$installed"
  GOBIN="$installed" GOFLAGS=-modcacherw go install github.com/btcsuite/btcd@latest
  GOBIN="$installed" GOFLAGS=-modcacherw go install github.com/btcsuite/btcd/cmd/btcctl@latest
  "$installed/btcd" --version
fi
