//! containerd's own: `config.toml`, and a registry's mirrors (containerd 1.7 and 2.0, `docs/cri/config.md`,
//! `docs/hosts.md`).

use toml_edit::{DocumentMut, Item, value};

use super::{Change, Error, Logins, Plan, Tree};
use crate::{
    profile::{Container, Registries, Registry},
    system::{put_text, text, toml},
};

const CONFIG: &str = "/etc/containerd/config.toml";
/// Where it looks for a registry's hosts.
const HOSTS: &str = "/etc/containerd/certs.d";

pub(super) fn changes(plan: &Plan, logins: &Logins, tree: &Tree) -> Result<Vec<Change>, Error> {
    let container = &plan.machine.container;
    let own = text(tree, CONFIG).unwrap_or_default();
    let config = config(&own, container, logins)?;
    let mut changes = Vec::new();
    if config != own {
        let mode = if logins.is_empty() { 0o644 } else { 0o600 };
        changes.push(put_text(plan, CONFIG, mode, &config));
    }
    let registries = &container.registries;
    for registry in registries.named().filter(|registry| registry.path().is_none()) {
        let path = format!("{HOSTS}/{registry}/hosts.toml");
        changes.push(put_text(plan, &path, 0o644, &hosts(registries, registry)));
    }
    Ok(changes)
}

/// containerd's own configuration with what the profile says in it. It is changed where it is: what it imports replaces
/// whole sections of plugins up to 1.7.
pub(super) fn config(config: &str, container: &Container, logins: &Logins) -> Result<String, Error> {
    let broken = |fault: String| Error::Broken { path: CONFIG, fault };
    let mut config: DocumentMut = config.parse().map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
    let version = config.get("version").and_then(Item::as_integer).unwrap_or(2);
    config["version"] = value(version);
    // containerd, `docs/cri/config.md`: names of the sections in versions 2 and 3 of the format.
    let (images, runtime) = match version {
        ..3 => ("io.containerd.grpc.v1.cri", "io.containerd.grpc.v1.cri"),
        _ => ("io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"),
    };
    if container.registries.named().next().is_some() {
        let table = toml::table(&mut config, &["plugins", images, "registry"]).map_err(broken)?;
        table.insert("config_path", value(HOSTS));
    }
    for (registry, login) in logins {
        let keys = ["plugins", images, "registry", "configs", registry.host(), "auth"];
        let table = toml::table(&mut config, &keys).map_err(broken)?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        table.insert("username", value(user));
        table.insert("password", value(password));
    }
    if let Some(path) = &container.path {
        config["root"] = value(format!("{path}/containerd"));
    }
    if let Some(driver) = &container.driver {
        // `docs/snapshotters/README.md`.
        let name = match driver.as_str() {
            "overlay" => "overlayfs",
            "vfs" => "native",
            other => other,
        };
        let keys: &[&str] = if version < 3 { &["plugins", images, "containerd"] } else { &["plugins", images] };
        toml::table(&mut config, keys).map_err(broken)?.insert("snapshotter", value(name));
    }
    if let Some(low_level) = container.low_level.as_deref().filter(|name| *name != "runc") {
        let keys = ["plugins", runtime, "containerd"];
        toml::table(&mut config, &keys).map_err(broken)?.insert("default_runtime_name", value(low_level));
        let keys = ["plugins", runtime, "containerd", "runtimes", low_level];
        toml::table(&mut config, &keys).map_err(broken)?.insert("runtime_type", value("io.containerd.runc.v2"));
        let keys = ["plugins", runtime, "containerd", "runtimes", low_level, "options"];
        toml::table(&mut config, &keys).map_err(broken)?.insert("BinaryName", value(low_level));
    }
    Ok(config.to_string())
}

/// `hosts.toml` of one registry: its mirrors, then itself.
pub(super) fn hosts(registries: &Registries, registry: &Registry) -> String {
    let mut text = format!("server = \"https://{}\"\n", registry.server());
    let itself = registries.is_insecure(registry).then_some(registry);
    for host in registries.mirrors.get(registry).into_iter().flatten().chain(itself) {
        for scheme in schemes(registries, host) {
            let (address, own_path) = match host.path() {
                None => (format!("{scheme}://{host}"), ""),
                Some(path) => (format!("{scheme}://{}/v2/{path}", host.host()), "override_path = true\n"),
            };
            text += &format!("\n[host.\"{address}\"]\ncapabilities = [\"pull\", \"resolve\"]\n{own_path}");
            if registries.is_insecure(host) {
                text += "skip_verify = true\n";
            }
        }
    }
    text
}

/// In the order in which a registry is tried: an insecure one may have any certificate, or none.
pub(super) fn schemes(registries: &Registries, registry: &Registry) -> &'static [&'static str] {
    if registries.is_insecure(registry) { &["https", "http"] } else { &["https"] }
}
