//! Which packaged files outside of the snapshot matter: all that tmpfiles.d(5) does not make anew at every start.

use std::collections::BTreeSet;

use super::{at, text};
use crate::{
    report::{Diagnostic, Exit, Explain},
    root::Stray,
    tree::{RelPath, Tree},
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

/// A sentence for each package whose files matter.
pub fn strays(tree: &Tree, found: &[Stray]) -> Vec<String> {
    let made = made_at_start(tree);
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

/// Paths of the lines of tmpfiles.d that make a file or a link (tmpfiles.d(5): types `f`, `w`, `C`, `L`).
fn made_at_start(tree: &Tree) -> BTreeSet<RelPath> {
    let folder = at("usr/lib/tmpfiles.d");
    let files = tree.children(&folder).filter_map(|(path, _)| text(tree, &path.to_string()));
    let mut made = BTreeSet::new();
    for text in files {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let makes = lines.filter(|words| words.len() > 1 && words[0].starts_with(['f', 'w', 'C', 'L']));
        made.extend(makes.filter_map(|words| RelPath::new(words[1].trim_matches('"')).ok()));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, Time};

    #[test]
    fn what_is_made_at_every_start_is_no_stray() {
        let conf = "# x\nd /var/lib/x 0755\nL /var/lock - - - - ../run/lock\nf+ /var/lib/made\n";
        let tree = [(at("usr/lib/tmpfiles.d/a.conf"), Node::file(conf.into(), 0o644, Time::default()))];
        let stray = |package: &str, paths: &[&str]| Stray {
            package: package.to_owned(),
            paths: paths.iter().map(|path| at(path)).collect(),
        };
        let found = [
            stray("base-1-1.noarch", &["var/lock", "var/lib/made"]),
            stray("data-1-1.noarch", &["srv/a", "srv/b", "var/lock"]),
            stray("one-1-1.noarch", &["opt/one"]),
        ];
        let lines = strays(&tree.into_iter().collect(), &found);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("`data-1-1.noarch`: `/srv/a` and 1 more lie outside"), "{lines:?}");
        assert!(lines[1].starts_with("`one-1-1.noarch`: `/opt/one` lies outside"), "{lines:?}");
    }
}
