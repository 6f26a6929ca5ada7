#!/usr/bin/env bash
# Builds the Debian package in a clean root of Debian 13, twice, and compares the bytes. `packaging/build.sh VERSION` gives
# the same source another version: what an upgrade is tried from. The result is in build/package/.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/roots.sh

name=edge-collector
declared=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' collector/__init__.py)
logged=$(sed -n "1s/^$name (\(.*\)) .*/\1/p" packaging/debian/changelog)
[ "$declared" = "$logged" ] || { echo "packaging/debian/changelog begins with $logged, the collector is $declared" >&2; exit 1; }
version=${1:-$declared}

need_roots
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"

# The source package: what git knows, with debian/ and the unit where debhelper looks for them.
tree="$scratch/$name-$version"
mkdir "$tree"
git ls-files --cached --others --exclude-standard -z |
    tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory "$tree"
cp -R packaging/debian "$tree/debian"
cp systemd/edge-collector.service "$tree/debian/$name.service"
cp systemd/sysusers.d/edge-collector.conf "$tree/debian/$name.sysusers"
cp systemd/tmpfiles.d/edge-collector.conf "$tree/debian/$name.tmpfiles"
sed -i "1s/(.*)/($version)/" "$tree/debian/changelog"
rm -rf "$tree/.ci"
tar --create --directory "$scratch" --file "$scratch/source.tar" "$name-$version"

cat > "$scratch/build" <<'BUILD'
set -eu
name=$1 version=$2
build() (
    umask "$2"
    mkdir -p "/$1"
    tar --extract --directory "/$1" --file /srv/source.tar
    cd "/$1/$name-$version"
    export LANG=$3 LC_ALL=$3 TZ=$4 DEB_BUILD_OPTIONS=$5
    dpkg-buildpackage --build="$6" --unsigned-source --unsigned-changes > /srv/log 2>&1 || { cat /srv/log; exit 1; }
    echo "  built in /$1"
)
build first/path 022 C.UTF-8 UTC "" source,all
build another 002 C Pacific/Kiritimati nocheck all
cmp "/first/path/${name}_${version}_all.deb" "/another/${name}_${version}_all.deb"
echo "  the same bytes, built twice under other paths, umasks, locales and time zones"
sha256sum "/another/${name}_${version}_all.deb" | cut -c -64
cd /first/path
lintian --display-info --pedantic --show-overrides --fail-on none --allow-root *.changes > /srv/log
sed "s/^/  /" /srv/log
! grep -q "^[EWIP]:" /srv/log || exit 1
echo "  lintian, pedantic: nothing that is not explained in debian/*lintian-overrides"
mkdir /srv/result
cp *.deb *.dsc *.tar.* *.changes *.buildinfo /srv/result
BUILD

tar=$(root build --include=build-essential,fakeroot,lintian,tzdata \
    --customize-hook="printf 'Source: x\nMaintainer: x <x@x>\nBuild-Depends: %s\n\nPackage: x\nArchitecture: all\n' '$(field Build-Depends)' > \"\$1/tmp/control\"" \
    --customize-hook='chroot "$1" sh -c "mkdir -p /tmp/x/debian && mv /tmp/control /tmp/x/debian && cd /tmp/x && apt-get build-dep --quiet --quiet --yes --no-install-recommends ./ && rm -rf /tmp/x && apt-get clean"')
mkdir -p build/package
in_root "$tar" "copy-in '$scratch/source.tar' '$scratch/build' /srv" \
    "chroot \"\$1\" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /srv/build $name $version" \
    "sync-out /srv/result build/package"
echo "build/package/${name}_${version}_all.deb"
