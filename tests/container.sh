#!/usr/bin/env bash
# The container as packaging/container/Containerfile has it: built, then run as it says, with a read-only root, as nobody
# in particular, without capabilities, under our seccomp profile. Leaves nothing behind. Needs root, mmdebstrap (for the
# base image, from the host's own mirror), buildah, podman and runc; exits with 77 (skipped) where that cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped() {
    echo "SKIPPED: the container: $*" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || skipped "needs root"
for tool in mmdebstrap buildah podman runc; do
    command -v "$tool" >/dev/null || skipped "$tool is not installed"
done

scratch=$(mktemp -d)
name="edge-collector-test-$$"
store=(--storage-driver vfs --root "$scratch/store" --runroot "$scratch/run")
podman() { command podman "${store[@]}" --runtime runc --cgroup-manager cgroupfs "$@"; }
trap 'podman rm --force "$name" >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT

echo "base image"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' 2>/dev/null | sort -u | head -n 1 || true)
{ apt-config dump || true; } | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' > "$scratch/apt.conf" || true
mmdebstrap --quiet --variant=apt --aptopt="$scratch/apt.conf" trixie "$scratch/base.tar" ${mirror:+"$mirror"}
base=$(buildah "${store[@]}" from scratch)
buildah "${store[@]}" add --quiet "$base" "$scratch/base.tar" / >/dev/null
buildah "${store[@]}" commit --quiet "$base" localhost/base >/dev/null
rm "$scratch/base.tar"

echo "build"
buildah "${store[@]}" build --quiet --isolation chroot --build-arg BASE=localhost/base \
    --file packaging/container/Containerfile --tag edge-collector . > "$scratch/build.log" 2>&1 ||
    { cat "$scratch/build.log" >&2; exit 1; }

mkdir --mode=755 "$scratch/etc"
cat > "$scratch/etc/collector.toml" <<'TOML'
sources.host = { type = "host", interval = "200ms" }
sinks.archive = { type = "file", path = "/var/lib/edge-collector/readings.jsonl" }
TOML
chmod 644 "$scratch/etc/collector.toml"
options=(
    --name "$name" --network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024
    --read-only --cap-drop=all --security-opt=no-new-privileges
    --security-opt=seccomp=packaging/container/seccomp.json
    --volume="$scratch/etc:/etc/edge-collector:ro" --volume="$name:/var/lib/edge-collector"
    --tmpfs=/run/edge-collector:size=8m,mode=0700,U
)

echo "run"
podman run --rm "${options[@]}" edge-collector check > "$scratch/check" 2>&1 || {
    grep -q '\[sources.host\]' "$scratch/check" && { cat "$scratch/check" >&2; exit 1; }
    skipped "built, but podman cannot run containers here: $(tail -n 1 "$scratch/check")"
}
podman run --detach "${options[@]}" edge-collector > /dev/null
cat > "$scratch/look.py" <<'PY'
import json, os, time, urllib.request

def get(path):
    return urllib.request.urlopen(f"http://127.0.0.1:8080{path}", timeout=5).read().decode()

for attempt in range(100):
    try:
        ready = get("/readyz?verbose")
        status = json.loads(get("/status"))
        if status["sinks"]["archive"]["ledger"]["delivered"] > 5:
            break
    except OSError:
        pass
    time.sleep(0.2)
else:
    raise SystemExit("it never delivered anything")
process = dict(line.split(":\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\t" in line)
print(ready.splitlines()[-2], "journal", status["spool"]["journal"], "VmRSS", process["VmRSS"].strip())
assert process["Uid"].split() == ["10001"] * 4, process["Uid"]
assert not any(int(process[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")), "capabilities"
assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
assert os.statvfs("/").f_flag & os.ST_RDONLY, "the root can be written"
assert "(in memory)" in status["spool"]["journal"], status["spool"]["journal"]
assert status["sinks"]["archive"]["ledger"]["remainder"] == 0
PY
podman exec --interactive "$name" python3 - < "$scratch/look.py"

ended() {
    [ "$(podman wait "$name")" = "$1" ] || { podman logs "$name" >&2; echo "did not end with $1" >&2; exit 1; }
}
podman kill --signal=HUP "$name" >/dev/null
ended 75
podman start "$name" >/dev/null
podman exec --interactive "$name" python3 - < "$scratch/look.py" >/dev/null
podman stop --time 20 "$name" >/dev/null
ended 0
echo "ok: read-only root, user 10001, no capabilities; reload ends with 75, stop with 0"
