//! Automatic updates.

use super::{Reader, distribution::DEFAULT_PRIORITY, flag, string, word};
use crate::profile::{Keep, Login, Mirror, Reboot, RebootMethod, Update, UpdateMethod, node::Node, scalar};

impl Reader<'_> {
    pub(super) fn update(&mut self) -> Update {
        let profile = self.profile;
        let method = string(profile, "update.method").and_then(|text| word::<UpdateMethod>(&text));
        let reboot = string(profile, "update.reboot.method").and_then(|text| word::<RebootMethod>(&text));
        Update {
            method: method.filter(|_| self.has("transactional-update")),
            schedule: self.calendar("update.schedule", "daily"),
            random_delay: Self::seconds(profile, "update.random_delay"),
            reboot: Reboot {
                method: reboot.filter(|method| *method != RebootMethod::Rebootmgr || self.has("rebootmgr")),
                window: string(profile, "update.reboot.window"),
                duration: Self::seconds(profile, "update.reboot.duration"),
            },
            health: flag(profile, "update.health").unwrap_or(false),
            keep: self.keep(),
            repositories: self.update_repositories(),
        }
    }

    /// Repositories in place of the distribution's, where there is a list of them.
    fn update_repositories(&mut self) -> Option<Vec<Mirror>> {
        let node = self.profile.at("update.repositories").filter(|node| node.as_str().is_none())?;
        let mut all = Vec::new();
        for item in node.items() {
            let alias = string(item, "alias").unwrap_or_default();
            self.alias(&alias, item);
            let Some(url) = item.get("url") else {
                self.fault(&item.place, format!("repository `{alias}` has no `url`"), "");
                continue;
            };
            all.push(Mirror {
                url: self.address(url),
                verify: string(item, "verify").and_then(|text| word(&text)).unwrap_or_default(),
                priority: string(item, "priority").and_then(|text| scalar::count(&text)).unwrap_or(DEFAULT_PRIORITY),
                login: self.login(item, &alias),
                alias,
            });
        }
        Some(all)
    }

    fn login(&mut self, item: &Node, alias: &str) -> Option<Login> {
        let username = string(item, "username");
        let password = self.secret(item, "password", "update.repositories.password");
        match (username, password) {
            (None, None) => None,
            (Some(username), Some(password)) if !username.contains(char::is_control) => {
                Some(Login { username, password })
            }
            _ => {
                let message = format!("repository `{alias}` needs both `username` and `password`, or neither");
                self.fault(&item.place, message, "`username: me`, `password: {secret: MIRROR}`");
                None
            }
        }
    }

    /// Whether the distribution has packages for a role, or something that stands in for them.
    fn has(&self, role: &str) -> bool {
        !self.lacks(role) || self.stand_in(role).is_some()
    }

    /// A calendar expression, as far as its characters tell; systemd reads it exactly.
    pub(super) fn calendar(&mut self, key: &str, usual: &str) -> String {
        let text = string(self.profile, key).unwrap_or_else(|| usual.into());
        let sound = |c: char| c.is_ascii_alphanumeric() || " *-,:./~_".contains(c);
        if let Some(node) = self.profile.at(key).filter(|_| text.is_empty() || !text.chars().all(sound)) {
            let hint = "`daily`, `Mon..Fri 03:30`, `*-*-01 04:00`: see `man systemd.time`";
            self.fault(&node.place, format!("`{key}`: `{text}` is no calendar expression"), hint);
        }
        text
    }

    fn keep(&mut self) -> Keep {
        let mut keep = Keep::default();
        for (key, value) in [("snapshots", &mut keep.snapshots), ("important", &mut keep.important)] {
            let Some(node) = self.profile.at(&format!("update.keep.{key}")) else { continue };
            let text = node.as_str().unwrap_or_default();
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            match (scalar::count(from), scalar::count(to)) {
                (Some(from), Some(to)) if from <= to && to > 0 => *value = text.to_owned(),
                _ => self.fault(
                    &node.place,
                    format!("`update.keep.{key}`: `{text}` is no number and no range of numbers"),
                    "`10`, or `2-10`: as few as 2 where room is short, 10 otherwise",
                ),
            }
        }
        keep
    }
}
