//! SELinux: what the installed policy says of each file, held against what the file has.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{
    selinux::{CONFIG, FileContexts, XATTR, setting},
    tree::{Kind, Node, RelPath},
    verify::facts::{Facts, Subvolume},
};

/// How many files are named.
const NAMED: usize = 5;

pub(super) fn labels(facts: &Facts) -> Vec<String> {
    let config = facts.text(CONFIG).unwrap_or_default();
    if setting(&config, "SELINUX").is_none_or(|mode| mode == "disabled") || facts.exists("/etc/selinux/.autorelabel") {
        return Vec::new();
    }
    let contexts = match FileContexts::read(|path| facts.text(path)) {
        Ok(Some(contexts)) => contexts,
        Ok(None) => return vec![format!("`{CONFIG}` turns SELinux on, and its policy has no `file_contexts`")],
        Err(error) => return vec![error.to_string()],
    };
    let seen = facts.subvolumes.iter().filter_map(|subvolume| Some((facts.mounted(subvolume)?, subvolume)));
    let seen: BTreeMap<RelPath, &Subvolume> = seen.collect();
    // Where another subvolume is seen its own folder counts, not the one that it covers; the root is seen twice.
    let root = facts.root().and_then(|root| root.path.strip(&RelPath::new("@").ok()?));
    let is_covered =
        |path: &RelPath, full: &RelPath| !path.is_root() && (seen.contains_key(full) || root.as_ref() == Some(full));
    let files: Vec<(RelPath, &Node)> = seen
        .iter()
        .flat_map(|(at, subvolume)| {
            let named = subvolume.tree.iter().filter(|(_, node)| !has_other_names(node));
            let full = named.filter_map(|(path, node)| Some((path, at.join(path.as_bytes()).ok()?, node)));
            full.filter(|(path, full, _)| !is_covered(path, full)).map(|(_, full, node)| (full, node))
        })
        .collect();
    let wrong: Vec<String> = files.par_iter().filter_map(|(path, node)| fault(&contexts, path, node)).collect();
    let more = wrong.len().saturating_sub(NAMED);
    let rest = (more > 0).then(|| format!("{more} more files have another label than the policy gives them"));
    wrong.into_iter().take(NAMED).chain(rest).collect()
}

/// A file with several names has the label of one of them.
fn has_other_names(node: &Node) -> bool {
    matches!(&node.kind, Kind::File { link: Some(_), .. })
}

fn fault(contexts: &FileContexts, path: &RelPath, node: &Node) -> Option<String> {
    let wanted = contexts.of(path, &node.kind)?;
    let label = node.xattrs.get(XATTR).map(|value| value.strip_suffix(&[0]).unwrap_or(value));
    if label == Some(wanted.as_bytes()) {
        return None;
    }
    let has = label.map_or("none".into(), String::from_utf8_lossy);
    Some(format!("the label of `{path}` is {has}, not {wanted}"))
}
