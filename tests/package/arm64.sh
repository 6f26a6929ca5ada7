#!/usr/bin/env bash
# Installs the package (built if it is not there) on Debian 13 for arm64, boots that under full emulation, measures it and
# cuts its power (tests/package/arm64.py). Its root takes half an hour to make and is kept. Exits with 77 (skipped) where
# that cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/roots.sh

need_roots
[ "$(id -u)" = 0 ] || skipped "an image with root's own files needs root"
for tool in qemu-system-aarch64=qemu-system-arm qemu-aarch64-static=qemu-user-static mkfs.ext4=e2fsprogs; do
    command -v "${tool%=*}" >/dev/null || skipped "${tool%=*} is not installed (package ${tool#*=})"
done

# With F the kernel opens the interpreter now, so that it is there in every root; C keeps setuid, O passes the file open.
handlers=/proc/sys/fs/binfmt_misc
mountpoint --quiet $handlers || mount -t binfmt_misc binfmt_misc $handlers || skipped "binfmt_misc cannot be mounted"
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
[ -e $handlers/qemu-aarch64 ] ||
    echo ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):OCF" > $handlers/register

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' collector/__init__.py)
deb="build/package/edge-collector_${version}_all.deb"
[ -e "$deb" ] && [ -z "$(find collector firmware_profiles packaging systemd pyproject.toml README.md -type f ! -name "*.pyc" -newer "$deb")" ] ||
    packaging/build.sh

# The collector's dependencies without their versions, which --include does not know; apt checks them when it installs.
depends=$(field Depends | sed 's/([^)]*)//g; s/ //g; s/,$//')
# A small initrd: the modules of this machine's disk and network.
tar=$(root arm64 --arch=arm64 \
    --include="systemd,systemd-sysv,dbus,udev,initramfs-tools,zstd,e2fsprogs,kmod,linux-image-arm64,$depends" \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"; echo MODULES=list > "$1/etc/initramfs-tools/conf.d/list"
        printf "%s\n" virtio_blk virtio_pci virtio_mmio virtio_net ext4 crc32c_generic > "$1/etc/initramfs-tools/modules"')
tree=$(mktemp -d build/arm64.XXXXXX)
trap 'umount "$tree/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$tree"' EXIT
mkdir "$tree/root"
tar --extract --numeric-owner --directory "$tree/root" --file "$tar"
cp "$deb" "$tree/root/tmp/package.deb"
mount -t proc proc "$tree/root/proc"
chroot "$tree/root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends /tmp/package.deb > "$tree/apt.log" 2>&1 || { cat "$tree/apt.log"; exit 1; }
umount "$tree/root/proc"
echo "installed: $(chroot "$tree/root" dpkg-query --show edge-collector), $(chroot "$tree/root" dpkg --print-architecture)"
python3 -m tests.package.arm64 "$tree" "$@"
