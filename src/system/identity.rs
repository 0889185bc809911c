//! Who the machine is: host name, and the version of the system. The machine-id is `first_boot`'s.

use super::{Change, put_text, text};
use crate::{plan::Plan, tree::Tree};

pub(super) fn changes(plan: &Plan, _tree: &Tree) -> Vec<Change> {
    let name = plan.machine.hostname.as_str();
    let hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    match name {
        "" => vec![Change::Remove(super::at("etc/hostname")), put_text(plan, "/etc/hosts", 0o644, hosts)],
        name => vec![
            put_text(plan, "/etc/hostname", 0o644, &format!("{name}\n")),
            put_text(plan, "/etc/hosts", 0o644, &format!("{hosts}127.0.1.1 {name}\n")),
        ],
    }
}

/// The version in the results' names: the plan's, else VERSION_ID of os-release(5), else the epoch's date.
pub(super) fn version(plan: &Plan, tree: &Tree) -> String {
    let installed = || {
        let release = text(tree, "etc/os-release").or_else(|| text(tree, "usr/lib/os-release"))?;
        let value = release.lines().find_map(|line| line.strip_prefix("VERSION_ID="))?.trim_matches(['"', '\'']);
        let sound =
            !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        sound.then(|| value.to_owned())
    };
    plan.version.clone().or_else(installed).unwrap_or_else(|| plan.epoch.date())
}
