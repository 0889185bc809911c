//! First boot, and whether anyone can ever log in.

use super::{Reader, flag, string, strings};
use crate::profile::{FirstBoot, Machine, node::Node};

impl Reader<'_> {
    pub(super) fn first_boot(&mut self) -> FirstBoot {
        let mut sources = strings(self.profile, "first_boot.sources");
        for item in self.profile.at("first_boot.sources").map(Node::items).unwrap_or_default() {
            if item.as_str() != Some("credentials") {
                self.needs("first_boot.sources", "first_boot", item);
            }
        }
        if self.lacks("first_boot") {
            sources.retain(|source| source == "credentials");
        }
        FirstBoot {
            sources,
            wizard: self.wizard(),
            grow: flag(self.profile, "first_boot.grow").unwrap_or(false),
            machine_id_uninitialized: string(self.profile, "first_boot.machine_id").as_deref() != Some("absent"),
        }
    }

    fn wizard(&self) -> bool {
        let asked = match string(self.profile, "first_boot.wizard").as_deref() {
            Some("true") => true,
            Some("auto") => !self
                .profile
                .get("users")
                .map(Node::entries)
                .unwrap_or_default()
                .iter()
                .any(|(_, user)| super::users::lets_in(user)),
            _ => false,
        };
        asked && self.selects("first_boot") && !self.lacks("first_boot")
    }

    /// An image that nobody can ever log in to is a mistake unless the profile says that it is not.
    pub(super) fn access(&mut self, machine: &Machine) {
        let by_user = machine.users.values().any(|user| user.password_hash.is_some() || !user.ssh_keys.is_empty());
        let later = machine.first_boot.wizard || !machine.first_boot.sources.is_empty();
        if by_user || string(self.profile, "access").as_deref() == Some("none") {
            return;
        }
        if later {
            let mut ways: Vec<String> = machine
                .first_boot
                .sources
                .iter()
                .map(|source| match source.as_str() {
                    "credentials" => "give a systemd credential such as ssh.authorized_keys.root".into(),
                    source => format!("give {source} a configuration"),
                })
                .collect();
            ways.extend(machine.first_boot.wizard.then(|| "answer the wizard on the console".into()));
            return self.notes.push(format!("nobody can log in until first boot: {}", ways.join(", or ")));
        }
        let place = self.profile.get("users").unwrap_or(self.profile).place.clone();
        let hint = "`users: {root: {ssh_keys: [~/.ssh/id_ed25519.pub]}}`, a source in `first_boot.sources`, or `access: none` if that is wanted";
        self.fault(
            &place,
            "nobody can log in to this image: no user has a key or password, and nothing configures it at first boot",
            hint,
        );
    }
}
