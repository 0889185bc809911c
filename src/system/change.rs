//! One change of a tree, as data.

use crate::tree::{Node, RelPath};

/// What a concern wants of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This node at this path, whatever was there; folders above that are missing are made, 0755 and root's.
    Put(RelPath, Node),
    /// Nothing at this path.
    Remove(RelPath),
}
