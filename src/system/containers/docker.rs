//! dockerd's own: `daemon.json` (dockerd(8), "Daemon configuration file").

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Change, Logins, Plan, Tree, containerd::schemes, roots_logins};
use crate::{
    profile::{Container, LogDriver, Registry},
    system::put_text,
};

/// Where docker finds logins, below a home.
const AUTH: &str = ".docker/config.json";

pub(super) fn changes(plan: &Plan, logins: &Logins, tree: &Tree) -> Vec<Change> {
    let mut changes = Vec::new();
    let daemon = daemon(&plan.machine.container);
    if !daemon.is_empty() {
        let text = format!("{:#}\n", Value::Object(daemon));
        changes.push(put_text(plan, "/etc/docker/daemon.json", 0o644, &text));
    }
    changes.extend(roots_logins(plan, logins, tree, AUTH));
    changes
}

/// All of `daemon.json`; no package brings one.
pub(super) fn daemon(container: &Container) -> Map<String, Value> {
    let registries = &container.registries;
    let mut all = Map::new();
    let mut set = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    let mirrors = registries.mirrors.iter().filter(|(name, _)| name.as_str() == "docker.io").flat_map(|(_, all)| all);
    let addresses = |mirror| schemes(registries, mirror).iter().map(move |scheme| format!("{scheme}://{mirror}"));
    let mirrors: Vec<String> = mirrors.flat_map(addresses).collect();
    let insecure: BTreeSet<&str> = registries.insecure.iter().map(Registry::host).collect();
    if !mirrors.is_empty() {
        set("registry-mirrors", mirrors.into());
    }
    if !insecure.is_empty() {
        set("insecure-registries", insecure.into_iter().collect::<Vec<_>>().into());
    }
    if let Some(driver) = &container.driver {
        set("storage-driver", if driver == "overlay" { "overlay2" } else { driver }.into());
    }
    if let Some(path) = &container.path {
        set("data-root", format!("{path}/docker").into());
    }
    let logs = &container.logs;
    if let Some(driver) = logs.driver {
        let name = match driver {
            LogDriver::Journald => "journald",
            LogDriver::File => "json-file",
            LogDriver::None => "none",
        };
        set("log-driver", name.into());
    }
    let mut options = Map::new();
    options.extend(logs.max_size.map(|size| ("max-size".to_owned(), size.get().to_string().into())));
    options.extend(logs.max_files.map(|number| ("max-file".to_owned(), number.to_string().into())));
    if !options.is_empty() {
        set("log-opts", options.into());
    }
    // runc it has by itself.
    if let Some(name) = container.low_level.as_deref().filter(|name| *name != "runc") {
        set("default-runtime", name.into());
        set("runtimes", json!({name: {"path": name}}));
    }
    if let Some(profile) = &container.seccomp {
        set("seccomp-profile", profile.as_str().into());
    }
    if container.own_users {
        set("userns-remap", "default".into());
    }
    all
}
