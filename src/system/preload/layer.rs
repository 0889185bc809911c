//! One layer's tar as nodes of a tree (OCI image-spec 1.1, `layer.md`): what is deleted becomes what an overlay file
//! system reads as deleted (Linux, `filesystems/overlayfs.rst`, "whiteouts and opaque directories").

use std::{
    collections::BTreeMap,
    io::{self, BufReader},
    path::Path,
    sync::Arc,
};

use crate::{
    oci,
    tree::{Content, Kind, LinkSet, Node, RelPath, Time},
};

/// Most entries of a layer. Ours; a whole desktop has some 400,000.
const MAX_ENTRIES: usize = 4_000_000;
/// Longest name of one file (Linux, NAME_MAX).
const MAX_NAME: usize = 255;
/// Before the name of what is deleted.
pub(super) const WHITEOUT: &[u8] = b".wh.";
/// In a folder of which nothing below is seen.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Extended attributes as pax(1) keeps them (star(5)).
const XATTR: &str = "SCHILY.xattr.";

/// The nodes of a layer by their paths, its root among them.
pub(super) type Nodes = BTreeMap<RelPath, Node>;

/// Reads the tar at `path`, which lies there as long as the nodes do. `links` numbers sets of hard links.
pub(super) fn read(path: &Path, time: Time, links: &mut u64) -> io::Result<Nodes> {
    let file = fs_err::File::open(path)?.into_file();
    oci::check_headers(&file)?;
    let at: Arc<Path> = path.into();
    let mut layer = Layer { nodes: Nodes::new(), time, links };
    layer.nodes.insert(RelPath::ROOT, Node::directory(0o755, time));
    io::Seek::rewind(&mut &file)?;
    for (number, entry) in tar::Archive::new(BufReader::new(file)).entries()?.enumerate() {
        if number == MAX_ENTRIES {
            return Err(broken(format!("it has more than {MAX_ENTRIES} entries")));
        }
        layer.entry(entry?, &at)?;
    }
    Ok(layer.nodes)
}

struct Layer<'a> {
    nodes: Nodes,
    time: Time,
    links: &'a mut u64,
}

impl Layer<'_> {
    fn entry(&mut self, mut entry: tar::Entry<'_, impl io::Read>, at: &Arc<Path>) -> io::Result<()> {
        let path = path(&entry.path_bytes())?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        self.folders_above(&path)?;
        if path.file_name().starts_with(WHITEOUT) {
            return self.deleted(&path);
        }
        let mut node = self.dressed(&mut entry, &path)?;
        let header = entry.header();
        let device = || -> io::Result<(u32, u32)> {
            Ok((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)))
        };
        let target = || entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
        node.kind = match kind {
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let content =
                    Content::Stored { path: at.clone(), offset: entry.raw_file_position(), length: entry.size() };
                Kind::File { content, link: None }
            }
            tar::EntryType::Symlink => Kind::Symlink { target: target() },
            tar::EntryType::Char => {
                let (major, minor) = device()?;
                Kind::CharDevice { major, minor }
            }
            tar::EntryType::Block => {
                let (major, minor) = device()?;
                Kind::BlockDevice { major, minor }
            }
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::Link => return self.hard_link(path, &target()),
            other => return Err(broken(format!("`{path}` is of kind {other:?}, which is not read"))),
        };
        self.put(path, node);
        Ok(())
    }

    /// Mode, owner, time and extended attributes.
    fn dressed(&self, entry: &mut tar::Entry<'_, impl io::Read>, path: &RelPath) -> io::Result<Node> {
        let mut xattrs = BTreeMap::new();
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(XATTR)) else { continue };
            let is_kept =
                name == "security.capability" || name.starts_with("user.") && !name.starts_with("user.overlay.");
            if is_kept {
                xattrs.insert(name.as_bytes().to_vec(), extension.value_bytes().to_vec());
            }
        }
        let header = entry.header();
        let number = |number: u64| {
            u32::try_from(number).map_err(|_| broken(format!("`{path}` has an owner that is no number of Linux'")))
        };
        Ok(Node {
            mode: header.mode()? & 0o7777,
            uid: number(header.uid()?)?,
            gid: number(header.gid()?)?,
            mtime: Time { seconds: i64::try_from(header.mtime()?).unwrap_or(self.time.seconds), nanos: 0 },
            xattrs,
            ..Node::directory(0, self.time)
        })
    }

    /// Folders that the tar leaves out are root's.
    fn folders_above(&mut self, path: &RelPath) -> io::Result<()> {
        let mut above = path.parent();
        let mut missing = Vec::new();
        while let Some(folder) = above {
            match self.nodes.get(&folder) {
                Some(node) if node.kind == Kind::Directory => break,
                Some(_) => return Err(broken(format!("`{path}` lies below `{folder}`, which is no folder"))),
                None => above = folder.parent(),
            }
            missing.push(folder);
        }
        self.nodes.extend(missing.into_iter().map(|folder| (folder, Node::directory(0o755, self.time))));
        Ok(())
    }

    fn deleted(&mut self, path: &RelPath) -> io::Result<()> {
        let (name, folder) = (path.file_name(), path.parent().unwrap_or_default());
        if name == OPAQUE {
            if let Some(node) = self.nodes.get_mut(&folder) {
                // One for mounts of root's, one for those of a user namespace's (`userxattr`).
                for key in ["trusted.overlay.opaque", "user.overlay.opaque"] {
                    node.xattrs.insert(key.into(), b"y".to_vec());
                }
            }
            return Ok(());
        }
        let name = &name[WHITEOUT.len()..];
        if name.starts_with(WHITEOUT) {
            // aufs's own files.
            return Ok(());
        }
        let gone = folder.join(name).map_err(|error| broken(error.to_string()))?;
        if gone == folder {
            return Err(broken(format!("`{path}` deletes nothing")));
        }
        let node = Node { kind: Kind::CharDevice { major: 0, minor: 0 }, ..Node::directory(0, self.time) };
        self.put(gone, node);
        Ok(())
    }

    fn hard_link(&mut self, path: RelPath, target: &[u8]) -> io::Result<()> {
        let target = self::path(target)?;
        let shown = || String::from_utf8_lossy(target.as_bytes()).into_owned();
        let Some(node) = self.nodes.get_mut(&target) else {
            return Err(broken(format!("`{path}` is a link to `{}`, which is not in the layer", shown())));
        };
        match &mut node.kind {
            Kind::File { link, .. } if link.is_none() => {
                *link = Some(LinkSet(*self.links));
                *self.links += 1;
            }
            Kind::Directory => return Err(broken(format!("`{path}` is a link to the folder `{}`", shown()))),
            _ => {}
        }
        let node = node.clone();
        if path != target {
            self.put(path, node);
        }
        Ok(())
    }

    /// A later entry takes the place of an earlier one; a folder keeps what is in it.
    fn put(&mut self, path: RelPath, mut node: Node) {
        if let Some(old) = self.nodes.get(&path) {
            if node.kind == Kind::Directory && old.kind == Kind::Directory {
                let opaque = old.xattrs.iter().filter(|(key, _)| key.ends_with(b".overlay.opaque"));
                node.xattrs.extend(opaque.map(|(key, value)| (key.clone(), value.clone())));
            } else if old.kind == Kind::Directory {
                self.nodes.retain(|at, _| !at.starts_with(&path));
            }
        }
        self.nodes.insert(path, node);
    }
}

