//! What scriptlets leave that differs between two runs, machines or days is taken away; each line says why.
//!
//! What identifies a machine is removed, never made the same: an image must not carry a key that others have too.

use crate::{
    selinux::XATTR,
    tree::{Content, Kind, RelPath, Time, Tree},
    units::Epoch,
};

enum Change {
    /// The node goes, with everything below it.
    Remove,
    /// Everything below the folder goes, itself stays.
    Clear,
    /// Files keep their owner and mode and lose their bytes.
    Empty,
}
use Change::{Clear, Empty, Remove};

/// Paths (`*` stands for any bytes of one name), what happens, and why.
const RULES: &[(&str, Change, &str)] = &[
    ("run", Clear, "a tmpfs on the running system"),
    ("tmp", Clear, "scriptlets' own temporary files"),
    ("var/tmp", Clear, "scriptlets' own temporary files"),
    ("var/cache/ldconfig/aux-cache", Remove, "holds inode numbers and change times"),
    ("var/log", Empty, "logs of the build: times and process ids"),
    ("etc/passwd-", Remove, "shadow's backup: depends on how often it was called"),
    ("etc/group-", Remove, "shadow's backup"),
    ("etc/shadow-", Remove, "shadow's backup"),
    ("etc/gshadow-", Remove, "shadow's backup"),
    ("etc/subuid-", Remove, "shadow's backup"),
    ("etc/subgid-", Remove, "shadow's backup"),
    ("etc/.pwd.lock", Remove, "a lock"),
    ("var/cache/debconf/*-old", Remove, "debconf's backup of its own files"),
    ("var/lib/dpkg/*-old", Remove, "dpkg's backup of its own files"),
    ("var/lib/ucf/*.[0-9]", Remove, "ucf's rotated backups"),
    ("usr/lib/sysimage/rpm/.rpm.lock", Remove, "a lock"),
    ("var/lib/rpm/.rpm.lock", Remove, "a lock"),
    ("etc/machine-id", Remove, "identifies a machine; `system` writes what the first boot expects"),
    ("var/lib/dbus/machine-id", Remove, "identifies a machine"),
    ("var/lib/systemd/random-seed", Remove, "a seed that others know is none"),
    ("var/lib/systemd/credential.secret", Remove, "a secret of one machine"),
    ("etc/ssh/ssh_host_*", Remove, "private keys of one machine"),
    ("etc/ssl/private/ssl-cert-snakeoil.key", Remove, "a private key of one machine"),
    ("etc/ssl/certs/ssl-cert-snakeoil.pem", Remove, "the certificate of that key"),
    ("etc/nvme/hostnqn", Remove, "identifies a machine"),
    ("etc/nvme/hostid", Remove, "identifies a machine"),
    ("etc/iscsi/initiatorname.iscsi", Remove, "identifies a machine"),
    ("etc/hostid", Remove, "identifies a machine"),
    ("var/lib/NetworkManager/secret_key", Remove, "a secret of one machine"),
    ("etc/docker/key.json", Remove, "a private key of one machine"),
];

/// Applies the list, makes every time after the epoch the epoch, and takes away the labels that the host's own SELinux
/// gave the files while they were made.
pub fn normalise(tree: &mut Tree, epoch: Epoch) {
    for (pattern, change, _reason) in RULES {
        let hits: Vec<RelPath> =
            tree.iter().map(|(path, _)| path).filter(|path| matches(pattern, path)).cloned().collect();
        for hit in hits {
            match change {
                Remove => tree.remove(&hit),
                Clear => clear(tree, &hit),
                Empty => empty(tree, &hit),
            }
        }
    }
    let newest = Time { seconds: epoch.0, nanos: 0 };
    for (_, node) in tree.iter_mut() {
        node.mtime = node.mtime.min(newest);
        node.xattrs.remove(XATTR);
    }
}

fn clear(tree: &mut Tree, folder: &RelPath) {
    let inside: Vec<RelPath> = tree.children(folder).map(|(path, _)| path.clone()).collect();
    for path in inside {
        tree.remove(&path);
    }
}

fn empty(tree: &mut Tree, folder: &RelPath) {
    for (path, node) in tree.iter_mut() {
        if let Kind::File { content, link } = &mut node.kind
            && path.starts_with(folder)
        {
            (*content, *link) = (Content::from(Vec::new()), None);
        }
    }
}

/// Name by name; see [`RULES`].
fn matches(pattern: &str, path: &RelPath) -> bool {
    let mut names = path.as_bytes().split(|&byte| byte == b'/');
    pattern.split('/').all(|part| names.next().is_some_and(|name| name_matches(part.as_bytes(), name)))
        && names.next().is_none()
}

/// `*` for any bytes, `[0-9]` for one digit; the patterns are ours and short.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"*") {
        return (0..=name.len()).any(|at| name_matches(rest, &name[at..]));
    }
    if let Some(rest) = pattern.strip_prefix(b"[0-9]") {
        return name.first().is_some_and(u8::is_ascii_digit) && name_matches(rest, &name[1..]);
    }
    match (pattern.split_first(), name.split_first()) {
        (Some((wanted, pattern)), Some((byte, name))) => wanted == byte && name_matches(pattern, name),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    #[test]
    fn what_differs_between_runs_goes_and_the_rest_stays() {
        let time = |seconds| Time { seconds, nanos: 0 };
        let mut tree = Tree::new();
        let mut add = |path: &str, node| tree.insert(RelPath::new(path).unwrap(), node);
        for folder in ["", "run", "run/lock", "var", "var/log", "etc"] {
            add(folder, Node::directory(0o755, time(9)));
        }
        for file in ["run/lock/x", "var/log/dpkg.log", "etc/passwd-", "etc/passwd", "etc/ssh_host_x"] {
            let mut node = Node::file("text".into(), 0o640, time(5));
            node.xattrs.insert(XATTR.to_vec(), b"the host's".to_vec());
            add(file, node);
        }
        normalise(&mut tree, Epoch(7));
        assert_eq!(
            tree.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(),
            ["/", "/etc", "/etc/passwd", "/etc/ssh_host_x", "/run", "/var", "/var/log", "/var/log/dpkg.log"]
        );
        assert_eq!(tree.at("var/log/dpkg.log").unwrap(), &Node::file(Vec::new().into(), 0o640, time(5)));
        assert_eq!(tree.at("run").unwrap().mtime, time(7));
    }

    #[test]
    fn every_rule_has_a_path_that_can_be_and_a_reason() {
        for (pattern, _, reason) in RULES {
            assert!(
                RelPath::new(pattern).is_ok_and(|path| path.as_bytes() == pattern.as_bytes()) && !reason.is_empty()
            );
        }
        assert!(name_matches(b"ssh_host_*", b"ssh_host_rsa_key") && !name_matches(b"*-old", b"config.dat"));
        assert!(name_matches(b"*.[0-9]", b"registry.3") && !name_matches(b"*.[0-9]", b"registry.x"));
    }
}
