# Sourced by scripts that need a Debian 13 system of their own, whatever this one is.

readonly SUITE=trixie
ROOTS="${XDG_CACHE_HOME:-$HOME/.cache}/edge-collector/roots"

# Exits with 77 (skipped, as automake has it) where no root can be made.
need_roots() {
    command -v mmdebstrap >/dev/null || skipped "mmdebstrap is not installed"
    if [ "$(id -u)" = 0 ]; then
        unshare --mount true 2>/dev/null || skipped "root may not mount here (a container without CAP_SYS_ADMIN)"
        MODE=root
    else
        unshare --user --map-auto --map-root-user true 2>/dev/null ||
            skipped "needs root, or user namespaces and /etc/subuid"
        MODE=unshare
    fi
}

skipped() {
    echo "SKIPPED: $*" >&2
    exit 77
}

# root NAME [OPTION...]: prints the tar of a root made with these options of mmdebstrap. It is kept for a week.
root() {
    local name=$1 key tar
    shift
    key=$(printf '%s\n' "$SUITE" "$@" | sha256sum | cut -c -16)
    tar="$ROOTS/$SUITE-$name-$key.tar"
    if [ -z "$(find "$tar" -mtime -7 2>/dev/null)" ]; then
        mkdir -p "$ROOTS"
        rm -f "$ROOTS/$SUITE-$name"-*.tar
        echo "a root of $SUITE for: $name" >&2
        way_to_debian
        # What apt has fetched stays in it, for use without a network.
        mmdebstrap --quiet --mode="$MODE" --variant=apt --format=tar --aptopt="$APT_CONF" \
            --skip=cleanup/apt/lists,cleanup/apt/cache "$@" "$SUITE" "$tar.new" ${MIRROR:+"$MIRROR"} >&2
        rm -f "$APT_CONF"
        mv "$tar.new" "$tar"
    fi
    echo "$tar"
}

# in_root TAR HOOK...: unpacks the tar, runs each hook ("$1" is the root; mmdebstrap's own words work too), forgets it.
in_root() {
    local tar=$1 hook hooks=()
    shift
    for hook; do hooks+=(--customize-hook="$hook"); done
    mmdebstrap --quiet --mode="$MODE" --variant=custom --format=null --skip=update,setup,cleanup,check/empty \
        --setup-hook="mmtarfilter '--path-exclude=/dev/*' < '$tar' | tar --extract --directory \"\$1\"" \
        --setup-hook='mkdir -p "$1/dev/pts" "$1/dev/shm" && ln -s /proc/self/fd "$1/dev/fd"' "${hooks[@]}" '' -
}

# The host's own mirror and the host's own way to it (proxy, authorities), so that nothing is written down here.
# `|| true`: a system without apt still has mmdebstrap's default.
way_to_debian() {
    MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' 2>/dev/null |
        sort -u | head -n 1 || true)
    APT_CONF=$(mktemp)
    { apt-config dump || true; } | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' > "$APT_CONF" || true
}

# field NAME: a field of packaging/debian/control on one line, without what only a build fills in.
field() {
    sed -n "/^$1:/,/^[^ ]/{s/^$1://;/^[^ ]/d;s/<[^>]*>//;/\\\$/d;p}" packaging/debian/control | tr -d '\n'
}
