//! snapper's configuration `root` and its first snapshot's place. `snapper create-config` is never called: it would make
//! subvolumes of its own (`transactional-update` reference, point 8).

use super::{Change, path_of, put_folder, put_text, text};
use crate::{plan::Plan, tree::Tree};

/// What differs from snapper's own template.
const SETTINGS: [(&str, &str); 6] = [
    ("SUBVOLUME", "/"),
    ("FSTYPE", "btrfs"),
    ("TIMELINE_CREATE", "no"),
    ("NUMBER_CLEANUP", "yes"),
    ("SPACE_LIMIT", "0.5"),
    ("FREE_LIMIT", "0.2"),
];

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let template = path_of(plan, "snapper-template", "/usr/share/snapper/config-templates/default");
    let listed = path_of(plan, "snapper-sysconfig", "/etc/sysconfig/snapper");
    let keep = &plan.machine.update.keep;
    let limits = [("NUMBER_LIMIT", keep.snapshots.as_str()), ("NUMBER_LIMIT_IMPORTANT", keep.important.as_str())];
    // Cleanup by room needs the group that snapshots are counted in, which the disk writer makes.
    let counts = plan.layout.partitions.iter().any(|partition| partition.quota);
    let group = [("QGROUP", if counts { "1/0" } else { "" })];
    let config = set(&text(tree, template).unwrap_or_default(), &[&SETTINGS[..], &limits, &group].concat());
    let list = set(&text(tree, listed).unwrap_or_default(), &[("SNAPPER_CONFIGS", "root")]);
    let mut changes = vec![
        put_text(plan, path_of(plan, "snapper-config", "/etc/snapper/configs/root"), 0o640, &config),
        put_text(plan, listed, 0o644, &list),
    ];
    changes.extend(put_folder(plan, tree, "/.snapshots", 0o750));
    changes
}

/// A file of `NAME="value"` lines with some values changed, and added where they are missing.
fn set(text: &str, settings: &[(&str, &str)]) -> String {
    let name_of = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    let known = |line: &str| name_of(line).and_then(|name| settings.iter().find(|(it, _)| *it == name));
    let mut out: String = text
        .lines()
        .map(|line| known(line).map_or_else(|| format!("{line}\n"), |(name, value)| format!("{name}=\"{value}\"\n")))
        .collect();
    for (name, value) in settings {
        if !text.lines().any(|line| name_of(line).as_deref() == Some(*name)) {
            out += &format!("{name}=\"{value}\"\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_changed_in_place_or_added() {
        let text = "# a\nSUBVOLUME=\"/x\"\n\nOTHER=\"1\"\n";
        assert_eq!(set(text, &[("SUBVOLUME", "/"), ("NEW", "y")]), "# a\nSUBVOLUME=\"/\"\n\nOTHER=\"1\"\nNEW=\"y\"\n");
    }
}
