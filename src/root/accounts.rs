//! Users and groups of the root: names become numbers, and a package's `sysusers` lines become accounts.
//!
//! Names are looked up where the installed system looks: `/etc`, then `/usr/lib` and `/usr/etc` (openSUSE's
//! nss_usrfiles). Accounts that packages declare as `Provides: user(NAME) = BASE64` (rpm ≥ 4.19, rpm-sysusers) are
//! made here: the root may have no program for it yet, and the host's is another on every machine. Numbers are given
//! from 999 down as systemd-sysusers does, so they depend on nothing but the order of packages.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
    os::fd::AsFd,
};

use rustix::fs::{self, AtFlags, Mode, OFlags};

use super::place::Root;
use crate::{tree::RelPath, units::Epoch};

mod sysusers;

pub use sysusers::{Line, decode, parse};

/// Accounts below this are the system's; the highest that is given (SYSTEM_UID_MAX).
const HIGHEST: u32 = 999;
/// No account file of a system is longer.
const MOST_BYTES: u64 = 16 << 20;
const FOLDERS: [&str; 3] = ["etc", "usr/lib", "usr/etc"];

/// Names and numbers as the root has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads the root's files. What is not there or cannot be parsed has no names; the first of two wins.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn read(root: &mut Root) -> io::Result<Self> {
        let mut accounts = Self::default();
        for folder in FOLDERS {
            collect(&read_file(root, folder, "passwd")?, &mut accounts.users);
            collect(&read_file(root, folder, "group")?, &mut accounts.groups);
        }
        Ok(accounts)
    }

    /// A user's number; `root` is 0 even where there is no file yet.
    pub fn user(&self, name: &str) -> Option<u32> {
        if name == "root" { Some(0) } else { self.users.get(name).copied() }
    }

    /// A group's number; `root` is 0 even where there is no file yet.
    pub fn group(&self, name: &str) -> Option<u32> {
        if name == "root" { Some(0) } else { self.groups.get(name).copied() }
    }

    /// The highest number that neither a user nor a group has.
    fn free(&self) -> Option<u32> {
        let taken: BTreeSet<u32> = self.users.values().chain(self.groups.values()).copied().collect();
        (1..=HIGHEST).rev().find(|id| !taken.contains(id))
    }

    fn has_user_id(&self, id: u32) -> bool {
        self.users.values().any(|&other| other == id)
    }

    fn has_group_id(&self, id: u32) -> bool {
        self.groups.values().any(|&other| other == id)
    }
}

fn collect(file: &[u8], into: &mut BTreeMap<String, u32>) {
    for line in String::from_utf8_lossy(file).lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(id)) = (fields.next(), fields.nth(1)) else { continue };
        if let Ok(id) = id.trim().parse()
            && !name.is_empty()
            && !name.starts_with(['#', '+', '-'])
        {
            into.entry(name.to_owned()).or_insert(id);
        }
    }
}

/// What a file of a folder holds; nothing when there is none.
fn read_file(root: &mut Root, folder: &str, name: &str) -> io::Result<Vec<u8>> {
    let absent = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP));
    let path = RelPath::new(folder).map_err(io::Error::other)?;
    let folder = match root.folder(&path) {
        Ok(folder) => folder,
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match fs::openat(&*folder, name, how, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => std::fs::File::from(file),
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MOST_BYTES), &mut bytes)?;
    Ok(bytes)
}

/// Makes the accounts of one package's lines, in systemd-sysusers' order: groups, users, members. What is there
/// already stays as it is. Gives whether anything was written.
///
/// # Errors
/// No number is free, or a file cannot be written.
pub fn create(root: &mut Root, lines: &[Line], epoch: Epoch) -> io::Result<bool> {
    let mut accounts = Accounts::read(root)?;
    let mut files = Files::default();
    for line in lines {
        if let Line::Group { name, id } = line {
            files.group(&mut accounts, name, *id)?;
        }
    }
    for line in lines {
        if let Line::User { name, .. } = line {
            files.user(&mut accounts, name, line, epoch)?;
        }
    }
    for line in lines {
        if let Line::Member { user, group } = line {
            files.group(&mut accounts, group, None)?;
            files.members.push((group.clone(), user.clone()));
        }
    }
    files.write(root)
}

/// Lines to append to the root's files.
#[derive(Default)]
struct Files {
    passwd: String,
    shadow: String,
    group: String,
    gshadow: String,
    members: Vec<(String, String)>,
}

impl Files {
    fn group(&mut self, accounts: &mut Accounts, name: &str, id: Option<u32>) -> io::Result<u32> {
        if let Some(id) = accounts.group(name).filter(|_| name != "root" || accounts.groups.contains_key(name)) {
            return Ok(id);
        }
        let id = match id.filter(|&id| !accounts.has_group_id(id)) {
            Some(id) => id,
            None if name == "root" => 0,
            None => accounts.free().ok_or_else(no_number)?,
        };
        accounts.groups.insert(name.to_owned(), id);
        let _ = writeln!(self.group, "{name}:x:{id}:");
        let _ = writeln!(self.gshadow, "{name}:!*::");
        Ok(id)
    }

