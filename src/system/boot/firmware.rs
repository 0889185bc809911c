//! Files of a board's own firmware: installed ones go where the distribution's `boot_files` say, a few are written here.
//!
//! A Raspberry Pi 3 reads `bootcode.bin`, `start.elf`, `fixup.dat`, `config.txt` and a device tree from the first
//! partition and starts what `config.txt` names (raspberrypi.com, "Boot folder contents"; `microos-and-kiwi.md`, 6).

use std::collections::BTreeMap;

use super::Error;
use crate::{
    plan::Plan,
    profile::BootFiles,
    system::{at, content, kernels},
    tree::{Content, Kind, Tree},
};

/// Files of the first partition.
pub(super) fn esp(plan: &Plan, tree: &Tree) -> Result<BTreeMap<String, Content>, Error> {
    let firmware = &plan.boot.firmware;
    let mut files = BTreeMap::new();
    let newest = kernels(tree).pop().unwrap_or_default();
    for BootFiles { from, to } in &plan.boot_files {
        let (from, to) = (from.replace("{version}", &newest), to.trim_matches('/'));
        let found = copied(tree, &from);
        if found.is_empty() {
            return Err(missing(from));
        }
        let below = |name: String| if to.is_empty() { name } else { format!("{to}/{name}") };
        files.extend(found.into_iter().map(|(name, content)| (below(name), content)));
    }
    for (name, text) in &firmware.write {
        files.entry(name.clone()).or_insert_with(|| text.as_str().into());
    }
    match firmware.require.iter().find(|wanted| !files.keys().any(|file| is(wanted, file))) {
        Some(wanted) => Err(missing(format!("`{wanted}` among the files of the firmware partition"))),
        None => Ok(files),
    }
}

fn missing(what: String) -> Error {
    Error::Missing { what, hint: "see `boot_files` of the distribution and `firmware` of the platform" }
}

/// A file by its own name, or all regular files of a folder by their paths in it.
fn copied(tree: &Tree, from: &str) -> Vec<(String, Content)> {
    let path = at(from);
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(file) = content(tree, from) {
        return vec![(name(path.file_name()), file.clone())];
    }
    let below = tree.below(&path).filter_map(|(file, node)| match &node.kind {
        Kind::File { content, .. } => Some((name(file.strip(&path)?.as_bytes()), content.clone())),
        _ => None,
    });
    below.collect()
}

/// Whether a file is the wanted one or lies in the wanted folder; one `*` stands for any characters.
fn is(wanted: &str, file: &str) -> bool {
    match wanted.split_once('*') {
        Some((begin, end)) => file.len() >= begin.len() + end.len() && file.starts_with(begin) && file.ends_with(end),
        None => file == wanted || file.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_folder_and_a_pattern_are_found() {
        let found =
            [("u-boot.bin", "u-boot.bin"), ("overlays", "overlays/a.dtbo"), ("*-3-b.dtb", "bcm2837-rpi-3-b.dtb")];
        for (wanted, file) in found {
            assert!(is(wanted, file), "{wanted}");
        }
        for (wanted, file) in [("u-boot.bin", "u-boot.bin.old"), ("overlays", "overlays.txt"), ("a*a", "a")] {
            assert!(!is(wanted, file), "{wanted}");
        }
    }
}
