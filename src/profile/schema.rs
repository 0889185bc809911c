//! The keys of the three kinds of file, each with its form and its meaning.

use super::shape::{Field, Shape};
use Shape::{Absolute, Any, Clock, Count, Flag, Free, Lines, List, Map, Mode, Record, Secret, Size, Text, Time, Word};

macro_rules! fields {
    ($($name:literal: $shape:expr, $doc:literal;)*) => { &[$(Field { name: $name, doc: $doc, shape: $shape }),*] };
}

const TEXTS: Shape = List(&Text, "");
const ARCHITECTURES: Shape = List(&Word(&["x86_64", "aarch64"]), "");
const LOADER: Shape = Word(&["grub2-efi", "grub2-bios", "systemd-boot"]);
const FORMATS: Shape = List(&Word(&["raw", "qcow2", "raw.xz", "raw.zst"]), "");
const ADDRESS: Shape = Any(&[
    Word(&["auto", "off"]),
    Record(fields! {
        "address": Text, "Address with its prefix length";
        "gateway": Text, "Default gateway";
        "dns": TEXTS, "Name servers";
    }),
]);

const DISK: Shape = Record(fields! {
    "table": Word(&["gpt", "mbr"]), "Partition table";
    "size": Any(&[Word(&["auto"]), Size]), "Virtual size of the disk; `auto`: content and `free`";
    "free": Size, "Room beyond the content where the size is `auto`";
    "partitions": List(&Record(fields! {
        "name": Text, "Its name, in the table where that holds one";
        "type": Text, "`bios-boot`, `esp`, `root`, or the type byte of an MBR such as `\"0x0c\"`";
        "filesystem": Word(&["fat", "btrfs"]), "File system";
        "label": Text, "Label of the file system";
        "size": Size, "Size; only the last partition may go without and takes the rest";
        "mount": Absolute, "Where it is mounted";
        "options": TEXTS, "Mount options";
        "quota": Any(&[Word(&["auto"]), Flag]), "Quota groups of the btrfs; `auto` is on";
    }), "name"), "Partitions in disk order";
});

const BOOTLOADER: Shape = Record(fields! {
    "kind": List(&LOADER, ""), "Boot loaders to install; each asks for the role `bootloader.KIND`";
    "file": Text, "The EFI program's name on the ESP; default: the architecture's name for removable media";
    "secure_boot": Flag, "Whether the signed chain is installed";
    "timeout": Count(3600), "Seconds that the menu waits";
});

const EMULATE: Shape = Record(fields! {
    "machine": Text, "QEMU's machine type";
    "memory": Size, "Memory";
    "kernel": Text, "A file of the first partition that QEMU loads itself";
    "pad": Word(&["power-of-two"]), "How the disk is padded for QEMU";
});

