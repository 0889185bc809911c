//! What the installed system is told.

use std::{collections::BTreeMap, path::Path};

use super::{Reader, flag, packages::Role, string, strings, word};
use crate::profile::{Machine, Selinux, Ssh, find, node::Node, scalar};
use crate::web::without_user;

impl Reader<'_> {
    pub(super) fn machine(&mut self) -> Machine {
        let profile = self.profile;
        let text = |key: &str| string(profile, key).unwrap_or_default();
        self.hostname();
        self.proxy();
        self.timezone();
        let (update, kubernetes) = (self.update(), self.kubernetes());
        self.kured(&update, kubernetes.as_ref());
        let machine = Machine {
            hostname: text("hostname"),
            locale: text("locale"),
            timezone: text("timezone"),
            keymap: text("keymap"),
            ntp_servers: strings(profile, "time.servers"),
            users: self.users(),
            ssh: ssh(profile),
            connections: self.connections(),
            proxy: string(profile, "network.proxy"),
            ca_certificates: self.certificates(),
            enable: self.units("enable"),
            disable: self.units("disable"),
            mask: self.units("mask"),
            sysctl: self.sysctl(),
            modules: strings(profile, "modules"),
            selinux: self.checked_selinux(),
            container: self.container(),
            first_boot: self.first_boot(),
            update,
            kubernetes,
            forward: self.forward(),
        };
        self.access(&machine);
        machine
    }

    /// Whether the distribution has no packages for a setting's role.
    pub(super) fn lacks(&self, role: &str) -> bool {
        matches!(self.known(role), Role::Absent(_))
    }

    /// A setting whose role is merely not selected is a mistake.
    pub(super) fn needs(&mut self, key: &str, role: &str, item: &Node) {
        if matches!(self.known(role), Role::Packages(_)) && !self.selects(role) {
            let message = format!("`{key}` names `{}`, and role `{role}` is not selected", item.shown());
            self.fault(&item.place, message, &format!("`packages: {{roles: [{role}]}}`"));
        }
    }

    /// Whether the profile asks for a role.
    pub(super) fn selects(&self, role: &str) -> bool {
        let named = |key: &str| strings(self.profile, key).iter().any(|own| own == role);
        named("packages.roles") && !named("packages.exclude")
    }

    /// SELinux, unless the distribution has no policy.
    pub(super) fn selinux(&self) -> Selinux {
        let asked = string(self.profile, "selinux").and_then(|text| word(&text)).unwrap_or_default();
        if self.lacks("selinux") { Selinux::Off } else { asked }
    }

    fn checked_selinux(&mut self) -> Selinux {
        if let Some(node) = self.profile.get("selinux").filter(|node| node.as_str() != Some("off")) {
            self.needs("selinux", "selinux", node);
        }
        self.selinux()
    }

    fn hostname(&mut self) {
        let Some(node) = self.profile.get("hostname") else { return };
        let name = node.as_str().unwrap_or_default();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let sound = name.is_empty() || (name.len() <= 64 && name.split('.').all(label));
        if !sound {
            let message = format!("`hostname`: `{}` is no host name", name.escape_debug());
            self.fault(&node.place, message, "letters, digits and `-`, at most 64 in all; `\"\"` leaves it to DHCP");
        }
    }

    fn proxy(&mut self) {
        let Some(node) = self.profile.at("network.proxy") else { return };
        let address = node.as_str().unwrap_or_default();
        if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
            self.fault(&node.place, "`network.proxy` is no address", "for example `http://proxy.example.org:3128`");
        } else if without_user(address) != address {
            self.doubt(
                &node.place,
                "`network.proxy` holds a name or password, which everyone on the machine can read".into(),
                "",
            );
        }
    }

    fn timezone(&mut self) {
        let Some(node) = self.profile.get("timezone") else { return };
        let name = node.as_str().unwrap_or_default();
        let sound = !name.starts_with('/') && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if !sound || name.contains(char::is_whitespace) {
            let message = format!("`timezone`: `{}` is no name of the tz database", name.escape_debug());
            self.fault(&node.place, message, "for example `Europe/Berlin` or `UTC`");
        }
    }

    fn units(&mut self, list: &str) -> Vec<String> {
        let mut units = Vec::new();
        for item in self.profile.at(&format!("services.{list}")).map(Node::items).unwrap_or_default() {
            let Some(name) = item.as_str() else { continue };
            let sound = !name.is_empty()
                && name.len() < 256
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "@._-:\\".contains(c));
            if !sound {
                self.fault(
                    &item.place,
                    format!("`services.{list}`: `{}` is no unit", name.escape_debug()),
                    "for example `sshd.service`",
                );
            }
            units.push(if name.contains('.') { name.to_owned() } else { format!("{name}.service") });
        }
        units
    }

    fn sysctl(&self) -> BTreeMap<String, String> {
        let entries = self.profile.get("sysctl").map(Node::entries).unwrap_or_default();
        entries.iter().filter_map(|(key, value)| Some((key.name.clone(), value.as_str()?.to_owned()))).collect()
    }

    fn certificates(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for item in self.profile.get("ca_certificates").map(Node::items).unwrap_or_default() {
            let Some(text) = item.as_str() else { continue };
            let pem = if text.contains("-----BEGIN") {
                Ok(text.to_owned())
            } else {
                find::read(&find::beside(&item.place, text)).map(|found| found.text)
            };
            match pem {
                Ok(pem) if pem.contains("PRIVATE KEY") => {
                    self.fault(
                        &item.place,
                        "`ca_certificates` holds a private key",
                        "give the certificate alone; the key stays where it is",
                    );
                }
                Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => all.push(pem),
                Ok(_) => self.fault(&item.place, "`ca_certificates`: no certificate in PEM", ""),
                Err(cause) => self.fault(&item.place, format!("`ca_certificates`: cannot read `{text}`: {cause}"), ""),
            }
        }
        all
    }

    /// Whether a file is there for the build.
    pub(super) fn present(&mut self, key: &str, item: &Node, path: &Path) {
        if let Err(error) = fs_err::metadata(path) {
            let cause = if error.kind() == std::io::ErrorKind::NotFound {
                "there is no such file".into()
            } else {
                error.to_string()
            };
            self.fault(
                &item.place,
                format!("`{key}`: cannot read `{}`: {cause}", path.display()),
                "relative paths are relative to the file that holds them",
            );
        }
    }

    /// Seconds of a time.
    pub(super) fn seconds(node: &Node, key: &str) -> u64 {
        string(node, key).and_then(|text| scalar::time(&text)).unwrap_or(0)
    }
}

fn ssh(profile: &Node) -> Ssh {
    let root_login = match string(profile, "ssh.root_login").as_deref() {
        Some("password") => "yes",
        Some("off") => "no",
        _ => "prohibit-password",
    };
    Ssh {
        enabled: flag(profile, "ssh.enabled").unwrap_or(false),
        root_login: root_login.into(),
        password_login: flag(profile, "ssh.password_login").unwrap_or(false),
    }
}
