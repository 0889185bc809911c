//! Container registries: names that are some, and what each runtime cannot do.

use std::collections::BTreeMap;

use super::{Reader, flag, string, strings};
use crate::profile::{Place, Registries, Registry, Runtime, Secret, Verification, node::Node};

/// What else there is where a runtime cannot do as asked.
const WAYS_OUT: &str = "runtime `podman`, or `preload:` the images, or name the mirror in the image's name";

impl Reader<'_> {
    /// Of the runtimes that the image has.
    pub(super) fn registries(&mut self, runtimes: &[Runtime]) -> Registries {
        let mut registries = Registries {
            search: strings(self.profile, "registries.search"),
            short_names: string(self.profile, "registries.short_names"),
            insecure: self.list("registries.insecure"),
            blocked: self.list("registries.blocked"),
            verify: self.verify(),
            verify_only: flag(self.profile, "registries.verify_only").unwrap_or(false),
            credentials: self.credentials(),
            credentials_in_image: flag(self.profile, "registries.in_image").unwrap_or(false),
            ..Registries::default()
        };
        for item in self.items("registries.search") {
            self.registry("registries.search", item.as_str().unwrap_or_default(), &item.place);
        }
        let profile = self.profile;
        for (key, mirrors) in profile.at("registries.mirrors").map(Node::entries).unwrap_or_default() {
            let name = self.registry("registries.mirrors", &key.name, &key.place);
            let mirrors = mirrors
                .items()
                .iter()
                .filter_map(|item| self.registry("registries.mirrors", item.as_str().unwrap_or_default(), &item.place));
            let mirrors: Vec<Registry> = mirrors.collect();
            if let Some(name) = name {
                self.can_be_mirrored(&name, &key.place, runtimes);
                registries.mirrors.insert(name, mirrors);
            }
        }
        let blocked = self.items("registries.blocked").first().map(|item| item.place.clone());
        for runtime in runtimes.iter().filter(|it| matches!(it, Runtime::Docker | Runtime::Containerd)) {
            if let Some(place) = &blocked {
                let message = format!("`registries.blocked` is set, and {} can block no registry", runtime.daemon());
                self.fault(place, message, "runtime `podman` or `cri-o`, or a mirror of yours in its place");
            }
        }
        registries
    }

    fn verify(&mut self) -> BTreeMap<Registry, Verification> {
        let mut all = BTreeMap::new();
        let profile = self.profile;
        for (key, node) in profile.at("registries.verify").map(Node::entries).unwrap_or_default() {
            let verification = Verification { keys: strings(node, "keys"), lookaside: string(node, "lookaside") };
            if verification.keys.is_empty() {
                let message = format!("`registries.verify.{}` has no `keys`", key.name);
                self.fault(
                    &key.place,
                    message,
                    "paths of public keys in the image: `[/usr/share/container-keys/suse-container-key.asc]`",
                );
            }
            if verification.is_sigstore() && verification.lookaside.is_some() {
                let message = format!("`registries.verify.{}`: signatures of sigstore lie beside the image", key.name);
                self.fault(&key.place, message, "`lookaside` is for signatures of OpenPGP");
            }
            let name = self.registry("registries.verify", &key.name, &key.place);
            all.extend(name.map(|name| (name, verification)));
        }
        all
    }

    fn credentials(&mut self) -> BTreeMap<Registry, Secret> {
        let mut all = BTreeMap::new();
        let profile = self.profile;
        let Some(node) = profile.at("registries.credentials") else { return all };
        for (key, _) in node.entries() {
            let name = self.registry("registries.credentials", &key.name, &key.place);
            let secret = self.secret(node, &key.name, &format!("registries.credentials.{}", key.name));
            all.extend(name.zip(secret));
        }
        all
    }

    fn items(&self, key: &str) -> Vec<Node> {
        self.profile.at(key).map(Node::items).unwrap_or_default().to_vec()
    }

    fn list(&mut self, key: &str) -> Vec<Registry> {
        let items = self.items(key);
        items.iter().filter_map(|item| self.registry(key, item.as_str().unwrap_or_default(), &item.place)).collect()
    }

    fn registry(&mut self, key: &str, text: &str, place: &Place) -> Option<Registry> {
        let registry = Registry::parse(text);
        if registry.is_none() {
            let message = format!("`{key}`: `{}` is no registry", text.escape_debug());
            let hint = match text.split_once("://") {
                Some((_, rest)) => {
                    format!("without the scheme: `{rest}`; `insecure: [{rest}]` lets it be reached by HTTP")
                }
                None => "a host with a dot or a port, and perhaps a path: `mirror.example.lan:5000/opensuse`".into(),
            };
            self.fault(place, message, &hint);
        }
        registry
    }

    /// dockerd mirrors Docker Hub alone (moby#18818, #34319); containerd whole registries (`docs/hosts.md`).
    fn can_be_mirrored(&mut self, name: &Registry, place: &Place, runtimes: &[Runtime]) {
        if runtimes.contains(&Runtime::Docker) && name.as_str() != "docker.io" {
            let message = format!("`registries.mirrors` names `{name}`, and dockerd can mirror `docker.io` only");
            self.fault(place, message, WAYS_OUT);
        }
        if runtimes.contains(&Runtime::Containerd) && name.path().is_some() {
            let message = format!("`registries.mirrors` names `{name}`, and containerd mirrors whole registries only");
            self.fault(place, message, &format!("mirror `{}`, or {WAYS_OUT}", name.host()));
        }
    }
}
