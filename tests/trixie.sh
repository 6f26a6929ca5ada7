#!/usr/bin/env bash
# The unit and contract tests on Debian 13 as the package will meet it: apt's own python3-* packages, no pip.
# Makes a root of its own, tests this working tree in it and leaves nothing behind. Needs mmdebstrap, and
# root or user namespaces; exits with 77 (skipped, as automake has it) where that cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=trixie
PACKAGES=(
    python3
    # what the daemon and its commands import
    python3-uvloop python3-aiosqlite python3-msgspec python3-asyncio-mqtt python3-serial python3-psutil
    python3-prometheus-client python3-uvicorn python3-rich python3-aiohttp python3-seccomp tzdata
    # the tests, and the far ends they speak to
    python3-pytest python3-pytest-asyncio python3-pytest-timeout python3-pytest-xdist python3-hypothesis python3-jinja2 python3-paho-mqtt
    python3-pymodbus
    mosquitto openssl mount systemd
)

skipped() {
    echo "SKIPPED: the $SUITE lane: $*" >&2
    exit 77
}

command -v mmdebstrap >/dev/null || skipped "mmdebstrap is not installed"
if [ "$(id -u)" = 0 ]; then
    mode=root
    unshare --mount true 2>/dev/null || skipped "root may not mount here (a container without CAP_SYS_ADMIN)"
else
    mode=unshare
    unshare --user --map-auto --map-root-user true 2>/dev/null ||
        skipped "needs root, or user namespaces and /etc/subuid"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"

# The host's own mirror and the host's own way to it (proxy, authorities), so that nothing is written down here.
# `|| true`: a system without apt still has mmdebstrap's default.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' 2>/dev/null | sort -u | head -n 1 || true)
{ apt-config dump || true; } | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' > "$scratch/apt.conf" || true

git ls-files --cached --others --exclude-standard -z |
    tar --create --null --files-from=- --ignore-failed-read --file "$scratch/tree.tar"

cat > "$scratch/run" <<'RUN'
set -eu
cd /srv/edge-collector
python3 -c 'import sys, sqlite3, ssl; print("python", sys.version.split()[0], "sqlite", sqlite3.sqlite_version, ssl.OPENSSL_VERSION)'
! python3 -m pip --version >/dev/null 2>&1 || { echo "pip is in the root: the lane would not be apt's alone" >&2; exit 1; }
# Tail journals are named after their data directories, and /dev/shm may be the host's.
export TMPDIR="/t$(shuf -i 10-99 -n 1)"
mkdir "$TMPDIR"
exec python3 -m pytest -n 3 --dist loadfile -m "not slow and not slow_fault" -p no:cacheprovider "$@"
RUN

mmdebstrap --quiet --mode="$mode" --variant=apt --format=null \
    --aptopt="$scratch/apt.conf" --include="$(IFS=,; echo "${PACKAGES[*]}")" \
    --essential-hook='mkdir -p "$1/srv/edge-collector" && printf "#!/bin/sh\nexit 101\n" > "$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"' \
    --customize-hook="tar-in '$scratch/tree.tar' /srv/edge-collector" \
    --customize-hook="upload '$scratch/run' /srv/run" \
    --customize-hook="chroot \"\$1\" env -i ${CI:+CI=$CI} HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /srv/run $*" \
    "$SUITE" - ${mirror:+"$mirror"}
