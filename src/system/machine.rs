//! Language, time, keys, kernel parameters, sshd and the container engine's defaults: small files that say what the
//! profile says, as drop-ins where the program reads them.

use super::{Change, put_link, put_text};
use crate::{plan::Plan, profile::Runtime, tree::Tree};

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let machine = &plan.machine;
    let mut changes = vec![
        put_text(plan, "/etc/locale.conf", 0o644, &format!("LANG={}\n", machine.locale)),
        put_text(plan, "/etc/vconsole.conf", 0o644, &format!("KEYMAP={}\n", machine.keymap)),
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
        changes.push(put_text(plan, "/etc/chrony/conf.d/rowi.conf", 0o644, &lines));
        changes.push(put_text(plan, "/etc/chrony.d/rowi.conf", 0o644, &lines));
    }
    changes.extend(sshd(plan, tree));
    changes.extend(containers(plan));
    changes
}

/// sshd_config(5) takes the first value that it finds, and drop-ins come before the rest.
fn sshd(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let ssh = &plan.machine.ssh;
    if tree.at("etc/ssh").is_none() && tree.at("usr/etc/ssh").is_none() {
        return Vec::new();
    }
    let password = if ssh.password_login { "yes" } else { "no" };
    let lines = format!(
        "PermitRootLogin {}\nPasswordAuthentication {password}\nKbdInteractiveAuthentication {password}\n",
        ssh.root_login
    );
    vec![put_text(plan, "/etc/ssh/sshd_config.d/10-rowi.conf", 0o600, &lines)]
}

/// containers-registries.conf(5), containers.conf(5).
fn containers(plan: &Plan) -> Vec<Change> {
    let container = &plan.machine.container;
    let mut changes = Vec::new();
    if !container.search_registries.is_empty() {
        let names: Vec<String> = container.search_registries.iter().map(|name| format!("\"{name}\"")).collect();
        let line = format!("unqualified-search-registries = [{}]\n", names.join(", "));
        changes.push(put_text(plan, "/etc/containers/registries.conf.d/10-rowi.conf", 0o644, &line));
    }
    if let Some(runtime) = container.low_level.as_ref().filter(|_| container.runtimes.contains(&Runtime::Podman)) {
        let lines = format!("[engine]\nruntime = \"{runtime}\"\n");
        changes.push(put_text(plan, "/etc/containers/containers.conf.d/10-rowi.conf", 0o644, &lines));
    }
    changes
}
