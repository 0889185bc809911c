//! Users of the profile: lines of passwd(5), group(5) and shadow(5), home folders, keys and sudoers(5) drop-ins.

use std::collections::BTreeMap;

use super::{Change, Error, Secrets, at, network::value, put_folder, put_text, text, time};
use crate::{
    plan::Plan,
    profile::{Sudo, User},
    tree::{Node, Tree},
};

/// The first number of a person's account (login.defs(5), UID_MIN).
const FIRST_USER: u32 = 1000;
/// The last of those (UID_MAX).
const LAST_USER: u32 = 60_000;

/// The first subordinate id, and how many each user gets (login.defs(5), SUB_UID_MIN and SUB_UID_COUNT).
const FIRST_SUBORDINATE: u64 = 100_000;
const SUBORDINATES: u64 = 65_536;
/// A file here for each user whose services run without a login (systemd 257, `src/login/logind-user.c`).
const LINGER: &str = "/var/lib/systemd/linger";

pub(super) fn changes(plan: &Plan, secrets: &Secrets, tree: &Tree) -> Result<Vec<Change>, Error> {
    let mut files = Files::read(tree);
    let mut changes = Vec::new();
    for (name, user) in &plan.machine.users {
        let (uid, gid, home) = files.account(name, user)?;
        let hash = user.password_hash.as_ref().and_then(|hash| value(hash, secrets));
        files.password(name, hash, plan.epoch.0 / 86_400);
        for group in &user.groups {
            files.join(name, group)?;
        }
        if user.subids {
            files.subordinates(name);
        }
        changes.extend(belongings(plan, tree, name, user, &home, (uid, gid)));
    }
    changes.extend(files.changes(plan));
    Ok(changes)
}

/// User, group and home of an account of the tree's.
pub(super) fn known(tree: &Tree, name: &str) -> Option<(u32, u32, String)> {
    let passwd = text(tree, "etc/passwd")?;
    let fields: Vec<&str> =
        passwd.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<&str>| fields[0] == name)?;
    let &[_, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
    Some((uid.parse().ok()?, gid.parse().ok()?, home.to_owned()))
}

/// Home, keys, rights.
fn belongings(plan: &Plan, tree: &Tree, name: &str, user: &User, home: &str, ids: (u32, u32)) -> Vec<Change> {
    let mut changes = Vec::new();
    let folder = |path: String, mode| {
        let node = Node { uid: ids.0, gid: ids.1, ..Node::directory(mode, time(plan)) };
        Change::Put(at(&path), node)
    };
    if tree.at(home).is_none() {
        changes.push(folder(home.to_owned(), 0o700));
    }
    if !user.ssh_keys.is_empty() {
        let keys = user.ssh_keys.iter().map(|key| format!("{}\n", key.trim())).collect::<String>();
        let node = Node { uid: ids.0, gid: ids.1, ..Node::file(keys.as_str().into(), 0o600, time(plan)) };
        changes.push(folder(format!("{home}/.ssh"), 0o700));
        changes.push(Change::Put(at(&format!("{home}/.ssh/authorized_keys")), node));
    }
    if user.linger {
        changes.extend(put_folder(plan, tree, LINGER, 0o755));
        changes.push(put_text(plan, &format!("{LINGER}/{name}"), 0o644, ""));
    }
    let rights = match user.sudo {
        Sudo::None => return changes,
        Sudo::Password => format!("{name} ALL=(ALL:ALL) ALL\n"),
        Sudo::Nopasswd => format!("{name} ALL=(ALL:ALL) NOPASSWD: ALL\n"),
    };
    changes.push(put_text(plan, &format!("/etc/sudoers.d/rowi-{name}"), 0o440, &rights));
    changes
}

/// The account files, as lines of fields.
struct Files {
    lines: BTreeMap<&'static str, Vec<Vec<String>>>,
    nodes: BTreeMap<&'static str, Node>,
}

const NAMES: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