/// `kind: profile`.
pub(super) const PROFILE: Shape = Record(fields! {
    "kind": Word(&["profile"]), "`profile`, first in the file";
    "name": Text, "The file's name without `.yaml`";
    "summary": Text, "One line for `rowi profiles`";
    "extends": TEXTS, "Profiles that this one builds on, names or paths; later ones win over earlier ones, this file over all";
    "final": TEXTS, "Keys that a child may not change";
    "distribution": Text, "The distribution if `--distribution` says none: a name or a path";
    "platform": Text, "The platform if `--platform` says none: a name or a path";
    "version": Text, "The image's version, quoted; `auto`: VERSION_ID of the installed system, else the epoch's date";
    "packages": Record(fields! {
        "roles": TEXTS, "What the machine is for; the distribution turns each role into packages";
        "install": TEXTS, "`name`, `name >= 1.2`, `/file`, `pattern:NAME` or a capability";
        "exclude": TEXTS, "Inherited requests (packages or roles) to drop";
        "forbid": TEXTS, "Packages that the solver may not install for anyone";
        "recommends": Flag, "Whether recommended packages are installed too";
        "docs": Flag, "Whether files marked as documentation are installed";
        "locales": Any(&[Word(&["all"]), TEXTS]), "Languages whose files are installed";
    }), "What is installed";
    "fallback": Map(&TEXTS), "Role → roles that stand in for it where the distribution lacks it";
    "layout": Record(fields! {
        "root": Text, "`read-only`, the only value in this version";
        "etc": Word(&["auto", "subvolume", "overlay", "plain"]), "How `/etc` is kept: a subvolume in its snapshot; an overlay over the snapshot's, whose changes lie in `/var/lib/overlay`; `plain`, a read-only part of it; `auto`: as the distribution does";
        "subvolumes": List(&Record(fields! {
            "path": Absolute, "Where it is mounted";
            "nodatacow": Flag, "Without copy-on-write";
        }), "path"), "Subvolumes beside the root; `/.snapshots` and GRUB's are implied";
        "tmp": Word(&["tmpfs", "disk"]), "What `/tmp` is";
        "compression": Text, "`\"zstd:LEVEL\"` of the writer, or `none`";
    }), "Subvolumes and how they are kept";
    "disk": DISK, "Changes to the platform's disk";
    "bootloader": BOOTLOADER, "Changes to the platform's boot loader";
    "consoles": TEXTS, "Consoles beside the platform's";
    "formats": FORMATS, "Results beside the platform's";
    "selinux": Word(&["enforcing", "permissive", "off"]), "SELinux";
    "locale": Text, "`LANG`";
    "timezone": Text, "Name in the tz database";
    "keymap": Text, "Key map of the console";
    "hostname": Text, "Host name; `\"\"`: DHCP names each machine";
    "time": Record(fields! { "servers": TEXTS, "NTP servers; `[]`: the distribution's"; }), "Time";
    "ca_certificates": List(&Lines, ""), "Certificates of authorities in PEM: files, or the text itself";
    "ssh": Record(fields! {
        "enabled": Flag, "Whether sshd runs";
        "root_login": Word(&["keys-only", "password", "off"]), "How root may log in by ssh";
        "password_login": Flag, "Whether passwords are accepted";
    }), "sshd";
    "access": Word(&["auto", "none"]), "`none` accepts an image that nobody can log in to";
    "network": Record(fields! {
        "connections": List(&Record(fields! {
            "name": Text, "Its name and the keyfile's";
            "type": Word(&["ethernet", "wifi", "vlan", "bridge"]), "Kind of connection";
            "interface": Text, "Interface name";
            "mac": Text, "Hardware address";
            "ipv4": ADDRESS, "IPv4: `auto`, `off`, or an address";
            "ipv6": ADDRESS, "IPv6: `auto`, `off`, or an address";
            "ssid": Text, "Name of the wireless network";
            "psk": Secret, "Passphrase of the wireless network";
            "country": Text, "Regulatory domain: two letters, quoted";
        }), "name"), "NetworkManager connections";
        "proxy": Text, "Proxy for the whole system";
    }), "Network";
    "users": Map(&Record(fields! {
        "password": Word(&["locked"]), "`locked`: no password";
        "password_hash": Secret, "A crypt(3) hash";
        "ssh_keys": List(&Lines, ""), "Public keys, or files of them";
        "groups": TEXTS, "Supplementary groups";
        "sudo": Word(&["none", "password", "nopasswd"]), "Whether the user may become root";
        "uid": Count(65_533), "Numeric id";
        "shell": Absolute, "Login shell";
        "linger": Flag, "Whether the user's services run without a login";
        "subids": Flag, "Whether the user gets subordinate ids";
    })), "Users by name";
    "container": Record(fields! {
        "runtimes": List(&Word(&["podman", "docker", "cri-o", "containerd", "lxc"]), ""), "Container runtimes to configure and enable";
        "low_level": Word(&["crun", "runc"]), "What starts containers for the runtime";
        "storage": Record(fields! {
            "driver": Word(&["overlay", "btrfs", "vfs"]), "How images and containers are kept";
            "path": Absolute, "The folder below which each runtime keeps them, on a subvolume that can be written to";
        }), "Images and containers on disk";
        "logs": Record(fields! {
            "driver": Word(&["journald", "file", "none"]), "Where goes what containers write";
            "max_size": Size, "How large a file gets";
            "max_files": Count(1000), "How many files docker keeps of one container";
        }), "What containers write";
        "seccomp": Text, "Which system calls containers may use: a profile's path in the image, or `unconfined`";
        "userns": Word(&["host", "auto"]), "`auto`: each container has users of its own";
        "rootless_network": Word(&["pasta", "slirp4netns"]), "How the network of containers without root is made";
        "prune": Record(fields! {
            "schedule": Text, "When: a systemd calendar expression";
            "older_than": Time, "How old they are at least; default `168h`";
        }), "Removes images that no container needs";
        "quadlets": List(&Record(fields! {
            "name": Text, "`web.container`, `app.pod`, `app.kube`, `data.volume`, …";
            "content": Lines, "The text itself";
            "source": Text, "A file beside the profile";
        }), "name"), "Containers and pods that start at boot: podman-systemd.unit(5)";
    }), "Containers";
    "registries": Record(fields! {
        "search": TEXTS, "Registries for names without one";
        "short_names": Word(&["enforcing", "permissive", "disabled"]), "What is done with such a name: ask or refuse, ask or search, search";
        "mirrors": Map(&TEXTS), "Registry, or a path in it → what is asked first, in this order; images keep their names";
        "insecure": TEXTS, "Registries and mirrors that are reached by HTTP, or with any certificate";
        "blocked": TEXTS, "Registries, or paths in them, from which nothing is pulled";
        "credentials": Map(&Secret), "Registry → `user:password`, for the build";
        "in_image": Flag, "Whether credentials are left in the image";
        "verify": Map(&Record(fields! {
            "keys": List(&Absolute, ""), "Public keys in the image: of OpenPGP, or of sigstore (`.pem`, `.pub`)";
            "lookaside": Text, "Address below which signatures of OpenPGP lie";
        })), "Registry, or a path in it → what its images are signed with; others are refused";
        "verify_only": Flag, "Whether images of all other registries are refused";
    }), "Container registries";
    "preload": List(&Any(&[Text, Record(fields! {
        "image": Text, "Where it is";
        "name": Text, "Its name in the image: registry, name and tag; default: its own";
        "digest": Text, "`sha256:…` of its manifest, or of the index that lists it";
    })]), "image"), "Container images inside the image: `control-plane`, a reference, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`";
    "kubernetes": Record(fields! {
        "node": Word(&["unconfigured", "off"]), "`unconfigured`: kubelet enabled, kubeadm not run";
        "config": Map(&Free), "Kind → document of kubeadm's configuration, in /etc/kubernetes/kubeadm.yaml; without tokens";
    }), "Kubernetes";
    "logging": Record(fields! {
        "forward": Record(fields! {
            "to": Text, "Host, and perhaps a port: `logs.example.lan:514`";
            "protocol": Word(&["tcp", "relp", "journal"]), "syslog over TCP, RELP, or the journal itself; default `tcp`";
        }), "Where everything that is logged is sent";
    }), "Logs";
    "services": Record(fields! {
        "enable": TEXTS, "Units to enable, by preset; with `display-manager.service` the machine starts into `graphical.target`";
        "disable": TEXTS, "Units to disable, by preset";
        "mask": TEXTS, "Units to mask";
    }), "Services";
    "kernel_arguments": TEXTS, "Kernel arguments after the platform's";
    "sysctl": Map(&Any(&[Count(u32::MAX), Text])), "Kernel parameters";
    "modules": TEXTS, "Kernel modules to load at boot";
    "files": List(&Record(fields! {
        "path": Absolute, "Where it lies in the image";
        "content": Lines, "The text itself";
        "source": Text, "A file beside the profile";
        "link": Text, "Target of a symbolic link";
        "mode": Mode, "Permission bits; default `\"0644\"`";
        "owner": Text, "Owner; default root";
        "group": Text, "Group; default root";
    }), "path"), "Single files, after the overlays";
    "overlays": TEXTS, "Folders laid over the root: root:root, 0755 or 0644 by the execute bit";
    "scripts": List(&Record(fields! {
        "run": Text, "A program beside the profile";
        "at": Word(&["packages", "last"]), "After the last package, or after all configuration";
    }), "run"), "Programs run inside the root, without network";
    "checks": List(&Record(fields! {
        "name": Text, "What the table shows";
        "run": Lines, "A shell command; exit status 0 passes";
        "within": Time, "How long it is tried";
        "after": Word(&["boot", "update", "rollback"]), "When it runs";
    }), "name"), "Checks inside the machine, by `rowi boot --check`";
    "first_boot": Record(fields! {
        "sources": List(&Word(&["combustion", "ignition", "credentials"]), ""), "Who may configure the machine";
        "wizard": Any(&[Word(&["auto"]), Flag]), "The wizard on the console; `auto`: where the profile lets nobody in";
        "machine_id": Word(&["uninitialized", "absent"]), "What `/etc/machine-id` is before the first boot";
        "grow": Flag, "Whether the last partition grows to the disk";
    }), "First boot";
    "update": Record(fields! {
        "method": Word(&["dup", "up", "patch", "off"]), "How the system updates itself";
        "schedule": Text, "systemd calendar expression";
        "random_delay": Time, "Spread of the start";
        "reboot": Record(fields! {
            "method": Word(&["rebootmgr", "kured", "systemd", "off"]), "What reboots after an update";
            "window": Clock, "Start of the maintenance window";
            "duration": Time, "Length of the maintenance window";
        }), "Reboots after updates";
        "health": Flag, "Whether a failed boot is rolled back";
        "keep": Record(fields! {
            "snapshots": Text, "How many snapshots snapper keeps, from-to";
            "important": Text, "How many important ones, from-to";
        }), "Old snapshots";
        "repositories": Any(&[Word(&["distribution"]), List(&Record(fields! {
            "alias": Text, "Its name in `/etc/zypp/repos.d`";
            "url": Text, "`https:`, `http:`, `file:` or `dir:`";
            "verify": Word(&["repository", "packages", "checksums"]), "What must be signed; default `repository`";
            "priority": Count(200), "1 is asked first; default 99";
            "username": Text, "Whom the repository asks for";
            "password": Secret, "And the password, for root alone in `/etc/zypp/credentials.d`";
        }), "alias")]), "Where the machine's updates come from: the distribution's, or these in their place; a CA of their own: `ca_certificates`";
    }), "Automatic updates";
    "image": Record(fields! {
        "name": Text, "Template of the results' names";
        "identity": Absolute, "File that says which image a machine is";
    }), "The image's name";
});

