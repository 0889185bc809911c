//! Language, time, keys and kernel parameters: small files that say what the profile says, as drop-ins where the
//! program reads them.

use super::{Change, path_of, put_link, put_text};
use crate::{plan::Plan, tree::Tree};

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let machine = &plan.machine;
    let mut changes = vec![
        put_text(plan, "/etc/locale.conf", 0o644, &format!("LANG={}\n", machine.locale)),
        put_text(plan, "/etc/vconsole.conf", 0o644, &format!("KEYMAP={}\n", machine.keymap)),
        // Its time is what a clock without a battery begins with (systemd(1), 254).
        put_text(plan, "/usr/lib/clock-epoch", 0o644, ""),
        put_link(plan, "/etc/localtime", &format!("../usr/share/zoneinfo/{}", machine.timezone)),
    ];
    if tree.at("etc/timezone").is_some() {
        changes.push(put_text(plan, "/etc/timezone", 0o644, &format!("{}\n", machine.timezone)));
    }
    if !machine.sysctl.is_empty() {
        let lines: String = machine.sysctl.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        changes.push(put_text(plan, "/etc/sysctl.d/90-rowi.conf", 0o644, &lines));
    }
    if !machine.modules.is_empty() {
        changes.push(put_text(plan, "/etc/modules-load.d/rowi.conf", 0o644, &(machine.modules.join("\n") + "\n")));
    }
    if !machine.ntp_servers.is_empty() {
        let lines: String = machine.ntp_servers.iter().map(|server| format!("server {server} iburst\n")).collect();
        let folder = path_of(plan, "chrony-sources", "/etc/chrony.d");
        let ending = if folder.ends_with("sources.d") { "sources" } else { "conf" };
        changes.push(put_text(plan, &format!("{folder}/rowi.{ending}"), 0o644, &lines));
    }
    changes
}
