//! What lies outside of the snapshot: packaged files in places that all snapshots share, which no update changes and no
//! rollback restores, and scriptlets that work there.

use std::collections::BTreeSet;

use crate::{
    report::{Diagnostic, Exit, Explain},
    rpm::{FileEntry, FileKind, Scriptlets},
    tree::RelPath,
};

/// Packages with files that no update changes and no rollback restores, a sentence each.
#[derive(Debug, thiserror::Error)]
#[error("packages have files that no update changes and no rollback restores")]
pub struct Strays(pub Vec<String>);

impl Explain for Strays {
    fn exit(&self) -> Exit {
        Exit::Build
    }

    fn hints(&self) -> Vec<String> {
        vec!["`packages: {exclude: [NAME]}` leaves one out; without `--strict` this is a warning".into()]
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let (message, because) = (self.to_string(), self.0.clone());
        vec![Diagnostic { message, place: None, because, hints: self.hints() }]
    }
}

/// A package's files outside of the snapshot. Folders and symbolic links are left out: they hold nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// `name-version-release.arch`.
    pub package: String,
    /// Where they lie.
    pub paths: Vec<RelPath>,
}

impl Stray {
    /// Those of a package's files that lie at or below the paths of `shared`.
    pub fn of<'a>(package: &str, files: impl Iterator<Item = &'a FileEntry>, shared: &[RelPath]) -> Option<Self> {
        let files = files.filter(|file| !matches!(file.kind, FileKind::Directory | FileKind::Symlink { .. }));
        let lie_there = files.filter(|file| shared.iter().any(|folder| file.path.starts_with(folder)));
        let paths: Vec<RelPath> = lie_there.map(|file| file.path.clone()).collect();
        (!paths.is_empty()).then(|| Self { package: package.to_owned(), paths })
    }
}

/// The places that all snapshots share: subvolumes of their own, and what is in memory.
pub fn shared<'a>(subvolumes: impl Iterator<Item = &'a str>) -> Vec<RelPath> {
    subvolumes.chain(["/run", "/tmp"]).filter_map(|path| RelPath::new(path).ok()).collect()
}

/// A sentence for each package with files that are not `made` anew at every start.
pub fn sentences(made: &BTreeSet<RelPath>, found: &[Stray]) -> Vec<String> {
    let line = |stray: &Stray| {
        let mut left = stray.paths.iter().filter(|path| !made.contains(*path));
        let first = left.next()?;
        let more = match left.count() {
            0 => "lies".to_owned(),
            more => format!("and {more} more lie"),
        };
        Some(format!(
            "`{}`: `{first}` {more} outside of the snapshot: no update changes that, and no rollback restores it",
            stray.package
        ))
    };
    found.iter().filter_map(line).collect()
}

/// Paths of the lines of configuration files that make a file or a link (tmpfiles.d(5): types `f`, `w`, `C`, `L`).
pub fn made_at_start(texts: impl Iterator<Item = String>) -> BTreeSet<RelPath> {
    let mut made = BTreeSet::new();
    for text in texts {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let makes = lines.filter(|words| words.len() > 1 && words[0].starts_with(['f', 'w', 'C', 'L']));
        made.extend(makes.filter_map(|words| RelPath::new(words[1].trim_matches('"')).ok()));
    }
    made
}

/// Commands of a script that change what they are given, and marks of the shell that do.
const WRITERS: [&str; 14] =
    [">", ">>", "mkdir", "touch", "cp", "mv", "ln", "install", "tee", "rm", "rmdir", "chmod", "chown", "sed"];

/// A sentence for a package whose scriptlets work outside of the snapshot, as far as their text says so: an update runs
/// them in the new snapshot, and what they do there is done to the running system, too.
pub fn scriptlets(package: &str, scriptlets: &Scriptlets, shared: &[RelPath]) -> Option<String> {
    let Scriptlets { pretrans, pre, post, posttrans, .. } = scriptlets;
    let all = [("%pretrans", pretrans), ("%pre", pre), ("%post", post), ("%posttrans", posttrans)];
    let found = all.into_iter().find_map(|(name, scriptlet)| {
        let body = scriptlet.as_ref()?.body.as_ref()?;
        Some((name, written(&String::from_utf8_lossy(body), shared)?))
    });
    let (name, path) = found?;
    Some(format!(
        "`{package}`: {name} works on `{path}`, outside of the snapshot: an update does so to the running system"
    ))
}

/// The first place in `shared` that a line of a script gives to a command that writes.
fn written(script: &str, shared: &[RelPath]) -> Option<RelPath> {
    let separators = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '"' | '\'' | '`');
    script.lines().map(str::trim_start).filter(|line| !line.starts_with('#')).find_map(|line| {
        let words: Vec<&str> = line.split(separators).filter(|word| !word.is_empty()).collect();
        let is_writer =
            |word: &&str| WRITERS.contains(&word.rsplit('/').next().unwrap_or(word)) || word.starts_with('>');
        let writer = words.iter().position(is_writer)?;
        let paths =
            words[writer..].iter().map(|word| word.trim_start_matches('>')).filter(|word| word.starts_with('/'));
        let mut paths = paths.filter_map(|word| RelPath::new(word).ok());
        paths.find(|path| shared.iter().any(|folder| path.starts_with(folder) && path != folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> RelPath {
        RelPath::new(path).unwrap()
    }

    #[test]
    fn what_is_made_at_every_start_is_no_stray() {
        let conf = "# x\nd /var/lib/x 0755\nL /var/lock - - - - ../run/lock\nf+ /var/lib/made\n";
        let made = made_at_start([conf.to_owned()].into_iter());
        let stray = |package: &str, paths: &[&str]| Stray {
            package: package.to_owned(),
            paths: paths.iter().map(|path| at(path)).collect(),
        };
        let found = [
            stray("base-1-1.noarch", &["var/lock", "var/lib/made"]),
            stray("data-1-1.noarch", &["srv/a", "srv/b", "var/lock"]),
            stray("one-1-1.noarch", &["opt/one"]),
        ];
        let lines = sentences(&made, &found);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("`data-1-1.noarch`: `/srv/a` and 1 more lie outside"), "{lines:?}");
        assert!(lines[1].starts_with("`one-1-1.noarch`: `/opt/one` lies outside"), "{lines:?}");
    }

    #[test]
    fn a_scriptlet_says_where_it_works() {
        let shared = shared(["/var", "/srv"].into_iter());
        for (script, expected) in [
            ("mkdir -p /var/lib/x", Some("var/lib/x")),
            ("if [ -e /usr ]; then\n  echo a >/srv/b || :\nfi", Some("srv/b")),
            ("/usr/bin/touch '/run/needs-restart'", Some("run/needs-restart")),
            ("# rm -rf /var/lib/x", None),
            ("[ -e /var/lib/x ] || exit 0", None),
            ("cp /usr/share/a /etc/b", None),
            ("rm -rf /var", None),
        ] {
            assert_eq!(written(script, &shared), expected.map(at), "{script}");
        }
    }
}
