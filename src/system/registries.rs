//! Where container runtimes get images from, in each runtime's own words: one setting, the same names everywhere.

use std::collections::BTreeSet;

use toml_edit::{DocumentMut, Item, value};

use super::{Change, Error, put_text, text, toml};
use crate::{
    plan::Plan,
    profile::{Registries, Registry, Runtime},
    tree::Tree,
};

/// containerd's configuration, and where it looks for a registry's hosts (containerd, `docs/hosts.md`).
const CONTAINERD: &str = "/etc/containerd/config.toml";
const CONTAINERD_HOSTS: &str = "/etc/containerd/certs.d";

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Result<Vec<Change>, Error> {
    let container = &plan.machine.container;
    let registries = &container.registries;
    let mut changes = Vec::new();
    let conf = containers(registries);
    if !conf.is_empty() {
        changes.push(put_text(plan, "/etc/containers/registries.conf.d/10-rowi.conf", 0o644, &conf));
    }
    if registries.named().next().is_none() {
        return Ok(changes);
    }
    if container.runtimes.contains(&Runtime::Containerd) {
        let config = containerd(&text(tree, CONTAINERD).unwrap_or_default())?;
        changes.push(put_text(plan, CONTAINERD, 0o644, &config));
        for registry in registries.named().filter(|registry| registry.path().is_none()) {
            let path = format!("{CONTAINERD_HOSTS}/{registry}/hosts.toml");
            changes.push(put_text(plan, &path, 0o644, &hosts(registries, registry)));
        }
    }
    if container.runtimes.contains(&Runtime::Docker) {
        changes.push(put_text(plan, "/etc/docker/daemon.json", 0o644, &daemon(registries)));
    }
    Ok(changes)
}

/// containers-registries.conf(5), for podman, buildah, skopeo and CRI-O. Names were checked: none needs quoting.
fn containers(registries: &Registries) -> String {
    let Registries { search, short_names, blocked, .. } = registries;
    let mut conf = String::new();
    if !search.is_empty() {
        let names: Vec<String> = search.iter().map(|name| format!("\"{name}\"")).collect();
        conf += &format!("unqualified-search-registries = [{}]\n", names.join(", "));
    }
    if let Some(mode) = short_names {
        conf += &format!("short-name-mode = \"{mode}\"\n");
    }
    for registry in registries.named() {
        conf += &format!("\n[[registry]]\nprefix = \"{registry}\"\nlocation = \"{registry}\"\n");
        if registries.is_insecure(registry) {
            conf += "insecure = true\n";
        }
        if blocked.contains(registry) {
            conf += "blocked = true\n";
        }
        for mirror in registries.mirrors.get(registry).into_iter().flatten() {
            conf += &format!("\n[[registry.mirror]]\nlocation = \"{mirror}\"\n");
            if registries.is_insecure(mirror) {
                conf += "insecure = true\n";
            }
        }
    }
    conf
}

/// containerd's own configuration with [`CONTAINERD_HOSTS`] in it. It is changed where it is: what it imports replaces
/// whole sections of plugins up to 1.7.
fn containerd(config: &str) -> Result<String, Error> {
    let broken = |fault: String| Error::Broken { path: CONTAINERD, fault };
    let mut config: DocumentMut = config.parse().map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
    let version = config.get("version").and_then(Item::as_integer).unwrap_or(2);
    config["version"] = value(version);
    // containerd, `docs/cri/config.md`: the section's name in versions 2 and 3 of the format.
    let plugin = if version < 3 { "io.containerd.grpc.v1.cri" } else { "io.containerd.cri.v1.images" };
    let table = toml::table(&mut config, &["plugins", plugin, "registry"]).map_err(broken)?;
    table.insert("config_path", value(CONTAINERD_HOSTS));
    Ok(config.to_string())
}

/// `hosts.toml` of one registry: its mirrors, then itself.
fn hosts(registries: &Registries, registry: &Registry) -> String {
    // Docker Hub's API has another name (distribution/reference, `defaultDomain`; containerd, `DefaultHost`).
    let server = if registry.as_str() == "docker.io" { "registry-1.docker.io" } else { registry.host() };
    let mut text = format!("server = \"https://{server}\"\n");
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
fn schemes(registries: &Registries, registry: &Registry) -> &'static [&'static str] {
    if registries.is_insecure(registry) { &["https", "http"] } else { &["https"] }
}

