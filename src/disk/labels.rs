//! SELinux's labels, given when every file is at its place: those that the cutting of the tree made have one, too.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    plan::layout::Mounted,
    selinux::{FileContexts, XATTR},
    tree::{Kind, LinkSet, Node, RelPath, Tree},
};

/// Labels what the running system sees of each subvolume, by the path at which it sees it.
pub(super) fn label(contexts: &FileContexts, mounted: &[Mounted], trees: &mut [Tree]) {
    trees.par_iter_mut().zip(mounted).for_each(|(tree, mounted)| {
        if let Some(at) = &mounted.mount {
            label_tree(contexts, at, tree);
        }
    });
}

fn label_tree(contexts: &FileContexts, at: &str, tree: &mut Tree) {
    let nodes: Vec<(&RelPath, &mut Node)> = tree.iter_mut().collect();
    let mut labelled: Vec<(&mut Node, Option<Vec<u8>>)> = nodes
        .into_par_iter()
        .map(|(path, node)| {
            let seen = RelPath::new(at).and_then(|at| at.join(path.as_bytes())).ok();
            let label = seen.and_then(|seen| contexts.of(&seen, &node.kind)).map(value);
            (node, label)
        })
        .collect();
    // One inode has one label: that of its first name, as setfiles keeps the first that it meets.
    let mut first: HashMap<LinkSet, Option<Vec<u8>>> = HashMap::new();
    for (node, label) in &mut labelled {
        if let Kind::File { link: Some(link), .. } = node.kind {
            *label = first.entry(link).or_insert_with(|| label.take()).clone();
        }
        if let Some(label) = label.take() {
            node.xattrs.insert(XATTR.to_vec(), label);
        }
    }
}

/// The attribute's value: the context and a zero byte (libselinux 3.11, `setfilecon.c`).
fn value(context: &str) -> Vec<u8> {
    [context.as_bytes(), &[0]].concat()
}
