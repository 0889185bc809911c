//! Entries of the Boot Loader Specification (uapi-group.org, version 1, "Type #1"), which systemd-boot reads.
//!
//! One entry for each snapshot, with its newest kernel; overlay `boot-entries` keeps them on the machine, and makes the
//! same from `/etc/kernel/cmdline`. Every entry names its snapshot, or an old root would run with the newest kernel,
//! whose modules it lacks (`ENGINEERING` I.6); so what the loader starts by default must follow the default subvolume.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::{Change, Error, arguments, efi, fsid, newest, title};
use crate::{
    plan::Plan,
    profile::Loader,
    system::{content, path_of, put_text},
    tree::{Content, Tree},
};

/// `loader.conf` has the size of a sector, so that a change of its first line is whole or not there.
const SECTOR: usize = 512;

fn is_used(plan: &Plan) -> bool {
    plan.boot.loaders.contains(&Loader::SystemdBoot)
}

/// The command line that entries are made with (kernel-install(8)), and that kernel-install copies no kernel itself: its
/// entry would name the snapshot that runs, not the one that the kernel is in.
pub(super) fn configure(plan: &Plan, _tree: &Tree) -> Vec<Change> {
    if !is_used(plan) {
        return Vec::new();
    }
    let line = format!("root=UUID={} {}\n", fsid(plan), arguments(plan));
    vec![
        put_text(plan, "/etc/kernel/cmdline", 0o644, &line),
        put_text(plan, "/etc/kernel/install.conf", 0o644, "layout=other\n"),
    ]
}

/// The loader, its configuration, and the first snapshot's entry with what it starts.
pub(super) fn esp(plan: &Plan, tree: &Tree) -> Result<BTreeMap<String, Content>, Error> {
    if !is_used(plan) {
        return Ok(BTreeMap::new());
    }
    let missing = |what: &str, hint| Error::Missing { what: what.to_owned(), hint };
    let usual = format!("/usr/lib/systemd/boot/efi/systemd-boot{}.efi", efi::suffix(plan));
    let path = path_of(plan, "systemd-boot", &usual);
    let program = content(tree, path)
        .ok_or_else(|| missing(path, "add packages to the distribution's role `bootloader.systemd-boot`"))?;
    let (version, kernel, initrd) =
        newest(plan, tree).ok_or_else(|| missing("kernel", "add role `kernel` to the profile's `packages`"))?;
    let mut files = efi::place(plan, tree, program.clone());
    files.insert(format!("EFI/systemd/systemd-boot{}.efi", efi::suffix(plan)), program.clone());
    let mut entry = format!(
        "title {}\nversion 1@{version}\nsort-key rowi\noptions root=UUID={} {} rootflags=subvol=@/.snapshots/1/snapshot ro\n",
        title(plan, tree),
        fsid(plan),
        arguments(plan),
    );
    for (key, path) in [("linux", kernel), ("initrd", initrd)] {
        let content = content(tree, &path).ok_or_else(|| missing(&path, "the kernel's package has none"))?;
        let place = place(key, content).map_err(|source| Error::Io { what: "read the kernel", source })?;
        _ = writeln!(entry, "{key} /{place}");
        files.insert(place, content.clone());
    }
    files.insert("loader/entries/rowi-1.conf".into(), entry.as_str().into());
    files.insert("loader/loader.conf".into(), loader(plan));
    Ok(files)
}

/// Where a kernel or an initrd lies: by its digest, so that snapshots share it.
fn place(kind: &str, content: &Content) -> std::io::Result<String> {
    let digest = Sha256::digest(content.read()?);
    Ok(digest[..20].iter().fold(format!("rowi/{kind}-"), |name, byte| format!("{name}{byte:02x}")))
}

/// loader.conf(5), filled up with a comment.
fn loader(plan: &Plan) -> Content {
    let mut text = format!("default rowi-1.conf\ntimeout {}\n", plan.boot.timeout).into_bytes();
    text.resize(SECTOR - 1, b'#');
    text.push(b'\n');
    text.into()
}