/// A path of a tar's: relative to its root, whatever it says.
fn path(bytes: &[u8]) -> io::Result<RelPath> {
    let path = RelPath::new(bytes).map_err(|error| broken(error.to_string()))?;
    if path.as_bytes().split(|byte| *byte == b'/').any(|name| name.len() > MAX_NAME) {
        return Err(broken(format!("`{path}` has a name of more than {MAX_NAME} bytes")));
    }
    Ok(path)
}

fn broken(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Time = Time { seconds: 1000, nanos: 0 };

    fn tar(entries: &[(&str, tar::EntryType, &str)]) -> tempfile::NamedTempFile {
        let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_uid(7);
            header.set_gid(8);
            header.set_mtime(9);
            // As other programs write it, not as the crate allows it.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if matches!(kind, tar::EntryType::Link | tar::EntryType::Symlink) {
                header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, io::empty()).unwrap();
            } else {
                header.set_size(text.len() as u64);
                header.set_cksum();
                builder.append(&header, text.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn nodes(entries: &[(&str, tar::EntryType, &str)]) -> io::Result<Nodes> {
        let file = tar(entries);
        let nodes = read(file.path(), TIME, &mut 5)?;
        // Contents are read while the file is there.
        for node in nodes.values() {
            if let Kind::File { content, .. } = &node.kind {
                content.read()?;
            }
        }
        Ok(nodes)
    }

    #[test]
    fn deleted_files_and_opaque_folders_are_an_overlays() {
        use tar::EntryType::{Directory, Link, Regular};
        let nodes = nodes(&[
            ("./", Directory, ""),
            ("etc/.wh..wh..opq", Regular, ""),
            ("etc/.wh.gone", Regular, ""),
            ("etc/.wh..wh.plnk", Regular, ""),
            ("etc/", Directory, ""),
            ("bin/a", Regular, "text"),
            ("/bin/b", Link, "bin/a"),
        ])
        .unwrap();
        let at = |path: &str| &nodes[&RelPath::new(path).unwrap()];
        assert_eq!(nodes.len(), 6, "{:?}", nodes.keys());
        assert_eq!(at("etc/gone").kind, Kind::CharDevice { major: 0, minor: 0 });
        let opaque: Vec<&[u8]> = at("etc").xattrs.keys().map(Vec::as_slice).collect();
        assert_eq!(opaque, [b"trusted.overlay.opaque".as_slice(), b"user.overlay.opaque"]);
        assert_eq!((at("etc").mode, at("etc").uid, at("bin").mode, at("bin").uid), (0o4755, 7, 0o755, 0));
        let Kind::File { content, link: Some(LinkSet(5)) } = &at("bin/a").kind else { panic!("{:?}", at("bin/a")) };
        assert_eq!((content.len(), at("bin/a"), at("bin/a").mtime.seconds), (4, at("bin/b"), 9));
    }

    #[test]
    fn what_leaves_the_layer_or_is_none_is_refused() {
        use tar::EntryType::{Directory, GNUSparse, Link, Regular, Symlink};
        for entries in [
            [("../x", Regular, "")].as_slice(),
            &[("a/../../x", Regular, "")],
            &[("a", Symlink, "/etc"), ("a/passwd", Regular, "")],
            &[("a", Link, "../../etc/passwd")],
            &[("a", Link, "b")],
            &[("d", Directory, ""), ("a", Link, "d")],
            &[("a", GNUSparse, "")],
            &[("a/.wh.", Regular, "")],
            &[("a/.wh...", Regular, "")],
        ] {
            assert!(nodes(entries).is_err(), "{entries:?}");
        }
        // A later entry wins.
        let won = nodes(&[("a/b", Regular, ""), ("a", Regular, "now a file")]).unwrap();
        assert_eq!(won.len(), 2);
    }
}
