//! Container runtimes: what the profile says, in each one's own words and files.
//!
//! | file | of | written where |
//! |---|---|---|
//! | `registries.conf.d`, `storage.conf`, `policy.json`, `auth.json` | podman, buildah, skopeo, CRI-O | [`shared`] |
//! | `containers.conf.d` | podman | [`podman`] |
//! | `crio.conf.d` | CRI-O | [`crio`] |
//! | `config.toml`, `certs.d` | containerd | [`containerd`] |
//! | `daemon.json`, `~/.docker/config.json` | dockerd | [`docker`] |
//! | a service and a timer | rowi | [`prune`] |

mod containerd;
mod crio;
mod docker;
mod podman;
mod prune;
mod shared;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Change, Error, Secrets, accounts, network::value, put_text};
use crate::{
    plan::Plan,
    profile::{Registries, Registry, Runtime},
    tree::Tree,
};

pub(super) use shared::with_store;

pub(super) fn changes(plan: &Plan, secrets: &Secrets, tree: &Tree) -> Result<Vec<Change>, Error> {
    let container = &plan.machine.container;
    let logins = logins(&container.registries, secrets);
    let mut changes = shared::changes(plan, &logins, tree)?;
    for runtime in &container.runtimes {
        changes.extend(match runtime {
            Runtime::Podman => podman::changes(plan),
            Runtime::CriO => crio::changes(plan, &logins),
            Runtime::Containerd => containerd::changes(plan, &logins, tree)?,
            Runtime::Docker => docker::changes(plan, &logins, tree),
            Runtime::Lxc => Vec::new(),
        });
    }
    changes.extend(prune::changes(plan));
    Ok(changes)
}

/// `user:password` of each registry, where the machine is to have them.
type Logins = BTreeMap<Registry, String>;

fn logins(registries: &Registries, secrets: &Secrets) -> Logins {
    let all = registries.credentials.iter().filter(|_| registries.credentials_in_image);
    all.filter_map(|(registry, secret)| Some((registry.clone(), value(secret, secrets)?))).collect()
}

/// A file with logins in root's home, which is no part of the snapshot; nothing where there are none.
fn roots_logins(plan: &Plan, logins: &Logins, tree: &Tree, path: &str) -> Option<Change> {
    let (.., home) = accounts::known(tree, "root").filter(|_| !logins.is_empty())?;
    Some(put_text(plan, &format!("{home}/{path}"), 0o600, &auth_file(logins)))
}

/// containers-auth.json(5), which docker's `config.json` is, too.
fn auth_file(logins: &Logins) -> String {
    let auths: BTreeMap<&str, _> =
        logins.iter().map(|(registry, login)| (registry.as_str(), json!({"auth": STANDARD.encode(login)}))).collect();
    format!("{:#}\n", json!({ "auths": auths }))
}

#[cfg(test)]
mod tests;
