//! Two roots side by side.

use std::{os::unix::fs::MetadataExt, path::Path};

use crate::{
    root::scan,
    tree::{Kind, Node, Tree},
};

/// Everything that differs but the times of folders, of `skip` and what lies below, and of files that are younger than
/// `start` on both sides: scriptlets wrote these.
pub(super) fn differences(ours: &Path, theirs: &Path, skip: &[&str], start: i64) -> Vec<String> {
    let [one, other] = [ours, theirs].map(|root| scan(root).unwrap());
    let mut found = Vec::new();
    for path in one.iter().chain(other.iter()).map(|(path, _)| path).collect::<std::collections::BTreeSet<_>>() {
        let text = path.to_string();
        if skip.iter().any(|skip| text.starts_with(skip)) {
            continue;
        }
        match (one.get(path), other.get(path)) {
            (Some(a), Some(b)) => {
                let (a, b) = (plain(a, start), plain(b, start));
                if a.0 != b.0 {
                    found.push(format!("{text}: {:?} against {:?}", a.0, b.0));
                }
                if a.1 != b.1 {
                    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]).into_owned();
                    found.push(format!("{text}: content {:?} against {:?}", shown(&a.1), shown(&b.1)));
                }
            }
            (Some(_), None) => found.push(format!("{text}: only ours")),
            _ => found.push(format!("{text}: only rpm's")),
        }
    }
    let names = |tree: &Tree, root: &Path| -> Vec<(String, u64)> {
        let linked = tree.iter().filter(|(_, node)| matches!(node.kind, Kind::File { link: Some(_), .. }));
        linked
            .map(|(path, _)| (path.to_string(), fs_err::symlink_metadata(path.below(root)).unwrap().nlink()))
            .collect()
    };
    if names(&one, ours) != names(&other, theirs) {
        found.push("hard links".into());
    }
    found
}

/// A node with its bytes, and without what is not compared.
fn plain(node: &Node, start: i64) -> (Node, Vec<u8>) {
    let mut node = node.clone();
    let mut bytes = Vec::new();
    if let Kind::File { content, link } = &mut node.kind {
        bytes = content.read().unwrap();
        *content = Vec::new().into();
        *link = None;
    }
    if node.kind == Kind::Directory || node.mtime.seconds >= start {
        node.mtime = crate::tree::Time::default();
    }
    (node, bytes)
}
