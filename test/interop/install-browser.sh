#!/usr/bin/env bash
# Installs Chromium from Debian's packages, for the tests that drive the page. Needs root; run again, it does nothing.
set -euo pipefail
if ! command -v chromium > /dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null
fi
chromium --version --no-sandbox
