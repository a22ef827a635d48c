#!/usr/bin/env bash
# Installs what the tests against other programs drive, into test/interop/.installed. Run again, it does nothing.
set -euo pipefail
cd "$(dirname "$0")"
installed=.installed

# Bitcoin Core's consensus library, the judge of test/interop/kernel (Python 3.10 or newer).
kernel=py-bitcoinkernel==0.1.0a5
if [ "$(cat "$installed/kernel/version" 2>/dev/null)" != "$kernel" ]; then
  rm -rf "$installed/kernel"
  python3 -m venv "$installed/kernel"
  "$installed/kernel/bin/pip" install --quiet --disable-pip-version-check "$kernel"
  "$installed/kernel/bin/python" -c "import pbk.script"
  echo "$kernel" > "$installed/kernel/version"
fi
