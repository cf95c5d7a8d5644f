# shellcheck shell=bash disable=SC2034 # what is set here is read by those who source it
# What the scripts packaging/check* share; they source it after cd to the top of the tree. `work` is a folder that is removed
# at the end, `stop` a list of processes that are ended, `cleanup` a function that may be defined for the rest.

me=$(basename "$0")
work=$(mktemp -d)
chmod 0755 "$work"
step=start
stop=()
say() { step=$1; echo "== $1"; }
fail() { echo "packaging/$me: $1" >&2; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: '$1', not '$2'"; }
finish() {
    status=$?
    set +e
    [ "$status" = 0 ] || { echo "packaging/$me: failed at: $step" >&2; tail -n 20 "$work/said" >&2 2>/dev/null; }
    for process in "${stop[@]}"; do kill "$process" 2>/dev/null; done
    if declare -F cleanup >/dev/null; then cleanup; fi
    rm -rf --one-file-system "$work"
    exit "$status"
}
trap finish EXIT

# code N COMMAND…: ends with that code, and says so else; stdout is in $work/out, stderr in $work/said.
code() {
    local wanted=$1 found=0
    shift
    "$@" >"$work/out" 2>"$work/said" </dev/null || found=$?
    [ "$found" = "$wanted" ] || fail "exit code $found instead of $wanted: $*"
}

# need PACKAGE…: these packages of Debian, where this is root on one.
need() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    local missing=()
    for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
    [ "${#missing[@]}" = 0 ] || {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1
    }
}

# The stand-in, OCT_STANDIN or one that is built here; then serve ARGUMENT… sets `catalog` and `charts`.
standin() {
    if [ -z "${OCT_STANDIN:-}" ]; then
        cargo build --quiet --release --locked -p standin
        OCT_STANDIN=$(realpath "${CARGO_TARGET_DIR:-target}/release/standin")
    fi
    export OCT_STANDIN
}
serve() {
    standin
    : >"$work/urls"
    "$OCT_STANDIN" "$@" >"$work/urls" 2>"$work/standin.log" </dev/null &
    stop+=($!)
    for _ in $(seq 300); do
        if [ "$(wc -l <"$work/urls")" -ge 2 ]; then break; fi
        kill -0 $! 2>/dev/null || { cat "$work/standin.log" >&2; fail "the stand-in has ended"; }
        sleep 0.1
    done
    catalog=$(sed -n 's/^catalog-url //p' "$work/urls")
    charts=$(sed -n 's/^charts-url //p' "$work/urls")
}

# bare FOLDER PACKAGE…: a fresh Debian of the smallest kind, with these packages.
bare() {
    local folder=$1
    shift
    need debootstrap
    mkdir -p /var/cache/apt/archives
    debootstrap --variant=minbase --cache-dir=/var/cache/apt/archives ${1:+"--include=$(IFS=,; echo "$*")"} bookworm "$folder" \
        >"$work/said" 2>&1 || fail "debootstrap did not make $folder"
    echo "127.0.0.1 localhost" >"$folder/etc/hosts"
}

# A podman of its own kind first in PATH, or 1 where podman cannot run: its store is the one that packaging/check-image fills,
# and it asks for no more than a host without systemd gives (no control groups, few open files).
own_podman() {
    need podman crun
    local real
    real=$(command -v podman) || return 1
    mkdir -p "$work/bin"
    cat >"$work/bin/podman" <<SH
#!/bin/sh
if [ "\$1" = run ]; then
    shift
    set -- run --cgroups=disabled --network=host --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "\$@"
fi
# crun takes cgroups of both versions at once for none that it knows.
exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "\$@"' sh \
    "$real" --root "$work/store" --runroot "$work/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file "\$@"
SH
    chmod 0755 "$work/bin/podman"
    PATH=$work/bin:$PATH
    podman info >/dev/null 2>&1
}
