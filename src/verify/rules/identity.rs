//! What must not be in an image: a machine's identity, private keys, open accounts.

use rayon::prelude::*;

use crate::{
    tree::{Content, Kind, RelPath},
    verify::facts::{Facts, Subvolume},
};

/// Files that a machine makes for itself, with whose they are.
const MACHINE_FILES: [&str; 9] = [
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/etc/nvme/hostnqn",
    "/etc/nvme/hostid",
    "/etc/iscsi/initiatorname.iscsi",
    "/var/lib/NetworkManager/secret_key",
    "/etc/docker/key.json",
    "/etc/hostid",
    "/boot/efi/loader/random-seed",
];

/// Largest file that is looked into for a key. Our limit: keys of every kind are below 16 KiB.
const MAX_KEY_FILE: u64 = 64 << 10;

pub(super) fn machine_identity(facts: &Facts) -> Vec<String> {
    let mut faults: Vec<String> =
        MACHINE_FILES.iter().filter(|file| facts.exists(file)).map(|file| format!("`{file}` is there")).collect();
    if facts.esp.contains_key("LOADER/RANDOM-SEED") {
        faults.push("the ESP has a random seed".into());
    }
    match facts.text("/etc/machine-id") {
        Some(text) if !matches!(text.trim(), "" | "uninitialized") => {
            faults.push("`/etc/machine-id` names a machine".into());
        }
        _ => {}
    }
    if facts.text("/var/lib/dbus/machine-id").is_some_and(|text| !text.trim().is_empty()) {
        faults.push("`/var/lib/dbus/machine-id` names a machine".into());
    }
    faults
}

pub(super) fn private_keys(facts: &Facts) -> Vec<String> {
    facts.subvolumes.iter().flat_map(keys_in).collect()
}

fn keys_in(subvolume: &Subvolume) -> Vec<String> {
    let small: Vec<&RelPath> = subvolume
        .tree
        .iter()
        .filter(|(_, node)| matches!(&node.kind, Kind::File { content, .. } if may_hold_key(content)))
        .map(|(path, _)| path)
        .collect();
    small
        .into_par_iter()
        .filter_map(|path| match (subvolume.read)(path) {
            Ok(bytes) => is_private_key(&bytes).then(|| format!("`{}{path}` is a private key", subvolume.path)),
            Err(error) => Some(format!("`{}{path}` cannot be read: {error}", subvolume.path)),
        })
        .collect()
}

fn may_hold_key(content: &Content) -> bool {
    (32..=MAX_KEY_FILE).contains(&content.len())
}

/// PEM (RFC 7468), OpenSSH and PuTTY private keys, by the line that such a file begins with.
fn is_private_key(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"PuTTY-User-Key-File-") {
        return true;
    }
    if bytes.contains(&0) {
        return false;
    }
    // A library or a manual names the header too; a key is a header with a body of base64 and a footer.
    bytes.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"-----BEGIN ") && ends_as_key(line))
        && bytes.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"-----END ") && ends_as_key(line))
}

fn ends_as_key(line: &[u8]) -> bool {
    line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"PRIVATE KEY-----")
}

pub(super) fn passwords(facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let Some((subvolume, path)) = facts.locate("/etc/shadow") else {
        return faults;
    };
    if let Some(node) = subvolume.tree.get(&path)
        && (node.mode & 0o007 != 0 || node.uid != 0)
    {
        faults.push(format!("`/etc/shadow` has mode {:04o} and owner {}", node.mode, node.uid));
    }
    for line in facts.text("/etc/shadow").unwrap_or_default().lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some("")) = (fields.next(), fields.next()) {
            faults.push(format!("account `{name}` has an empty password"));
        }
    }
    for line in facts.text("/etc/passwd").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, "", ..] = fields.as_slice() {
            faults.push(format!("account `{name}` has an empty password in /etc/passwd"));
        }
    }
    faults
}