/// dockerd(8): mirrors of Docker Hub, and what may be reached by HTTP.
fn daemon(registries: &Registries) -> String {
    let mirrors = registries.mirrors.iter().filter(|(name, _)| name.as_str() == "docker.io").flat_map(|(_, all)| all);
    let addresses = |mirror| schemes(registries, mirror).iter().map(move |scheme| format!("{scheme}://{mirror}"));
    let mirrors: Vec<String> = mirrors.flat_map(addresses).collect();
    let insecure: BTreeSet<&str> = registries.insecure.iter().map(Registry::host).collect();
    let insecure: Vec<&str> = insecure.into_iter().collect();
    let mut all = serde_json::Map::new();
    if !mirrors.is_empty() {
        all.insert("registry-mirrors".into(), mirrors.into());
    }
    if !insecure.is_empty() {
        all.insert("insecure-registries".into(), insecure.into());
    }
    format!("{:#}\n", serde_json::Value::Object(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Registry {
        Registry::parse(text).unwrap()
    }

    fn registries() -> Registries {
        Registries {
            search: vec!["registry.opensuse.org".into()],
            short_names: Some("enforcing".into()),
            mirrors: [
                (registry("docker.io"), vec![registry("mirror.example.lan:5000"), registry("cache.example.org/hub")]),
                (registry("registry.opensuse.org"), vec![registry("mirror.example.lan:5000/opensuse")]),
            ]
            .into(),
            insecure: vec![registry("mirror.example.lan:5000")],
            blocked: vec![registry("quay.io/evil")],
        }
    }

    const CONTAINERS: &str = r#"unqualified-search-registries = ["registry.opensuse.org"]
short-name-mode = "enforcing"

[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "mirror.example.lan:5000"
insecure = true

[[registry.mirror]]
location = "cache.example.org/hub"

[[registry]]
prefix = "mirror.example.lan:5000"
location = "mirror.example.lan:5000"
insecure = true

[[registry]]
prefix = "quay.io/evil"
location = "quay.io/evil"
blocked = true

[[registry]]
prefix = "registry.opensuse.org"
location = "registry.opensuse.org"

[[registry.mirror]]
location = "mirror.example.lan:5000/opensuse"
insecure = true
"#;

    const DOCKER_HUB: &str = r#"server = "https://registry-1.docker.io"

[host."https://mirror.example.lan:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true

[host."http://mirror.example.lan:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true

[host."https://cache.example.org/v2/hub"]
capabilities = ["pull", "resolve"]
override_path = true
"#;

    const OPENSUSE: &str = r#"server = "https://registry.opensuse.org"

[host."https://mirror.example.lan:5000/v2/opensuse"]
capabilities = ["pull", "resolve"]
override_path = true
skip_verify = true

[host."http://mirror.example.lan:5000/v2/opensuse"]
capabilities = ["pull", "resolve"]
override_path = true
skip_verify = true
"#;

    #[test]
    fn each_runtime_reads_it_in_its_own_words() {
        let registries = registries();
        assert_eq!(containers(&registries), CONTAINERS);
        assert_eq!(hosts(&registries, &registry("docker.io")), DOCKER_HUB);
        assert_eq!(hosts(&registries, &registry("registry.opensuse.org")), OPENSUSE);
        let daemon: serde_json::Value = serde_json::from_str(&daemon(&registries)).unwrap();
        let mirrors =
            ["https://mirror.example.lan:5000", "http://mirror.example.lan:5000", "https://cache.example.org/hub"];
        let expected =
            serde_json::json!({"registry-mirrors": mirrors, "insecure-registries": ["mirror.example.lan:5000"]});
        assert_eq!(daemon, expected);
    }

    #[test]
    fn containerds_own_configuration_stays_but_for_one_line() {
        let debian = "version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    # its own\n    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n";
        let config = containerd(debian).unwrap();
        let line = "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
        assert_eq!(config, format!("{debian}{line}"));
        assert_eq!(containerd(&config).unwrap(), config, "once is enough");
        let empty = containerd("").unwrap();
        assert_eq!(empty, format!("version = 2\n{line}"));
        let third = containerd("version = 3\n").unwrap();
        assert!(third.contains("[plugins.\"io.containerd.cri.v1.images\".registry]"), "{third}");
        assert!(containerd("version = ").is_err() && containerd("plugins = 1\n").is_err());
    }
}
