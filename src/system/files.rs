//! The user's overlays and single files.

use std::path::Path;

use super::{Change, Error, text, time};
use crate::{
    plan::{InputFile, InputKind, Plan},
    tree::{Content, Kind, Node, RelPath, Tree},
};

pub(super) fn changes(plan: &Plan, inputs: &Path, tree: &Tree) -> Result<Vec<Change>, Error> {
    let owners = Owners {
        passwd: text(tree, "etc/passwd").unwrap_or_default(),
        group: text(tree, "etc/group").unwrap_or_default(),
    };
    let mut changes = Vec::new();
    for file in &plan.files {
        let path = RelPath::new(&file.path).map_err(|error| Error::Io {
            what: "place a file of the profile's",
            source: std::io::Error::other(error),
        })?;
        // A folder of an overlay is on the way to its files: one that is there keeps what it is.
        if file.kind == InputKind::Directory
            && tree.get(&path).is_some_and(|node| !matches!(node.kind, Kind::File { .. }))
        {
            continue;
        }
        changes.push(Change::Put(path, node(plan, inputs, &owners, file)?));
    }
    Ok(changes)
}

fn node(plan: &Plan, inputs: &Path, owners: &Owners, file: &InputFile) -> Result<Node, Error> {
    let mut node = match &file.kind {
        InputKind::Directory => Node::directory(file.mode, time(plan)),
        InputKind::Symlink { target } => Node::symlink(target.as_str(), time(plan)),
        InputKind::File { sha256 } => {
            let path = inputs.join(sha256);
            let stat =
                fs_err::metadata(&path).map_err(|source| Error::Io { what: "read a file of the profile's", source })?;
            let content = Content::Stored { path: path.into(), offset: 0, length: stat.len() };
            Node::file(content, file.mode, time(plan))
        }
    };
    node.uid = Owners::id(&owners.passwd, &file.owner).ok_or_else(|| unknown("user", &file.owner))?;
    node.gid = Owners::id(&owners.group, &file.group).ok_or_else(|| unknown("group", &file.group))?;
    Ok(node)
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::Unknown { what, name: name.to_owned() }
}

/// The root's own names.
struct Owners {
    passwd: String,
    group: String,
}

impl Owners {
    /// The number of a name, or a number as it is.
    fn id(lines: &str, name: &str) -> Option<u32> {
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        let line = lines.lines().find(|line| line.split(':').next() == Some(name));
        match line {
            Some(line) => line.split(':').nth(2)?.parse().ok(),
            None => (name == "root").then_some(0),
        }
    }
}
