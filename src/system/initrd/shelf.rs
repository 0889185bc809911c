//! Initrds of earlier builds: the same root, as far as dracut looks at it, has the same initrd.
//!
//! A file of the shelf is named by everything in the root that can be in an initrd or decide what is. That is the whole
//! tree but for [`UNSEEN`]; whatever else decides (packages, dracut's arguments, rowi itself) is the key of the stage,
//! which whoever fills the shelf looks at.

use std::{io, path::Path};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::{
    cache::Digest,
    tree::{Content, Kind, Node, RelPath, Tree},
};

/// What an initrd for any machine does not hold: dracut takes names of the host never, or in `--hostonly` mode only, and
/// knows neither GRUB's files nor users' (dracut-ng 106, `modules.d/*/module-setup.sh`).
const UNSEEN: [&str; 14] = [
    "boot/grub",
    "boot/grub2",
    "etc/NetworkManager/system-connections",
    "etc/containers",
    "etc/default/grub",
    "etc/grub.d",
    "etc/hostname",
    "etc/hosts",
    "etc/snapper",
    "etc/ssh",
    "etc/zypp",
    "home",
    "root",
    "srv",
];

/// The initrd of one kernel.
#[derive(Clone, Debug)]
pub struct Initrd {
    /// The kernel's version.
    pub version: String,
    /// Its name on the shelf.
    pub name: String,
    /// As it is in the image; nothing: to be made.
    pub content: Option<Content>,
    /// Whether an earlier build made it.
    pub found: bool,
}

/// Looks for the initrds of `versions` among the files of `folder`.
pub(crate) fn look(folder: &Path, tree: &Tree, versions: Vec<String>) -> io::Result<Vec<Initrd>> {
    let root = digest(tree)?;
    let initrd = |version: String| {
        let name = Digest::finish(Sha256::new().chain_update(root.to_string()).chain_update(&version)).to_string();
        let path = folder.join(&name);
        let content = match fs_err::metadata(&path) {
            Ok(kept) => Some(Content::Stored { path: path.into(), offset: 0, length: kept.len() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Initrd { version, name, found: content.is_some(), content })
    };
    versions.into_iter().map(initrd).collect()
}

/// Of all that an initrd can be made of, in the order of paths.
fn digest(tree: &Tree) -> io::Result<Digest> {
    let seen: Vec<_> = tree.iter().filter(|(path, _)| !is_unseen(path)).collect();
    let nodes: Vec<_> = seen.par_iter().map(|(path, node)| of_node(path, node)).collect::<io::Result<_>>()?;
    let all = nodes.iter().fold(Sha256::new(), |hasher, node| hasher.chain_update(node));
    Ok(Digest::finish(all))
}

fn is_unseen(path: &RelPath) -> bool {
    UNSEEN.iter().any(|unseen| RelPath::new(unseen).is_ok_and(|unseen| path.starts_with(&unseen)))
}

fn of_node(path: &RelPath, node: &Node) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(path.as_bytes());
    for number in [node.mode, node.uid, node.gid, node.mtime.nanos] {
        field(&number.to_le_bytes());
    }
    field(&node.mtime.seconds.to_le_bytes());
    for (name, value) in &node.xattrs {
        field(name.as_ref());
        field(value.as_ref());
    }
    match &node.kind {
        Kind::Directory => field(b"directory"),
        Kind::Symlink { target } => [&b"link"[..], target].iter().for_each(|bytes| field(bytes)),
        Kind::File { content, .. } => field(Digest::read(content.open()?)?.as_bytes()),
        other => field(format!("{other:?}").as_bytes()),
    }
    Ok(hasher.finalize().into())
}
