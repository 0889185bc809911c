//! The mode of SELinux, and the policy whose labels the disk gets.

use super::{Change, Error, at, preload, put_text, text};
use crate::{
    plan::Plan,
    profile::Selinux,
    selinux::{CONFIG, FileContexts, path, policy, setting},
    tree::Tree,
};

/// What makes a machine label its files anew: all of them have their labels (fixfiles(8), microos-tools).
const RELABEL: [&str; 2] = ["/.autorelabel", "/etc/selinux/.autorelabel"];

/// Whose labels a store of images gets, wherever it lies (containers-storage.conf(5), "SELINUX LABELING").
const STORAGE: &str = "/var/lib/containers/storage";

/// The mode that was asked for; `off` is said to a system that has SELinux's configuration. Images that come with the
/// system are labelled as those that it pulls.
pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let asked = plan.machine.selinux;
    let installed = installed(tree).filter(|_| asked != Selinux::Off);
    if installed.is_none() && tree.at(CONFIG).is_none() {
        return Vec::new();
    }
    let config = config(&text(tree, CONFIG).unwrap_or_default(), asked, installed.as_deref());
    let mut changes = vec![put_text(plan, CONFIG, 0o644, &config)];
    if let (Some(policy), Some(store)) = (policy(&config).filter(|_| installed.is_some()), preload::store(plan)) {
        let file = format!("{}.subs", path(policy));
        let known = text(tree, &file).unwrap_or_default();
        changes.extend(equivalence(&known, store).map(|text| put_text(plan, &file, 0o644, &text)));
    }
    changes
}

/// The file of equivalences with that of a store, unless it has one: what `semanage fcontext -a -e` writes.
fn equivalence(known: &str, store: &str) -> Option<String> {
    let is_known = known.lines().any(|line| line.split_whitespace().next() == Some(store));
    (!is_known).then(|| format!("{}{store} {STORAGE}\n", end_of_line(known)))
}

/// A text that another line can follow.
fn end_of_line(text: &str) -> String {
    let missing = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{missing}")
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

    #[test]
    fn a_store_of_images_is_labelled_as_podmans_own() {
        let store = "/usr/lib/containers/storage";
        let line = "/usr/lib/containers/storage /var/lib/containers/storage\n";
        assert_eq!(equivalence("", store).as_deref(), Some(line));
        assert_eq!(equivalence("/a /b", store), Some(format!("/a /b\n{line}")));
        assert_eq!(equivalence(line, store), None);
        assert_eq!(equivalence("/usr/lib/containers/storage\t/elsewhere\n", store), None);
    }
}