/// `kind: platform`.
pub(super) const PLATFORM: Shape = Record(fields! {
    "kind": Word(&["platform"]), "`platform`, first in the file";
    "name": Text, "The file's name without `.yaml`";
    "summary": Text, "One line for `rowi profiles`";
    "architectures": ARCHITECTURES, "Processors that it has";
    "roles": TEXTS, "What it needs; the distribution turns each role into packages";
    "disk": DISK, "The disk";
    "firmware": Record(fields! {
        "require": TEXTS, "Files that must be on the first partition";
        "write": Map(&Lines), "Files to write there: name → text";
    }), "The firmware's files on the first partition";
    "bootloader": BOOTLOADER, "The boot loader";
    "consoles": TEXTS, "Kernel consoles; the last is /dev/console";
    "kernel_arguments": TEXTS, "Kernel arguments before the profile's";
    "initrd": Record(fields! { "drivers": TEXTS, "Drivers that the initrd must have"; }), "The initrd";
    "formats": FORMATS, "Results to write";
    "emulate": EMULATE, "How `rowi boot` emulates it";
});

const REPOSITORY: Shape = Record(fields! {
    "alias": Text, "Its name in messages, the lock and `/etc/zypp/repos.d`";
    "url": Text, "`https:`, `http:`, `file:` or `dir:`; variables allowed";
    "build": Flag, "Whether packages are taken from it now; default true";
    "on_image": Word(&["enabled", "disabled", "absent"]), "How it is left on the machine; default absent";
    "verify": Word(&["repository", "packages", "checksums"]), "What must be signed";
    "priority": Count(200), "1 is asked first; default 99";
    "history": Text, "Address of a dated state, used where `variables.snapshot` is set; give one an architecture";
});