    fn user(&mut self, accounts: &mut Accounts, name: &str, line: &Line, epoch: Epoch) -> io::Result<()> {
        let Line::User { id, group, description, home, shell, .. } = line else { return Ok(()) };
        if accounts.users.contains_key(name) {
            return Ok(());
        }
        let known = accounts.groups.get(name).copied();
        let free = |id: &u32| !accounts.has_user_id(*id);
        let id = match id.filter(free).or(known.filter(free)) {
            Some(id) => id,
            None if name == "root" => 0,
            None => accounts.free().ok_or_else(no_number)?,
        };
        let gid = match group {
            Some(group) => match group.parse() {
                Ok(gid) => gid,
                Err(_) => self.group(accounts, group, None)?,
            },
            None => self.group(accounts, name, Some(id))?,
        };
        accounts.users.insert(name.to_owned(), id);
        let home = home.as_deref().unwrap_or(if id == 0 { "/root" } else { "/" });
        let shell = shell.as_deref().unwrap_or(if id == 0 { "/bin/sh" } else { "/usr/sbin/nologin" });
        let _ = writeln!(self.passwd, "{name}:x:{id}:{gid}:{description}:{home}:{shell}");
        let day = epoch.0.div_euclid(86_400);
        let _ = writeln!(self.shadow, "{name}:!*:{day}::::::");
        Ok(())
    }

    fn write(&self, root: &mut Root) -> io::Result<bool> {
        let files = [
            ("passwd", &self.passwd, 0o644),
            ("shadow", &self.shadow, 0o000),
            ("group", &self.group, 0o644),
            ("gshadow", &self.gshadow, 0o000),
        ];
        let mut written = false;
        for (name, added, mode) in files {
            let before = String::from_utf8_lossy(&read_file(root, "etc", name)?).into_owned();
            let mut after = before.clone();
            if !added.is_empty() && !after.is_empty() && !after.ends_with('\n') {
                after.push('\n');
            }
            after.push_str(added);
            if name == "group" || name == "gshadow" {
                after = with_members(&after, &self.members);
            }
            if after != before {
                replace(root, name, after.as_bytes(), mode)?;
                written = true;
            }
        }
        Ok(written)
    }
}

fn no_number() -> io::Error {
    io::Error::other("no number below 1000 is free for another account")
}

/// Adds users to the last field of their groups' lines.
fn with_members(file: &str, members: &[(String, String)]) -> String {
    let mut out = String::with_capacity(file.len());
    for line in file.lines() {
        let (name, list) = (line.split(':').next().unwrap_or(""), line.rsplit(':').next().unwrap_or(""));
        let mut all: Vec<&str> = list.split(',').filter(|name| !name.is_empty()).collect();
        for (_, user) in members.iter().filter(|(group, _)| group == name) {
            if !all.contains(&user.as_str()) {
                all.push(user);
            }
        }
        out.push_str(&line[..line.len() - list.len()]);
        out.push_str(&all.join(","));
        out.push('\n');
    }
    out
}

/// Writes a file of `/etc` anew, keeping mode and owner of the one that it replaces.
fn replace(root: &mut Root, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let etc = root.make_folder(&RelPath::new("etc").map_err(io::Error::other)?)?;
    let before = super::place::stat(etc.as_fd(), name.as_bytes())?;
    let fresh = format!(".{name}.new");
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(&*etc, fresh.as_str(), how, Mode::from_raw_mode(0o600))?;
    if let Some(before) = &before {
        fs::fchown(&file, Some(fs::Uid::from_raw(before.st_uid)), Some(fs::Gid::from_raw(before.st_gid)))?;
    }
    fs::fchmod(&file, Mode::from_raw_mode(before.map_or(mode, |before| before.st_mode & 0o7777)))?;
    io::Write::write_all(&mut std::fs::File::from(file), bytes)?;
    fs::renameat(&*etc, fresh.as_str(), &*etc, name)?;
    // useradd and friends would stop at a lock that a dead process left.
    match fs::unlinkat(&*etc, format!(".{name}.lock"), AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(root: &std::path::Path, name: &str) -> String {
        fs_err::read_to_string(root.join("etc").join(name)).unwrap()
    }

    #[test]
    fn names_are_found_where_the_installed_system_looks() {
        let holder = tempfile::tempdir().unwrap();
        for (folder, passwd) in [("etc", "a:x:1:1::/:\nbroken\n+nis::\n"), ("usr/lib", "a:x:5:5::/:\nb:x:6:6::/:\n")] {
            fs_err::create_dir_all(holder.path().join(folder)).unwrap();
            fs_err::write(holder.path().join(folder).join("passwd"), passwd).unwrap();
        }
        let accounts = Accounts::read(&mut Root::open(holder.path()).unwrap()).unwrap();
        assert_eq!(["root", "a", "b", "c"].map(|name| accounts.user(name)), [Some(0), Some(1), Some(6), None]);
        assert_eq!(accounts.group("a"), None);
    }

    #[test]
    fn accounts_are_made_from_the_top_down_and_only_once() {
        let holder = tempfile::tempdir().unwrap();
        let mut root = Root::open(holder.path()).unwrap();
        let lines: Vec<Line> = [
            "g video 44",
            "u messagebus - \"System bus\" /run/dbus",
            "u tss 59:video - - /bin/false",
            "m tss messagebus",
        ]
        .iter()
        .flat_map(|line| parse(line))
        .collect();
        assert!(create(&mut root, &lines, Epoch(86_400 * 20_000)).unwrap());
        assert_eq!(
            text(holder.path(), "passwd"),
            "messagebus:x:999:999:System bus:/run/dbus:/usr/sbin/nologin\ntss:x:59:44::/:/bin/false\n"
        );
        assert_eq!(text(holder.path(), "group"), "video:x:44:\nmessagebus:x:999:tss\n");
        assert_eq!(text(holder.path(), "shadow"), "messagebus:!*:20000::::::\ntss:!*:20000::::::\n");
        assert!(!create(&mut root, &lines, Epoch(0)).unwrap(), "nothing is left to do");
    }
}
