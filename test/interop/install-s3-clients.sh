#!/usr/bin/env bash
# Installs the S3 clients that test/interop/s3-*.test.ts drive, into test/interop/.installed/s3, without touching the
# system: Debian's awscli 2, rclone, restic and s3cmd out of their packages, and pip's awscli 1, whose botocore sends
# checksums. Needs apt-get and Python 3. Run again, it does nothing.
set -euo pipefail
cd "$(dirname "$0")"
installed="$PWD/.installed/s3"
edition="debian awscli, rclone, restic, s3cmd; pip awscli==1.45.11 (2)"
[ "$(cat "$installed/edition" 2>/dev/null)" = "$edition" ] && exit 0
rm -rf "$installed"
mkdir -p "$installed/packages" "$installed/root" "$installed/bin"

# Programs, then what Debian's awscli imports beyond a bare Python.
packages=(
  rclone restic s3cmd awscli
  python3-awscrt python3-cffi-backend python3-colorama python3-cryptography python3-dateutil python3-distro
  python3-docutils python3-jmespath python3-prompt-toolkit python3-pyasn1 python3-roman python3-ruamel.yaml
  python3-ruamel.yaml.clib python3-six python3-urllib3 python3-wcwidth
)
cd "$installed/packages"
download() { apt-get -o APT::Sandbox::User=root -qq download "${packages[@]}"; }
download 2>/dev/null || { apt-get -qq update; download; }
for package in *.deb; do dpkg -x "$package" "$installed/root"; done
cd "$installed"
rm -rf packages

ln -s ../root/usr/bin/rclone ../root/usr/bin/restic bin/
python_program() { # <name in bin> <program of a package>
  cat > "bin/$1" <<SCRIPT
#!/bin/sh
PYTHONPATH="$installed/root/usr/lib/python3/dist-packages" exec /usr/bin/python3 "$installed/root/usr/bin/$2" "\$@"
SCRIPT
  chmod +x "bin/$1"
}
python_program aws2 aws
python_program s3cmd s3cmd

python3 -m venv "$installed/venv"
"$installed/venv/bin/pip" install --quiet --disable-pip-version-check awscli==1.45.11
ln -s ../venv/bin/aws bin/aws1

bin/aws1 --version
bin/aws2 --version
bin/rclone version | sed -n 1p
bin/restic version
bin/s3cmd --version
echo "$edition" > edition
