#!/bin/bash
# dracut module: before a new snapshot's system starts, its /etc gets what changed since it was made.

check() {
    require_binaries rsync || return 1
}

depends() {
    echo btrfs
}

install() {
    inst_multiple rsync sed mkdir mount umount mv rm rmdir cat
    # shellcheck disable=SC2154
    inst_hook pre-pivot 50 "$moddir/rowi-etc.sh"
}
