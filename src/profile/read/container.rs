//! Container runtimes.

use super::{Reader, string, word};
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
        let registries = self.registries(&runtimes);
        Container { runtimes, low_level: string(self.profile, "container.low_level"), registries }
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
}
