//! podman's own: containers.conf(5).

use super::{Change, Plan};
use crate::{
    profile::{Container, LogDriver},
    system::put_text,
};

pub(super) fn changes(plan: &Plan) -> Vec<Change> {
    let text = conf(&plan.machine.container);
    if text.is_empty() {
        return Vec::new();
    }
    vec![put_text(plan, "/etc/containers/containers.conf.d/10-rowi.conf", 0o644, &text)]
}

/// Values were checked: none needs quoting.
pub(super) fn conf(container: &Container) -> String {
    let mut containers = String::new();
    if let Some(driver) = container.logs.driver {
        let name = match driver {
            LogDriver::Journald => "journald",
            LogDriver::File => "k8s-file",
            LogDriver::None => "none",
        };
        containers += &format!("log_driver = \"{name}\"\n");
    }
    if let Some(size) = container.logs.max_size {
        containers += &format!("log_size_max = {}\n", size.get());
    }
    if let Some(profile) = &container.seccomp {
        containers += &format!("seccomp_profile = \"{profile}\"\n");
    }
    if container.own_users {
        containers += "userns = \"auto\"\n";
    }
    let engine = container.low_level.iter().map(|runtime| format!("runtime = \"{runtime}\"\n")).collect();
    let network = container
        .rootless_network
        .iter()
        .map(|program| format!("default_rootless_network_cmd = \"{program}\"\n"))
        .collect();
    let tables: [(&str, String); 3] = [("containers", containers), ("engine", engine), ("network", network)];
    let filled = tables.into_iter().filter(|(_, lines)| !lines.is_empty());
    filled.map(|(name, lines)| format!("[{name}]\n{lines}")).collect::<Vec<_>>().join("\n")
}