impl Files {
    fn read(tree: &Tree) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect();
        let lines = |name: &str| text(tree, &format!("etc/{name}")).unwrap_or_default().lines().map(fields).collect();
        let nodes = NAMES.iter().filter_map(|name| Some((*name, tree.at(&format!("etc/{name}"))?.clone())));
        Self { lines: NAMES.iter().map(|name| (*name, lines(name))).collect(), nodes: nodes.collect() }
    }

    fn find(&mut self, file: &str, name: &str) -> Option<&mut Vec<String>> {
        self.lines.get_mut(file)?.iter_mut().find(|line| line[0] == name)
    }

    fn number(&mut self, file: &str, name: &str, field: usize) -> Option<u32> {
        self.find(file, name)?.get(field)?.parse().ok()
    }

    fn add(&mut self, file: &'static str, line: &[&str]) {
        self.lines.entry(file).or_default().push(line.iter().map(|&field| field.to_owned()).collect());
    }

    /// A number that neither a user nor a group has.
    fn free(&self) -> u32 {
        let taken = |id: u32| {
            let id = id.to_string();
            [&self.lines["passwd"], &self.lines["group"]]
                .iter()
                .any(|file| file.iter().any(|line| line.get(2) == Some(&id)))
        };
        (FIRST_USER..LAST_USER).find(|&id| !taken(id)).unwrap_or(LAST_USER)
    }

    /// The account's numbers and home; made where the packages have none of that name.
    fn account(&mut self, name: &str, user: &User) -> Result<(u32, u32, String), Error> {
        if let (Some(uid), Some(gid)) = (self.number("passwd", name, 2), self.number("passwd", name, 3)) {
            let line = self.find("passwd", name);
            let home = line.and_then(|line| line.get(5).cloned()).unwrap_or_else(|| format!("/home/{name}"));
            if let (Some(shell), Some(line)) = (&user.shell, self.find("passwd", name)) {
                line.resize(7, String::new());
                line[6].clone_from(shell);
            }
            return Ok((uid, gid, home));
        }
        let uid = user.uid.unwrap_or_else(|| self.free());
        let gid = match self.number("group", name, 2) {
            Some(gid) => gid,
            None => {
                self.add("group", &[name, "x", &uid.to_string(), ""]);
                self.add("gshadow", &[name, "!", "", ""]);
                uid
            }
        };
        let (home, shell) = (format!("/home/{name}"), user.shell.as_deref().unwrap_or("/bin/bash"));
        self.add("passwd", &[name, "x", &uid.to_string(), &gid.to_string(), "", &home, shell]);
        Ok((uid, gid, home))
    }

    /// Ids behind those of all others (subuid(5)); a user who has some keeps them.
    fn subordinates(&mut self, name: &str) {
        for file in ["subuid", "subgid"] {
            if self.find(file, name).is_some() {
                continue;
            }
            let number = |line: &[String], field: usize| line.get(field)?.parse::<u64>().ok();
            let end = |line: &Vec<String>| number(line, 1)?.checked_add(number(line, 2)?);
            let taken = self.lines.get(file).into_iter().flatten().filter_map(end).max();
            let first = taken.unwrap_or(0).max(FIRST_SUBORDINATE).to_string();
            self.add(file, &[name, &first, &SUBORDINATES.to_string()]);
        }
    }

    /// A hash, or a password that nothing matches.
    fn password(&mut self, name: &str, hash: Option<String>, day: i64) {
        let hash = hash.unwrap_or_else(|| "!*".into());
        match self.find("shadow", name) {
            Some(line) => {
                line.resize(9, String::new());
                (line[1], line[2]) = (hash, day.to_string());
            }
            None => self.add("shadow", &[name, &hash, &day.to_string(), "0", "99999", "7", "", "", ""]),
        }
    }

    fn join(&mut self, name: &str, group: &str) -> Result<(), Error> {
        let unknown = || Error::Unknown { what: "group", name: group.to_owned() };
        for (file, field) in [("group", 3), ("gshadow", 3)] {
            let Some(line) = self.find(file, group) else {
                if file == "group" {
                    return Err(unknown());
                }
                continue;
            };
            line.resize(field + 1, String::new());
            let mut members: Vec<&str> = line[field].split(',').filter(|member| !member.is_empty()).collect();
            if !members.contains(&name) {
                members.push(name);
            }
            line[field] = members.join(",");
        }
        Ok(())
    }

    /// The files again, with their owners and modes.
    fn changes(self, plan: &Plan) -> Vec<Change> {
        let Self { lines, mut nodes } = self;
        let change = |(name, lines): (&'static str, Vec<Vec<String>>)| {
            let text: String = lines.iter().map(|line| line.join(":") + "\n").collect();
            let mode = if name.ends_with("shadow") { 0o600 } else { 0o644 };
            let mut node = nodes.remove(name).unwrap_or_else(|| Node::file("".into(), mode, time(plan)));
            node.kind = Node::file(text.as_str().into(), mode, time(plan)).kind;
            node.mtime = time(plan);
            (!text.is_empty()).then(|| Change::Put(at(&format!("etc/{name}")), node))
        };
        lines.into_iter().filter_map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Time;

    #[test]
    fn nobody_has_anothers_subordinate_ids() {
        let file = |text: &str| Node::file(text.into(), 0o644, Time::default());
        let tree = [(at("etc/subuid"), file("a:100000:65536\nb:300000:65536\nodd\n"))].into_iter().collect();
        let mut files = Files::read(&tree);
        for name in ["b", "c", "d"] {
            files.subordinates(name);
        }
        let lines = |file: &str| files.lines[file].iter().map(|line| line.join(":")).collect::<Vec<_>>();
        let expected = ["a:100000:65536", "b:300000:65536", "odd", "c:365536:65536", "d:431072:65536"];
        assert_eq!(lines("subuid"), expected);
        assert_eq!(lines("subgid"), ["b:100000:65536", "c:165536:65536", "d:231072:65536"]);
    }
}
