#!/bin/sh
# Installs oct from the files of a release, which lie beside this script. It verifies before it copies: the signature of
# SHA256SUMS by the key you name, then the tarball. It downloads nothing, and needs a shell, tar, gzip and sha256sum.
set -eu
umask 022

usage() {
    cat <<'TEXT'
Usage: sh install.sh [--key FILE | --checksum-only] [--prefix DIR] [--machine NAME]
       sh install.sh --remove [--prefix DIR]

  --key FILE        the publisher's minisign key, from a source that you trust; minisign or openssl 3 verifies with it
  --checksum-only   no signature is verified: SHA256SUMS finds damage, not a forger. For a folder that you trust otherwise
  --prefix DIR      where to: DIR/bin/oct and DIR/share; for root /usr/local, else ~/.local
  --machine NAME    x86_64 or aarch64, for another machine than this one
  --remove          removes what an earlier run copied
TEXT
}
say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

key='' checksum_only='' prefix='' machine=$(uname -m) remove=''
while [ $# -gt 0 ]; do
    case $1 in
        --key | --prefix | --machine) [ $# -ge 2 ] || { usage >&2; exit 2; } ;;
    esac
    case $1 in
        --key) key=$2; shift ;;
        --prefix) prefix=$2; shift ;;
        --machine) machine=$2; shift ;;
        --checksum-only) checksum_only=yes ;;
        --remove) remove=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
user=$(id -u)
if [ -z "$prefix" ]; then
    if [ "$user" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
fi
case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
list=$prefix/share/oct/installed

if [ -n "$remove" ]; then
    [ -r "$list" ] || fail "nothing to remove: there is no $list"
    while IFS= read -r file; do
        case $file in *..*) fail "$list names $file" ;; esac
        rm -f "$prefix/$file"
    done <"$list"
    rm -f "$list"
    rmdir "$prefix/share/oct" "$prefix/share/doc/oct/schemas" "$prefix/share/doc/oct" 2>/dev/null || true
    say "Removed oct from $prefix."
    exit 0
fi

# The script verifies its own copy, which nobody else can change, and unpacks that copy.
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
set -- "$here"/oct-*-"$machine".tar.gz
if [ $# != 1 ] || [ ! -f "$1" ]; then fail "beside this script there has to be one oct-*-$machine.tar.gz"; fi
tarball=$(basename "$1")
[ -f "$here/SHA256SUMS" ] || fail "SHA256SUMS is missing beside this script"
cp "$here/$tarball" "$here/SHA256SUMS" "$work/"
if [ -f "$here/SHA256SUMS.minisig" ]; then cp "$here/SHA256SUMS.minisig" "$work/"; fi

# A minisign signature is Ed25519 over the BLAKE2b-512 of the file; openssl 3 has both.
openssl_can() {
    command -v openssl >/dev/null && openssl pkeyutl -help 2>&1 | grep -q -e -rawin &&
        printf x | openssl dgst -blake2b512 >/dev/null 2>&1
}
bytes() { tail -c "+$1" | head -c "$2"; } # FIRST COUNT
openssl_verify() {
    sed -n 2p "$key" | openssl base64 -d -A >"$work/key"
    [ "$(wc -c <"$work/key")" -eq 42 ] || fail "$key is no minisign key"
    sed -n 2p "$work/SHA256SUMS.minisig" | openssl base64 -d -A >"$work/signature"
    [ "$(wc -c <"$work/signature")" -eq 74 ] && [ "$(bytes 1 2 <"$work/signature")" = ED ] || return 1
    bytes 3 8 <"$work/key" >"$work/id1"
    bytes 3 8 <"$work/signature" >"$work/id2"
    cmp -s "$work/id1" "$work/id2" || return 1
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; bytes 11 32 <"$work/key"; } >"$work/key.der"
    bytes 11 64 <"$work/signature" >"$work/signature.bin"
    openssl dgst -blake2b512 -binary "$work/SHA256SUMS" >"$work/digest"
    openssl pkeyutl -verify -pubin -inkey "$work/key.der" -keyform DER -rawin -in "$work/digest" \
        -sigfile "$work/signature.bin" >/dev/null 2>&1
}
if [ -n "$checksum_only" ]; then
    [ -z "$key" ] || fail "--key and --checksum-only exclude each other"
    say "Not verified: the signature (--checksum-only)."
elif [ -z "$key" ]; then
    fail "no key is named, so nothing was copied. Name the publisher's key, from a source that you trust: --key FILE.
  A key that came with these files proves nothing until you compared it. --checksum-only goes without."
else
    [ -r "$key" ] || fail "the key $key cannot be read"
    [ -f "$work/SHA256SUMS.minisig" ] || fail "SHA256SUMS.minisig is missing beside this script: nothing was copied"
    if command -v minisign >/dev/null; then
        with=minisign
        minisign -qVm "$work/SHA256SUMS" -p "$key" >/dev/null 2>&1 || with=
    elif openssl_can; then
        with=openssl
        openssl_verify || with=
    else
        fail "this host has neither minisign nor openssl 3, so the signature cannot be verified: nothing was copied.
  Install one of them, or verify on another host:
    minisign -Vm SHA256SUMS -p $key
  and then run this script with --checksum-only."
    fi
    [ -n "$with" ] || fail "SHA256SUMS is not signed by $key: nothing was copied"
    say "Verified: SHA256SUMS is signed by $key (by $with)."
fi
(cd "$work" && grep -F "  $tarball" SHA256SUMS >wanted && [ "$(wc -l <wanted)" -eq 1 ] && sha256sum -c wanted >/dev/null 2>&1) ||
    fail "$tarball is not what SHA256SUMS says: nothing was copied"
say "Verified: $tarball has the checksum of SHA256SUMS."

gzip -dc "$work/$tarball" | tar -xf - -C "$work"
tree=$work/${tarball%.tar.gz}
if [ "$machine" = "$(uname -m)" ]; then
    version=$("$tree/usr/bin/oct" --version) || fail "the binary does not run here: nothing was copied"
else
    version="oct for $machine"
fi
# As /usr/local has it: units call the program where it is, zsh looks into site-functions.
mkdir "$tree/usr/share/zsh/site-functions"
mv "$tree/usr/share/zsh/vendor-completions/_oct" "$tree/usr/share/zsh/site-functions/_oct"
for unit in "$tree"/usr/lib/systemd/system/*; do
    sed "s,/usr/bin/oct,$prefix/bin/oct,g" "$unit" >"$work/unit"
    cat "$work/unit" >"$unit"
done
if [ "$user" != 0 ]; then rm -r "$tree/usr/lib"; fi
(cd "$tree/usr" && find . -type f | sed 's,^\./,,' | sort) >"$work/files"
mkdir -p "$prefix/share/oct"
# What an earlier version had and this one has not is removed in the end.
if [ -r "$list" ]; then sort "$list" | comm -23 - "$work/files" >"$work/old"; else : >"$work/old"; fi
while IFS= read -r file; do
    mkdir -p "$prefix/$(dirname "$file")"
    cp "$tree/usr/$file" "$prefix/$file.new"
    mv -f "$prefix/$file.new" "$prefix/$file"
done <"$work/files"
cp "$work/files" "$list.new" && mv -f "$list.new" "$list"
while IFS= read -r file; do
    case $file in *..*) ;; *) rm -f "$prefix/$file" ;; esac
done <"$work/old"
if [ "$user" = 0 ]; then
    mkdir -p /etc/oct/trusted.d
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
fi
say "Installed $version: $prefix/bin/oct"
case :$PATH: in *:"$prefix/bin":*) ;; *) say "$prefix/bin is not in your PATH." ;; esac
