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
    if [ -n "${init:-}" ]; then
        kill -KILL "$init"
        for _ in $(seq 50); do
            if find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null; then break; fi
            sleep 0.1
        done
    fi
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

# soon COMMAND…: succeeds within a minute.
soon() {
    for _ in $(seq 600); do if "$@"; then return; fi; sleep 0.1; done
    fail "not within a minute: $*"
}

# arrive ARCHIVE: comes to the folder of the path unit as GUIDE says, under its name when it is whole.
arrive() { cp "$1" /var/spool/oct/copy; mv /var/spool/oct/copy "/var/spool/oct/$(basename "$1")"; }

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

# boot FOLDER: starts the systemd of that Debian in namespaces of its own, but with this machine's network; then `inside
# COMMAND…` runs a command there. 1 where the kernel or the rights do not allow it.
boot() {
    local root=$1
    groups=/sys/fs/cgroup
    [ ! -d "$groups/unified" ] || groups=$groups/unified
    [ "$(stat -f -c %T "$groups")" = cgroup2fs ] || return 1
    groups=$groups/oct-check-$$
    mkdir "$groups" || return 1
    # shellcheck disable=SC2016 # the variables are those of the inner shell
    (
        echo "$BASHPID" >"$groups/cgroup.procs"
        exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child sh -euc '
            mount --make-rprivate /
            mount --bind "$1" "$1"
            cd "$1"
            mount -t proc proc proc
            mount --bind proc/sys proc/sys
            mount -o remount,bind,ro proc/sys
            mount -t sysfs -o ro sysfs sys
            mount -t cgroup2 cgroup2 sys/fs/cgroup
            mount -t tmpfs -o mode=755 tmpfs dev
            for device in null zero full random urandom tty; do
                touch "dev/$device"
                mount --bind "/dev/$device" "dev/$device"
            done
            mkdir dev/pts dev/shm
            mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
            ln -s pts/ptmx dev/ptmx
            mount -t tmpfs tmpfs dev/shm
            ln -s /proc/self/fd dev/fd
            mount -t tmpfs -o mode=755 tmpfs run
            pivot_root . mnt
            umount -l mnt
            mount --make-rshared /
            exec env -i container=oct PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
        ' boot "$root"
    ) >"$work/boot.log" 2>&1 </dev/null &
    local outer=$!
    stop+=("$outer")
    for _ in $(seq 300); do
        init=$(pgrep -P "$outer" || true)
        if [ -n "$init" ] && inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; then return; fi
        kill -0 "$outer" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/boot.log" >&2
    [ -n "$init" ] || rmdir "$groups"
    return 1
}
inside() {
    nsenter --target "$init" --mount --uts --ipc --pid --cgroup \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TMPDIR=/srv "$@"
}
