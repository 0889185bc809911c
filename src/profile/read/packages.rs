//! Roles and requests: what the distribution's packages are asked for, and by which line.

use std::collections::BTreeSet;

use super::{Reader, flag, strings};
use crate::{
    profile::{
        Packages, Place, Request,
        faults::{nearest, option},
        find::{self, Kind},
        node::Node,
    },
    report::Diagnostic,
};

/// Roles behind a setting of the system rather than its purpose: without them the setting drops out, with a warning.
const SETTINGS: &[&str] =
    &["selinux", "first_boot", "grow", "transactional-update", "rebootmgr", "health-checker", "hardware", "guest.vm"];

/// What a distribution says of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// These packages.
    Packages(Vec<String>),
    /// It has no such thing, and why.
    Absent(String),
    /// Nothing.
    Unknown,
}

impl Reader<'_> {
    pub(super) fn packages(&mut self) -> Packages {
        let excluded = self.excluded();
        let mut requests: Vec<Request> = Vec::new();
        for (role, place) in self.roles() {
            if !excluded.contains(&role) {
                self.role(&role, &place, &mut requests);
            }
        }
        for what in self.profile.at("packages.install").map(Node::items).unwrap_or_default() {
            self.request(what, &mut requests);
        }
        requests.retain(|request| !excluded.contains(&request.what) && !excluded.contains(package(&request.what)));
        for name in &self.choice.packages {
            self.request(&Node::text(name.clone(), option("--package")), &mut requests);
        }
        let mut forbid = Vec::new();
        for what in self.profile.at("packages.forbid").map(Node::items).unwrap_or_default() {
            self.request(what, &mut forbid);
        }
        Packages {
            install: requests,
            forbid,
            recommends: flag(self.profile, "packages.recommends").unwrap_or(false),
            docs: flag(self.profile, "packages.docs").unwrap_or(false),
            locales: strings(self.profile, "packages.locales"),
        }
    }

    fn excluded(&self) -> BTreeSet<String> {
        strings(self.profile, "packages.exclude").into_iter().collect()
    }

    /// Every role that is asked for, with the line that asks: the profile's, the platform's, the boot loaders'.
    fn roles(&self) -> Vec<(String, Place)> {
        let asked = |node: &Node, key: &str, prefix: &str| -> Vec<(String, Place)> {
            let items = node.at(key).map(Node::items).unwrap_or_default();
            items.iter().filter_map(|item| Some((format!("{prefix}{}", item.as_str()?), item.place.clone()))).collect()
        };
        let mut all = asked(self.profile, "packages.roles", "");
        all.extend(asked(self.platform, "roles", ""));
        all.extend(asked(self.platform, "bootloader.kind", "bootloader."));
        for (role, place) in self.implied_roles() {
            if self.known(&role) != Role::Unknown {
                all.push((role, place));
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|(role, _)| seen.insert(role.clone()));
        all
    }

    /// Roles that `update` and `first_boot` imply where the distribution keeps them apart from its base.
    fn implied_roles(&self) -> Vec<(String, Place)> {
        let mut roles = Vec::new();
        let mut ask = |key: &str, role: &str, off: &str| {
            if let Some(node) = self.profile.at(key).filter(|node| node.as_str() != Some(off)) {
                roles.push((role.to_owned(), node.place.clone()));
            }
        };
        ask("update.method", "transactional-update", "off");
        ask("update.health", "health-checker", "false");
        if let Some(method) = self.profile.at("update.reboot.method").filter(|node| node.as_str() == Some("rebootmgr"))
        {
            roles.push(("rebootmgr".into(), method.place.clone()));
        }
        // Packages for it want files in the initrd that only KIWI writes: a profile that asks for them says so itself.
        if let Some(node) = self.profile.at("first_boot.grow").filter(|node| node.as_str() == Some("true"))
            && self.lacks("grow")
        {
            roles.push(("grow".into(), node.place.clone()));
        }
        roles
    }

    /// The overlays that stand in for roles that the distribution does not have.
    pub(super) fn stand_ins(&self) -> Vec<Node> {
        self.roles().iter().filter_map(|(role, _)| self.stand_in(role).cloned()).collect()
    }

    /// The overlay that stands in for an absent role, unless its real package comes from elsewhere.
    pub(super) fn stand_in(&self, role: &str) -> Option<&Node> {
        let installs = self.profile.at("packages.install").map(Node::items).unwrap_or_default();
        let asked = installs.iter().filter_map(Node::as_str).chain(self.choice.packages.iter().map(String::as_str));
        let is_asked = asked.map(package).any(|name| name == role);
        self.distribution.get("roles")?.get(role)?.get("overlay").filter(|_| !is_asked)
    }

    /// What the distribution says of a role.
    pub(super) fn known(&self, role: &str) -> Role {
        let Some(node) = self.distribution.get("roles").and_then(|roles| roles.get(role)) else { return Role::Unknown };
        match node.get("absent").and_then(Node::as_str) {
            Some(reason) => Role::Absent(reason.into()),
            None => Role::Packages(node.items().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()),
        }
    }

    fn role(&mut self, role: &str, place: &Place, requests: &mut Vec<Request>) {
        let found = self.known(role);
        let stand_ins = self.profile.get("fallback").and_then(|all| all.get(role)).map(strings_of);
        match (found, stand_ins) {
            (Role::Packages(packages), _) => self.requests(packages, role, place, requests),
            (found, Some(stand_ins)) => {
                let distribution = &self.target.distribution;
                let reason = if let Role::Absent(reason) = found { format!(" ({reason})") } else { String::new() };
                self.notes.push(format!("`{role}`: not in {distribution}{reason}; {} instead", stand_ins.join(", ")));
                for stand_in in &stand_ins {
                    match self.known(stand_in) {
                        Role::Packages(packages) => self.requests(packages, stand_in, place, requests),
                        _ => self.missing(stand_in, place),
                    }
                }
                self.replaced.insert(role.into(), stand_ins);
            }
            (Role::Absent(reason), None) if self.stand_in(role).is_some() => {
                let distribution = &self.target.distribution;
                let overlay = self.stand_in(role).and_then(Node::as_str).unwrap_or_default();
                self.notes.push(format!("`{role}`: not in {distribution} ({reason}); overlay `{overlay}` instead"));
            }
            (Role::Absent(reason), None) if SETTINGS.contains(&role) => {
                let message =
                    format!("`{role}` is left out: {} has no packages for it ({reason})", self.target.distribution);
                self.doubt(place, message, "");
            }
            _ => self.missing(role, place),
        }
    }

    fn requests(&mut self, packages: Vec<String>, role: &str, place: &Place, requests: &mut Vec<Request>) {
        for what in packages {
            if requests.iter().all(|request| request.what != what) {
                requests.push(Request { what, role: Some(role.into()), place: place.clone() });
            }
        }
    }

    /// A request of the user's own.
    fn request(&mut self, node: &Node, requests: &mut Vec<Request>) {
        let Some(what) = node.as_str().map(str::trim) else { return };
        if !is_request(what) {
            let message = format!("`{}` is no package, capability or path", what.escape_debug());
            return self.fault(
                &node.place,
                message,
                "write `name`, `name >= 1.2`, `/path`, `pattern:NAME` or `capability(x)`",
            );
        }
        if requests.iter().all(|request| request.what != what) {
            requests.push(Request { what: what.into(), role: None, place: node.place.clone() });
        }
    }

    fn missing(&mut self, role: &str, place: &Place) {
        let distribution = &self.target.distribution;
        let own: Vec<&str> = self
            .distribution
            .get("roles")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|(key, _)| key.name.as_str())
            .collect();
        let mut fault =
            Diagnostic::at(place.clone(), format!("`{role}` has no packages in distribution `{distribution}`"));
        if let Role::Absent(reason) = self.known(role) {
            fault.because.push(reason);
        }
        let elsewhere = others_with(role, distribution);
        let choices: Vec<String> = elsewhere.iter().map(|name| format!("`--distribution {name}`")).collect();
        let family = role.split('.').next().unwrap_or_default();
        let siblings: Vec<&str> = own
            .iter()
            .copied()
            .filter(|name| {
                name.starts_with(family) && name.contains('.') && matches!(self.known(name), Role::Packages(_))
            })
            .collect();
        let near = nearest(role, own.iter().copied()).filter(|near| *near != role && elsewhere.is_empty());
        self.faults.push(match near {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(match (choices.is_empty(), siblings.is_empty()) {
                (false, false) => format!(
                    "{}, or `fallback: {{{role}: [{}]}}` to build without it",
                    choices.join(", "),
                    siblings.join(", ")
                ),
                (false, true) => choices.join(", "),
                (true, false) => format!("`fallback: {{{role}: [{}]}}` to build without it", siblings.join(", ")),
                (true, true) => format!("{distribution} has the roles {}", own.join(", ")),
            }),
        });
    }
}

/// Built-in and found distributions that have packages for a role.
fn others_with(role: &str, not: &str) -> Vec<String> {
    let has = |name: &String| {
        let found = find::file(Kind::Distribution, name, &Place::default()).ok()?;
        let tree = crate::profile::node::parse(&found.text, &found.path).ok()?;
        let role = tree.get("roles")?.get(role)?;
        role.get("absent").is_none().then_some(())
    };
    find::names(Kind::Distribution).into_iter().filter(|name| name != not && has(name).is_some()).collect()
}

fn strings_of(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The name in `name >= 1.2`.
fn package(request: &str) -> &str {
    request.split([' ', '<', '>', '=']).next().unwrap_or(request)
}

/// Whether a text could be a request; the solver reads it exactly.
fn is_request(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = text.chars().all(|c| !c.is_control() && !matches!(c, '\'' | '"' | ';' | '|' | '`' | '$'));
    let shape =
        text.starts_with('(') || matches!(words[..], [_]) || matches!(words[..], [_, "<" | "<=" | "=" | ">=" | ">", _]);
    plain && shape && text.len() < 256
}
