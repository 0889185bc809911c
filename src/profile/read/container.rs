//! Container runtimes and registries.

use super::{Reader, string, strings, word};
use crate::profile::{Container, Runtime, node::Node};

impl Reader<'_> {
    pub(super) fn container(&mut self) -> Container {
        let mut runtimes: Vec<Runtime> = Vec::new();
        for item in self.profile.at("container.runtimes").map(Node::items).unwrap_or_default() {
            let Some(name) = item.as_str() else { continue };
            for name in self.runtime(name, item) {
                if let Some(runtime) = word(&name).filter(|runtime| !runtimes.contains(runtime)) {
                    runtimes.push(runtime);
                }
            }
        }
        self.mirrors(&runtimes);
        Container {
            runtimes,
            low_level: string(self.profile, "container.low_level"),
            search_registries: strings(self.profile, "registries.search"),
        }
    }

    /// The runtime itself, or those whose roles stand in for it.
    fn runtime(&mut self, name: &str, item: &Node) -> Vec<String> {
        let role = format!("container.{name}");
        if let Some(stand_ins) = self.replaced.get(&role) {
            return stand_ins.iter().filter_map(|role| role.strip_prefix("container.").map(str::to_owned)).collect();
        }
        self.needs("container.runtimes", &role, item);
        vec![name.to_owned()]
    }

    fn mirrors(&mut self, runtimes: &[Runtime]) {
        let mirrors = self.profile.at("registries.mirrors").map(Node::entries).unwrap_or_default();
        for (key, _) in mirrors {
            if runtimes.contains(&Runtime::Docker) && key.name != "docker.io" {
                let message =
                    format!("`registries.mirrors` names `{}`, and dockerd can mirror `docker.io` only", key.name);
                let hint = "runtime `podman`, or `preload:` the images, or name the mirror in the image's name";
                self.fault(&key.place, message, hint);
            }
        }
    }
}
