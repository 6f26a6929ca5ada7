#!/usr/bin/env bash
# Installs the package (built if it is not there) in a Debian 13 of its own, booted by systemd-nspawn without a network,
# and checks it there. Exits with 77 (skipped) where that cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/roots.sh

need_roots
[ "$(id -u)" = 0 ] || skipped "systemd-nspawn needs root"
command -v systemd-nspawn >/dev/null || skipped "systemd-nspawn is not installed (package systemd-container)"

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' collector/__init__.py)
deb="build/package/edge-collector_${version}_all.deb"
[ -e "$deb" ] && [ -z "$(find collector firmware_profiles packaging systemd pyproject.toml README.md -type f ! -name "*.pyc" -newer "$deb")" ] ||
    packaging/build.sh

# What apt will install stays in its cache, since the container has no network.
depends=$(field Depends)
tar=$(root system --include=systemd,systemd-sysv,dbus,udev,mosquitto,procps,libcap2-bin,man-db,bash-completion \
    --customize-hook="chroot \"\$1\" apt-get satisfy --quiet --quiet --yes --no-install-recommends --download-only '${depends%,}'" \
    --customize-hook='chroot "$1" systemctl disable mosquitto; echo force-unsafe-io > "$1/etc/dpkg/dpkg.cfg.d/unsafe-io"')
tree=$(mktemp -d build/container.XXXXXX)
trap 'rm -rf --one-file-system "$tree"' EXIT
chmod 755 "$tree"
tar --extract --numeric-owner --directory "$tree" --file "$tar"
python3 -m tests.package "$tree" "$deb" "$@"
