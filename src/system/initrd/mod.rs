//! The initrd's configuration, its device nodes and its compression.
//!
//! dracut writes it plain and without nodes, which only some builds may make: here come five nodes before it, and zstd
//! around it with fixed parameters, so that root's and a user's are the same bytes (`ENGINEERING` II.13).

mod shelf;

pub use shelf::Initrd;
pub(super) use shelf::look;

use super::{Change, Error, content, path_of, put_text, time};
use crate::{
    plan::Plan,
    profile::EtcMode,
    tree::{Content, Node, Tree},
};

/// zstd level: twice as fast to make as 19 and 5 % larger.
const LEVEL: i32 = 10;

/// Device nodes by name: mode, major, minor (`Documentation/admin-guide/devices.txt`, Linux).
const NODES: [(&str, u32, u32, u32); 5] = [
    ("console", 0o600, 5, 1),
    ("kmsg", 0o644, 1, 11),
    ("null", 0o666, 1, 3),
    ("random", 0o666, 1, 8),
    ("urandom", 0o666, 1, 9),
];

/// An initrd that is made on the machine later, for a new kernel in a snapshot, must not depend on what is mounted then.
pub(super) fn changes(plan: &Plan, _tree: &Tree) -> Vec<Change> {
    let mut text = "# An initrd for any machine: it is made in a snapshot, not where it boots.\nhostonly=\"no\"\nhostonly_cmdline=\"no\"\n".to_owned();
    if plan.layout.etc == EtcMode::Overlay {
        text += "force_drivers+=\" overlay \"\n";
    }
    vec![put_text(plan, "/etc/dracut.conf.d/50-rowi.conf", 0o644, &text)]
}

/// Where a kernel's initrd is.
pub(super) fn path(plan: &Plan, version: &str) -> String {
    path_of(plan, "initrd", "/boot/initrd-{version}").replace("{version}", version)
}

/// Puts every initrd into the tree: one that was found as it is, another compressed from what dracut wrote.
pub(super) fn place(tree: &mut Tree, plan: &Plan, initrds: &mut [Initrd]) -> Result<(), Error> {
    for initrd in initrds {
        let path = path(plan, &initrd.version);
        let content = match &initrd.content {
            Some(found) => found.clone(),
            None => compressed(tree, plan, path.clone())?,
        };
        tree.insert(super::at(&path), Node::file(content.clone(), 0o600, time(plan)));
        initrd.content = Some(content);
    }
    Ok(())
}

fn compressed(tree: &Tree, plan: &Plan, path: String) -> Result<Content, Error> {
    let failed = |source| Error::Io { what: "compress the initrd", source };
    let Some(plain) = content(tree, &path) else {
        return Err(Error::Missing { what: path, hint: "dracut wrote no initrd: see its output" });
    };
    let packed = zstd::bulk::compress(&plain.read().map_err(failed)?, LEVEL).map_err(failed)?;
    let mut bytes = nodes(plan.epoch.0);
    bytes.extend(packed);
    Ok(bytes.into())
}

/// A cpio archive with `/dev` and what is in it, padded to what the kernel takes between two archives
/// (`Documentation/driver-api/early-userspace/buffer-format.rst`, Linux: "newc", names and headers aligned to 4).
fn nodes(epoch: i64) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, 1, "dev", 0o040_755, (0, 0), epoch);
    for (number, (name, mode, major, minor)) in (2..).zip(NODES) {
        entry(&mut archive, number, &format!("dev/{name}"), 0o020_000 | mode, (major, minor), epoch);
    }
    entry(&mut archive, 0, "TRAILER!!!", 0, (0, 0), 0);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn entry(archive: &mut Vec<u8>, inode: u32, name: &str, mode: u32, device: (u32, u32), epoch: i64) {
    let time = u32::try_from(epoch).unwrap_or(0);
    // A name counts with its zero byte.
    let length = u32::try_from(name.len() + 1).unwrap_or(0);
    let fields = [inode, mode, 0, 0, 1, time, 0, 0, 0, device.0, device.1, length, 0];
    archive.extend_from_slice(b"070701");
    fields.iter().for_each(|field| archive.extend_from_slice(format!("{field:08x}").as_bytes()));
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
}
