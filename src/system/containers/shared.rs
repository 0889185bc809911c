//! What podman, buildah, skopeo and CRI-O read alike: registries, storage, what images must be signed with, logins.

use serde_json::{Value, json};
use toml_edit::{DocumentMut, value};

use super::{Change, Error, Logins, Plan, Tree, roots_logins};
use crate::{
    profile::{Container, Registries, Verification},
    system::{preload, put_text, text, toml},
};

/// Of containers-storage.conf(5): the machine's, and that of the packages.
pub(super) const STORAGE: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];
/// Where podman finds logins, below a home (containers-auth.json(5)).
const AUTH: &str = ".config/containers/auth.json";

pub(super) fn changes(plan: &Plan, logins: &Logins, tree: &Tree) -> Result<Vec<Change>, Error> {
    let container = &plan.machine.container;
    let mut changes = Vec::new();
    let conf = registries(&container.registries);
    if !conf.is_empty() {
        changes.push(put_text(plan, "/etc/containers/registries.conf.d/10-rowi.conf", 0o644, &conf));
    }
    if !container.has_shared() {
        return Ok(changes);
    }
    let store = preload::store(plan);
    if store.is_some() || container.driver.is_some() || container.path.is_some() {
        let config = STORAGE.iter().find_map(|path| text(tree, path)).unwrap_or_default();
        changes.push(put_text(plan, STORAGE[0], 0o644, &with_store(&config, container, store, true)?));
    }
    if !container.registries.verify.is_empty() || container.registries.verify_only {
        // The user's own files come later.
        let is_there = |key: &String| tree.at(key).is_some() || plan.files.iter().any(|file| file.path == *key);
        let mut keys = container.registries.verify.values().flat_map(|it| &it.keys);
        if let Some(key) = keys.find(|key| !is_there(key)) {
            let hint = "a package that brings it (openSUSE-build-key), or the key itself in `files:`";
            return Err(Error::Missing { what: format!("key `{key}`, which `registries.verify` names"), hint });
        }
        changes.push(put_text(plan, "/etc/containers/policy.json", 0o644, &policy(&container.registries)));
        changes.push(put_text(
            plan,
            "/etc/containers/registries.d/rowi.yaml",
            0o644,
            &signatures(&container.registries),
        ));
    }
    changes.extend(roots_logins(plan, logins, tree, AUTH));
    Ok(changes)
}

/// containers-storage.conf(5) with what the profile says in it, and with an additional store of images; where nothing says
/// how the machine keeps containers, with that as well, unless it is a user's own file.
pub(in crate::system) fn with_store(
    config: &str,
    container: &Container,
    store: Option<&str>,
    is_whole: bool,
) -> Result<String, Error> {
    let broken = |fault| Error::Broken { path: STORAGE[0], fault };
    let mut config: DocumentMut = config.parse().map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
    let storage = toml::table(&mut config, &["storage"]).map_err(broken)?;
    let usual =
        [("driver", "overlay"), ("runroot", "/run/containers/storage"), ("graphroot", "/var/lib/containers/storage")];
    for (key, usual) in usual.iter().take(if is_whole { usual.len() } else { 1 }) {
        if !storage.contains_key(key) {
            storage.insert(key, value(*usual));
        }
    }
    if let Some(driver) = &container.driver {
        storage.insert("driver", value(driver));
    }
    if let Some(path) = container.path.as_ref().filter(|_| is_whole) {
        storage.insert("graphroot", value(format!("{path}/storage")));
    }
    if let Some(store) = store {
        let options = toml::table(&mut config, &["storage", "options"]).map_err(broken)?;
        let mut stores = options.get("additionalimagestores").and_then(|it| it.as_array().cloned()).unwrap_or_default();
        if !stores.iter().any(|known| known.as_str() == Some(store)) {
            stores.push(store);
        }
        options.insert("additionalimagestores", value(stores));
    }
    Ok(config.to_string())
}

/// containers-registries.conf(5), for podman, buildah, skopeo and CRI-O. Names were checked: none needs quoting.
pub(super) fn registries(registries: &Registries) -> String {
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

/// containers-policy.json(5).
pub(super) fn policy(registries: &Registries) -> String {
    let accept = || json!([{"type": "insecureAcceptAnything"}]);
    let requirement = |verification: &Verification| {
        let keys = &verification.keys;
        let mut all = json!({"type": if verification.is_sigstore() { "sigstoreSigned" } else { "signedBy" }});
        match keys.as_slice() {
            [key] => all["keyPath"] = key.as_str().into(),
            keys => all["keyPaths"] = keys.into(),
        }
        if verification.is_sigstore() {
            all["signedIdentity"] = json!({"type": "matchRepository"});
        } else {
            all["keyType"] = "GPGKeys".into();
        }
        json!([all])
    };
    let signed: serde_json::Map<String, Value> =
        registries.verify.iter().map(|(name, verification)| (name.to_string(), requirement(verification))).collect();
    let default = if registries.verify_only { json!([{"type": "reject"}]) } else { accept() };
    // What lies here was checked when it came.
    let here = ["containers-storage", "docker-daemon", "dir", "oci", "oci-archive", "docker-archive"];
    let mut transports: serde_json::Map<String, Value> =
        here.iter().map(|name| ((*name).to_owned(), json!({"": accept()}))).collect();
    transports.insert("docker".into(), Value::Object(signed));
    format!("{:#}\n", json!({"default": default, "transports": transports}))
}

/// containers-registries.d(5): where signatures are.
pub(super) fn signatures(registries: &Registries) -> String {
    let mut text = String::from("docker:\n");
    for (name, verification) in &registries.verify {
        text += &format!("  {name}:\n");
        match &verification.lookaside {
            Some(address) => text += &format!("    lookaside: {}\n", Value::from(address.as_str())),
            None => text += &format!("    use-sigstore-attachments: {}\n", verification.is_sigstore()),
        }
    }
    if registries.verify.is_empty() { "docker: {}\n".into() } else { text }
}
