//! Which ids of the host stand for the 65,536 ids inside.
//!
//! uid 0 takes a high range that nobody uses, never the identity: a scriptlet must not be root on any file of the
//! host. A user's own id becomes root inside, and 65,535 subordinate ids from `/etc/subuid` and `/etc/subgid` the rest
//! (subuid(5): `name-or-uid:start:count`).

use std::{fmt::Write, time::Duration};

use fs_err as fs;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::exec::{self, Tool};

/// Ids inside: 0 to 65,535.
const IDS: u32 = 1 << 16;

/// Where uid 0's ranges are looked for: systemd's table of ids (UIDS-GIDS.md) gives nobody those from 0x7000_0000 up
/// to 0x7ffe_0000.
const UNUSED: std::ops::Range<u32> = 0x7000_0000..0x7ffe_0000;

/// From shadow; setuid, or with file capabilities.
pub(super) const NEWUIDMAP: Tool = Tool { program: "newuidmap", debian: "uidmap", opensuse: "shadow" };
pub(super) const NEWGIDMAP: Tool = Tool { program: "newgidmap", debian: "uidmap", opensuse: "shadow" };

const LIMIT: Duration = Duration::from_secs(20);

/// How ids inside become ids of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mapping", rename_all = "kebab-case")]
pub enum Mapping {
    /// Started as uid 0: all ids inside are those from `base` on.
    High {
        /// The host's id of root inside.
        base: u32,
    },
    /// Started by a user.
    Subordinate {
        /// The user: root inside.
        uid: u32,
        /// The user's group: root's group inside.
        gid: u32,
        /// The first subordinate uid: uid 1 inside.
        uids: u32,
        /// The first subordinate gid: gid 1 inside.
        gids: u32,
    },
}

impl Mapping {
    /// The one that this process may have.
    pub(super) fn choose() -> Result<Self, Error> {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        if uid == 0 {
            let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
            let taken = ranges(&(read("/etc/subuid") + "\n" + &read("/etc/subgid")));
            let base = unused(&taken, &[extents(&read("/proc/self/uid_map")), extents(&read("/proc/self/gid_map"))]);
            return base.map(|base| Self::High { base }).ok_or(Error::NoRange);
        }
        let names = name(uid);
        let uids = subordinate("/etc/subuid", uid, names.as_deref())?;
        let gids = subordinate("/etc/subgid", uid, names.as_deref())?;
        Ok(Self::Subordinate { uid, gid, uids, gids })
    }

    /// The host's user who is root inside.
    pub fn root(self) -> (u32, u32) {
        match self {
            Self::High { base } => (base, base),
            Self::Subordinate { uid, gid, .. } => (uid, gid),
        }
    }

    /// Gives a process in a new user namespace its ids.
    pub(super) fn write(self, pid: Pid) -> Result<(), Error> {
        match self {
            Self::High { base } => {
                for file in ["uid_map", "gid_map"] {
                    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
                    let text = format!("0 {base} {IDS}\n");
                    fs::write(path, text).map_err(|source| Error::io("map the ids of the sandbox", source))?;
                }
                Ok(())
            }
            Self::Subordinate { uid, gid, uids, gids } => {
                for (tool, own, first) in [(&NEWUIDMAP, uid, uids), (&NEWGIDMAP, gid, gids)] {
                    let numbers = [pid.as_raw_nonzero().get().unsigned_abs(), 0, own, 1, 1, first, IDS - 1];
                    exec::run(tool, &numbers.map(|number| number.to_string()), LIMIT)?;
                }
                Ok(())
            }
        }
    }
}

/// Start and count of every line of subuid(5).
fn ranges(text: &str) -> Vec<(u32, u32)> {
    text.lines().filter_map(range).map(|(_, start, count)| (start, count)).collect()
}

fn range(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.trim().split(':');
    let (owner, start, count) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((owner, start, count))
}

/// Start and count of the ids that exist in this namespace (user_namespaces(7), `uid_map`).
fn extents(text: &str) -> Vec<(u32, u32)> {
    let extent = |line: &str| {
        let mut fields = line.split_whitespace();
        let start = fields.next()?.parse().ok()?;
        Some((start, fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(extent).collect()
}

/// The first range of ids that exists here and is nobody's.
fn unused(taken: &[(u32, u32)], existing: &[Vec<(u32, u32)>]) -> Option<u32> {
    let within = |base: u32, (start, count): (u32, u32)| start <= base && base - start <= count.saturating_sub(IDS);
    let overlaps = |base: u32, (start, count): (u32, u32)| {
        u64::from(start) < u64::from(base) + u64::from(IDS) && u64::from(base) < u64::from(start) + u64::from(count)
    };
    UNUSED.step_by(IDS as usize).find(|&base| {
        existing.iter().all(|extents| extents.iter().any(|extent| extent.1 >= IDS && within(base, *extent)))
            && !taken.iter().any(|range| overlaps(base, *range))
    })
}

/// The first range of a user's that is long enough.
fn subordinate(file: &'static str, uid: u32, name: Option<&str>) -> Result<u32, Error> {
    let text = fs::read_to_string(file).unwrap_or_default();
    find(&text, uid, name).ok_or_else(|| {
        let user = name.map_or_else(|| uid.to_string(), str::to_owned);
        Error::NoSubordinates { file, user }
    })
}

fn find(text: &str, uid: u32, name: Option<&str>) -> Option<u32> {
    let mut number = String::new();
    write!(number, "{uid}").ok()?;
    let own = |owner: &str| owner == number || Some(owner) == name;
    text.lines().filter_map(range).find(|&(owner, _, count)| own(owner) && count >= IDS - 1).map(|(_, start, _)| start)
}

/// The user's name, by `/etc/passwd` or, for directories over the network, by `getent`.
fn name(uid: u32) -> Option<String> {
    const GETENT: Tool = Tool { program: "getent", debian: "libc-bin", opensuse: "glibc" };
    let from = |text: &str| {
        let named = |line: &&str| line.split(':').nth(2) == Some(&uid.to_string());
        text.lines().find(named).and_then(|line| line.split(':').next()).map(str::to_owned)
    };
    from(&fs::read_to_string("/etc/passwd").unwrap_or_default()).or_else(|| {
        let output = exec::run(&GETENT, &["passwd", &uid.to_string()], LIMIT).ok()?;
        from(&String::from_utf8_lossy(&output.stdout))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "         0          0 4294967295\n";

    #[test]
    fn the_high_range_is_nobodys() {
        for (subids, map, base) in [
            ("", ALL, Some(0x7000_0000)),
            ("a:1879048192:65536", ALL, Some(0x7001_0000)),
            ("a:1879113727:2\nbroken", ALL, Some(0x7002_0000)),
            ("a:0:4294967295", ALL, None),
            ("", "0 1000 1\n1 100000 65535\n", None),
            ("", "0 0 1879113728\n", Some(0x7000_0000)),
            ("", "0 0 1879113727\n", None),
        ] {
            assert_eq!(unused(&ranges(subids), &[extents(map), extents(map)]), base, "{subids} {map}");
        }
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        for (text, found) in [
            ("ann:100000:65536", Some(100_000)),
            ("1000:5:65535", Some(5)),
            ("bob:1:65536\nann:7:65536", Some(7)),
            ("ann:100000:1000", None),
            ("ann:x:65536\n:::\n", None),
        ] {
            assert_eq!(find(text, 1000, Some("ann")), found, "{text}");
        }
    }
}
