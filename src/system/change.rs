//! One change of a tree, as data.

use crate::tree::{Node, RelPath, Time, Tree};

/// What a concern wants of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This node at this path, whatever was there; folders above that are missing are made, 0755 and root's.
    Put(RelPath, Node),
    /// Nothing at this path.
    Remove(RelPath),
}

/// Changes a tree, in order.
pub(super) fn apply_to_tree(tree: &mut Tree, changes: Vec<Change>, time: Time) {
    for change in changes {
        match change {
            Change::Remove(path) => tree.remove(&path),
            Change::Put(path, node) => {
                let mut above = path.parent();
                while let Some(folder) = above.filter(|folder| tree.get(folder).is_none()) {
                    above = folder.parent();
                    tree.insert(folder, Node::directory(0o755, time));
                }
                tree.insert(path, node);
            }
        }
    }
}
