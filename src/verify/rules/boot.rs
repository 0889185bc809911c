//! What the firmware and the boot loader read before there is a kernel.

use super::entries;
use crate::{
    tree::{Kind, RelPath},
    verify::facts::Facts,
};

pub(super) fn boot_files(facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    // A disk that only BIOS starts may keep other files there.
    let starts_bios = facts.bios.as_ref().is_some_and(|bios| bios.has_code);
    let has_programs = facts.esp.keys().any(|file| file.ends_with(".EFI"));
    if !facts.esp.is_empty()
        && (has_programs || !starts_bios)
        && !["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"].iter().any(|file| facts.esp.contains_key(*file))
    {
        faults.push("the ESP has no EFI/BOOT/BOOTX64.EFI or BOOTAA64.EFI".into());
    }
    let menus: Vec<(&str, String)> = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"]
        .into_iter()
        .filter_map(|path| Some((path, facts.text(path)?)))
        .collect();
    if menus.is_empty() && !facts.esp.keys().any(|file| file.starts_with("LOADER/ENTRIES/")) {
        faults.push("there is no GRUB menu and no boot loader entry".into());
    }
    for (menu, text) in &menus {
        let named: Vec<&str> = text.lines().filter_map(boot_path).collect();
        if named.is_empty() {
            faults.push(format!("`{menu}` starts no kernel"));
        }
        faults.extend(
            named
                .iter()
                .filter(|path| !in_snapshot(facts, path))
                .map(|path| format!("`{menu}` names `{path}`, which does not exist")),
        );
    }
    faults.extend(entries::files(facts));
    faults
}

pub(super) fn bios_code(facts: &Facts) -> Vec<String> {
    let Some(bios) = &facts.bios else { return Vec::new() };
    let mut faults = Vec::new();
    if !bios.has_code && !bios.has_core {
        // A disk that BIOS shall not start, with room for the day when it shall.
    } else if !bios.has_code {
        faults.push("the first sector has no code".into());
    } else if bios.core_sector != bios.partition_sector {
        let (named, begins) = (bios.core_sector, bios.partition_sector);
        faults.push(format!("the first sector reads on at sector {named}, and the partition begins at {begins}"));
    } else if bios.next_sector != bios.partition_sector.saturating_add(1)
        || !(1..bios.partition_sectors).contains(&bios.next_count)
    {
        let (named, count) = (bios.next_sector, bios.next_count);
        faults.push(format!("GRUB's core image reads {count} sectors at {named}, which are not its own"));
    }
    faults
}

/// The file that a line of grub.cfg loads as kernel or initrd, if it is such a line.
fn boot_path(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let command = words.next()?;
    let named = ["linux", "linuxefi", "initrd", "initrdefi"].contains(&command).then(|| words.next()).flatten()?;
    Some(named.trim_matches(['"', '\'']))
}

/// Whether snapshot 1 has the file that a menu names, by its path in the snapshot or from the top level, with the
/// snapshot's number a variable or not.
fn in_snapshot(facts: &Facts, named: &str) -> bool {
    let Some(root) = facts.root() else { return false };
    let inside = named.find("/snapshot/").map_or(named, |at| &named[at + "/snapshot".len()..]);
    let mut path = RelPath::new(inside).ok();
    // At most two links: /vmlinuz → boot/vmlinuz → vmlinuz-VERSION.
    for _ in 0..3 {
        let Some(at) = path else { return false };
        match root.tree.get(&at).map(|node| &node.kind) {
            Some(Kind::File { .. }) => return true,
            Some(Kind::Symlink { target }) if target.starts_with(b"/") => path = RelPath::new(target).ok(),
            Some(Kind::Symlink { target }) => path = at.parent().and_then(|folder| folder.join(target).ok()),
            _ => return false,
        }
    }
    false
}
