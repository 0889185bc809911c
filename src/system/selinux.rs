//! The mode of SELinux, and the policy whose labels the disk gets.

use super::{Change, Error, at, put_text, text};
use crate::{
    plan::Plan,
    profile::Selinux,
    selinux::{CONFIG, FileContexts, path, policy, setting},
    tree::Tree,
};

/// What makes a machine label its files anew: all of them have their labels (fixfiles(8), microos-tools).
const RELABEL: [&str; 2] = ["/.autorelabel", "/etc/selinux/.autorelabel"];

/// The mode that was asked for; `off` is said to a system that has SELinux's configuration.
pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let asked = plan.machine.selinux;
    let installed = installed(tree).filter(|_| asked != Selinux::Off);
    if installed.is_none() && tree.at(CONFIG).is_none() {
        return Vec::new();
    }
    let config = config(&text(tree, CONFIG).unwrap_or_default(), asked, installed.as_deref());
    vec![put_text(plan, CONFIG, 0o644, &config)]
}

/// A configuration with this mode, and with this policy where it names none.
fn config(text: &str, mode: Selinux, installed: Option<&str>) -> String {
    let mode = match mode {
        Selinux::Enforcing => "enforcing",
        Selinux::Permissive => "permissive",
        Selinux::Off => "disabled",
    };
    let others = text.lines().filter(|line| setting(line, "SELINUX").is_none());
    let mut config: String = others.flat_map(|line| [line, "\n"]).collect();
    config.push_str(&format!("SELINUX={mode}\n"));
    if let (None, Some(policy)) = (policy(text), installed) {
        config.push_str(&format!("SELINUXTYPE={policy}\n"));
    }
    config
}

/// The policy that is installed.
fn installed(tree: &Tree) -> Option<String> {
    let folder = at("/etc/selinux");
    let names = tree.children(&folder).map(|(path, _)| String::from_utf8_lossy(path.file_name()).into_owned());
    names.into_iter().find(|name| tree.at(&path(name)).is_some())
}

/// Nothing is to be labelled anew.
pub(super) fn last(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let is_left = |path: &&str| plan.machine.selinux != Selinux::Off && tree.at(path).is_some();
    RELABEL.into_iter().filter(is_left).map(|path| Change::Remove(at(path))).collect()
}

/// The labels that every file is to have.
pub(super) fn contexts(plan: &Plan, tree: &Tree) -> Result<Option<FileContexts>, Error> {
    if plan.machine.selinux == Selinux::Off {
        return Ok(None);
    }
    let found = FileContexts::read(|path| text(tree, path)).map_err(Error::Labels)?;
    found.map(Some).ok_or(Error::Missing {
        what: "SELinux policy with `file_contexts`".into(),
        hint: "select role `selinux` with a package that brings a policy, or set `selinux: off`",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_said_once_and_the_policy_stays() {
        let of = |text: &str, installed| config(text, Selinux::Enforcing, installed);
        assert_eq!(
            of("# SELINUX= is the mode\nSELINUX=permissive\nSELINUXTYPE=targeted\nSELINUX = disabled\n", Some("mls")),
            "# SELINUX= is the mode\nSELINUXTYPE=targeted\nSELINUX=enforcing\n"
        );
        assert_eq!(of("", Some("targeted")), "SELINUX=enforcing\nSELINUXTYPE=targeted\n");
        assert_eq!(config("SELINUX=enforcing\n", Selinux::Off, None), "SELINUX=disabled\n");
    }
}
