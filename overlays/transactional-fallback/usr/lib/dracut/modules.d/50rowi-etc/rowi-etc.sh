#!/bin/sh
# Before a new snapshot's system starts: what the system that made it changed in its own /etc afterwards is taken over.
# Done once: etc.before goes away when it is complete, and what is done twice by a lost power ends the same. In a shell of
# its own, since dracut sources its hooks.

rowi_etc() (
    device='' options=''
    while read -r source place _ words _; do
        [ "$place" = /sysroot ] && device=$source options=$words
    done </proc/mounts
    number=${options#*subvol=/@/.snapshots/}
    number=${number%%/*}
    top=/run/rowi-top

    merge() {
        at=$top/@/.snapshots/$number
        [ -d "$at/etc.before" ] || return 0
        parent=$(cat "$at/etc.parent") && now=$top/@/.snapshots/$parent/snapshot/etc new=$at/snapshot/etc
        upper=$top/@/var/lib/overlay/$parent/etc
        if [ -d "$upper" ]; then
            # That system's /etc is a layer over its snapshot's; this one's is mounted already.
            mkdir -p /run/rowi-etc
            mount -t overlay -o "ro,lowerdir=$upper:$now" overlay /run/rowi-etc || return 1
            now=/run/rowi-etc new=/sysroot/etc
        fi
        if [ -d "$now" ]; then
            rsync -aAX --dry-run --delete --out-format='%i %n' "$now/" "$at/etc.before/" >/run/rowi-etc.list || return 1
            sed -n 's/^\*deleting *//p' /run/rowi-etc.list | while read -r name; do
                case $name in
                */) rmdir "$new/$name" 2>/dev/null ;;
                *) rm -f "$new/$name" ;;
                esac
            done
            sed '/^\*deleting/d; s/^[^ ]* //' /run/rowi-etc.list | rsync -aAX --files-from=- "$now/" "$new/" || return 1
            [ ! -d "$upper" ] || sed -i "s#/overlay/[0-9]*/etc#/overlay/$number/etc#" "$new/fstab"
        fi
        mv "$at/etc.before" "$at/etc.merged"
    }

    case $number in
    '' | *[!0-9]*) ;;
    *)
        mkdir -p $top
        if mount -t btrfs -o subvolid=5 "$device" $top; then
            merge || echo "rowi-etc: changes of /etc are not taken over" >/dev/kmsg
            umount /run/rowi-etc 2>/dev/null
            umount $top
        fi
        ;;
    esac
)

rowi_etc
