//! CRI-O's own: crio.conf.d(5). Storage, registries and policy it reads as podman does.

use super::{Change, Logins, Plan, auth_file};
use crate::{
    profile::{Container, LogDriver},
    system::put_text,
};

/// Where it finds logins (`global_auth_file`).
const AUTH: &str = "/etc/crio/auth.json";

pub(super) fn changes(plan: &Plan, logins: &Logins) -> Vec<Change> {
    let mut changes = Vec::new();
    let text = conf(&plan.machine.container, !logins.is_empty());
    if !text.is_empty() {
        changes.push(put_text(plan, "/etc/crio/crio.conf.d/10-rowi.conf", 0o644, &text));
    }
    if !logins.is_empty() {
        changes.push(put_text(plan, AUTH, 0o600, &auth_file(logins)));
    }
    changes
}

pub(super) fn conf(container: &Container, has_logins: bool) -> String {
    let mut runtime: String =
        container.low_level.iter().map(|name| format!("default_runtime = \"{name}\"\n")).collect();
    if container.logs.driver == Some(LogDriver::Journald) {
        runtime += "log_to_journald = true\n";
    }
    if let Some(size) = container.logs.max_size {
        runtime += &format!("log_size_max = {}\n", size.get());
    }
    if let Some(profile) = &container.seccomp {
        runtime += &format!("seccomp_profile = \"{profile}\"\n");
    }
    let image = if has_logins { format!("global_auth_file = \"{AUTH}\"\n") } else { String::new() };
    let filled = [("runtime", runtime), ("image", image)].into_iter().filter(|(_, lines)| !lines.is_empty());
    filled.map(|(name, lines)| format!("[crio.{name}]\n{lines}")).collect::<Vec<_>>().join("\n")
}
