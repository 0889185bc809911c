//! Units: what the profile enables, disables and masks, as one preset file (systemd.preset(5)) that comes before the
//! distribution's. `programs` applies it; a first boot that applies presets again finds nothing to change.

use super::{Change, logging, put_link, put_text, update};
use crate::{
    plan::Plan,
    profile::{LogProtocol, Runtime},
    tree::Tree,
};

/// Units that do not fit a read-only root, with the reason.
const DISABLED: [(&str, &str); 3] = [
    ("snapper-boot.timer", "a snapshot at every boot is one that no update made"),
    ("snapper-timeline.timer", "snapshots by the hour are of data; the root changes by updates only"),
    ("grub-common.service", "writes to the root's GRUB environment, which is read-only"),
];

/// Units of ours that are always on where they are: `ssh` writes one where the distribution makes no host keys itself,
/// `preload` one where runtimes load images, `containers` one that removes some, the others come from overlays.
const OWN: [&str; 7] = [
    "rowi-ssh-keys.service",
    "rowi-boot-entry.service",
    "rowi-snapshot-begun.service",
    "rowi-grow.service",
    "rowi-clock.service",
    "rowi-images.service",
    "rowi-prune-images.timer",
];

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let machine = &plan.machine;
    let mut text = format!("# Units of the profile {}; read before the distribution's presets.\n", plan.profile);
    for unit in &machine.disable {
        text += &format!("disable {}\n", unit_name(unit));
    }
    // The first line that fits counts: what the profile says comes before what we think.
    for unit in &machine.enable {
        text += &format!("enable {}\n", unit_name(unit));
    }
    for (unit, reason) in DISABLED {
        text += &format!("# {reason}\ndisable {unit}\n");
    }
    let mut enabled: Vec<String> = vec!["snapper-cleanup.timer".into()];
    if machine.ssh.enabled {
        enabled.extend(["sshd.service", "ssh.service"].map(str::to_owned));
    }
    enabled
        .extend(machine.container.runtimes.iter().flat_map(|runtime| units(*runtime)).map(|unit| (*unit).to_owned()));
    if machine.kubernetes.is_some() {
        enabled.push("kubelet.service".into());
    }
    if machine.forward.as_ref().is_some_and(|forward| forward.protocol == LogProtocol::Journal) {
        enabled.push(logging::UPLOAD.into());
    }
    for unit in enabled.iter().filter(|unit| exists(tree, unit)) {
        text += &format!("enable {unit}\n");
    }
    for unit in OWN {
        text += &format!("enable {unit}\n");
    }
    text += &update::presets(&machine.update);
    let mut changes =
        vec![put_text(plan, &format!("/etc/systemd/system-preset/50-{}.preset", plan.profile), 0o644, &text)];
    let masks = machine.mask.iter().map(|unit| format!("/etc/systemd/system/{}", unit_name(unit)));
    changes.extend(masks.map(|path| put_link(plan, &path, "/dev/null")));
    changes
}

/// Units that make a runtime usable. podman has no daemon; its socket is for tools that speak docker's protocol.
fn units(runtime: Runtime) -> &'static [&'static str] {
    match runtime {
        Runtime::Podman => &["podman.socket"],
        Runtime::Docker => &["docker.service"],
        Runtime::CriO => &["crio.service"],
        Runtime::Containerd => &["containerd.service"],
        Runtime::Lxc => &["lxc.service", "lxc-net.service"],
    }
}

fn exists(tree: &Tree, unit: &str) -> bool {
    let template =
        unit.split_once('@').map(|(name, rest)| format!("{name}@{}", rest.rsplit_once('.').map_or("", |it| it.1)));
    let names = [Some(unit.to_owned()), template.map(|name| name.replace('@', "@."))];
    ["usr/lib/systemd/system", "etc/systemd/system"]
        .iter()
        .any(|folder| names.iter().flatten().any(|name| tree.at(&format!("{folder}/{name}")).is_some()))
}

/// What a machine that enables these units starts into (systemd.special(7)), whatever packages say.
pub(super) fn target(enabled: &[String]) -> &'static str {
    let is_graphical = enabled.iter().any(|unit| unit_name(unit) == "display-manager.service");
    if is_graphical { "graphical.target" } else { "multi-user.target" }
}

/// A name without an ending is a service's.
fn unit_name(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_manager_makes_a_machine_graphical() {
        let of = |units: &[&str]| target(&units.iter().map(|&unit| unit.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["gdm.service", "display-manager.service"]), "graphical.target");
        assert_eq!(of(&["display-manager"]), "graphical.target");
        assert_eq!(of(&["nginx.service", "display-manager.socket"]), "multi-user.target");
    }
}
