//! What starts the installed system: GRUB's menu, or entries of the Boot Loader Specification with kernels on the ESP.
//!
//! ```text
//! grub      the menu lies in the file system, and starts the kernel of a snapshot from there
//! bls       entries, kernels and initrds lie on the ESP, and each entry names its snapshot
//! efi       the program of either that UEFI starts, behind shim where there is one
//! firmware  what a board's own firmware reads from the same partition
//! ```

mod bls;
mod efi;
mod firmware;
pub(super) mod grub;

use std::collections::BTreeMap;

use super::{Change, Error, initrd, path_of};
use crate::{
    plan::{Plan, layout, uuid_text},
    tree::{Content, Tree},
};

/// What programs of the root are to see.
pub(super) fn configure(plan: &Plan, tree: &Tree) -> Vec<Change> {
    [grub::scripts(plan, tree), bls::configure(plan, tree)].concat()
}

/// Files of the EFI system partition.
pub(super) fn esp(plan: &Plan, tree: &Tree) -> Result<BTreeMap<String, Content>, Error> {
    let mut files = grub::esp(plan, tree);
    files.extend(bls::esp(plan, tree)?);
    files.extend(firmware::esp(plan, tree)?);
    Ok(files)
}

/// The name that a person chooses in a menu.
fn title(plan: &Plan, tree: &Tree) -> String {
    let files = ["usr/lib/os-release", "etc/os-release"];
    let name = files.iter().find_map(|file| super::text(tree, file)).and_then(|text| {
        let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim_matches('"').to_owned();
        Some(name.replace(['\'', '\\', '\n'], ""))
    });
    name.unwrap_or_else(|| plan.profile.clone())
}

/// The kernel's command line but for the root.
fn arguments(plan: &Plan) -> String {
    let consoles = plan.boot.consoles.iter().map(|console| format!("console={console}"));
    consoles.chain(plan.boot.arguments.iter().cloned()).collect::<Vec<_>>().join(" ")
}

/// `UUID=` of the root.
fn fsid(plan: &Plan) -> String {
    uuid_text(&layout::fs_uuid(plan))
}

/// Version, kernel and initrd of the newest kernel.
fn newest(plan: &Plan, tree: &Tree) -> Option<(String, String, String)> {
    let version = super::kernels(tree).pop()?;
    let kernel = path_of(plan, "kernel", "/boot/vmlinuz-{version}").replace("{version}", &version);
    let initrd = initrd::path(plan, &version);
    Some((version, kernel, initrd))
}