/// `kind: distribution`.
pub(super) const DISTRIBUTION: Shape = Record(fields! {
    "kind": Word(&["distribution"]), "`distribution`, first in the file";
    "name": Text, "The file's name without `.yaml`";
    "summary": Text, "One line for `rowi profiles`";
    "variables": Map(&Text), "Values for `${name}` in addresses and package names";
    "repositories": List(&REPOSITORY, "alias"), "Where packages come from";
    "keys": List(&Record(fields! {
        "fingerprint": Text, "Primary fingerprint";
        "fetch": Text, "Where the key is: below each repository, or a file beside this one";
    }), "fingerprint"), "Keys that may sign";
    "traits": Record(fields! {
        "default_subvolume_boot": Flag, "Whether its GRUB follows the btrfs default subvolume";
        "etc": Word(&["subvolume", "overlay", "plain"]), "How it expects `/etc`";
        "rpmdb": Word(&["sqlite", "ndb"]), "Its rpm's database, until the macros of the rpm that is installed say it; default `sqlite`";
        "own_accounts": Flag, "Whether its rpm makes no accounts of `user(NAME)` provides (`%__systemd_sysusers` is unset): scriptlets do";
    }), "Its habits";
    "environment": Map(&Text), "Variables added to a scriptlet's environment";
    "allowed_failures": List(&Record(fields! {
        "package": Text, "The package";
        "scriptlet": Text, "`%post`, `%posttrans`, …";
        "reason": Text, "Why the failure does no harm";
    }), "package"), "Scriptlets known to fail";
    "paths": Map(&Text), "Paths that differ between distributions, by use";
    "roles": Map(&Any(&[TEXTS, Record(fields! {
        "absent": Text, "Why the distribution has no such thing";
        "overlay": Text, "What stands in for it, where no package of the role's name is asked for";
    })])), "Role → packages, or `{absent: reason}`";
    "overlays": TEXTS, "Folders laid over the root of every image, before the profile's";
    "boot_files": Map(&List(&Record(fields! {
        "from": Absolute, "A folder or file of the root; `{version}` is the newest kernel's";
        "to": Text, "A folder of the first partition";
    }), "from")), "Platform → installed files that its firmware partition gets";
    "native": Record(fields! {
        "packages": TEXTS, "Packages whose programs run as the builder's own where the root is for another machine";
        "libraries": List(&Absolute, ""), "Folders below `/usr` with this architecture's libraries";
        "emulated": List(&Absolute, ""), "Programs that are emulated all the same: they tell or need the architecture";
    }), "What a builder of another architecture need not emulate";
});

/// What every profile starts from.
pub(super) const DEFAULTS: &str = "\
summary: ''
version: auto
packages: {recommends: false, docs: false, locales: all}
layout: {root: read-only, etc: auto, tmp: tmpfs, compression: 'zstd:3'}
selinux: off
locale: C.UTF-8
timezone: UTC
keymap: us
hostname: ''
access: auto
ssh: {enabled: false, root_login: keys-only, password_login: false}
first_boot: {sources: [], wizard: auto, machine_id: uninitialized, grow: false}
image: {name: '{profile}-{platform}.{arch}-{version}'}
";

/// What every platform starts from.
pub(super) const PLATFORM_DEFAULTS: &str = "\
disk: {table: gpt, size: auto, free: 512M}
bootloader: {secure_boot: false, timeout: 3}
formats: []
";
