//! Judged by `btrfs check`, the kernel, GRUB's driver and our own reader.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::*;
use crate::{
    disk::Disk,
    image,
    profile::Format,
    report::Report,
    tree::{Content, Kind, LinkSet, Node, Time},
};

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

const TIME: Time = Time { seconds: 1_700_000_000, nanos: 123_456_789 };

fn folder() -> Node {
    Node::directory(0o755, TIME)
}

fn file(content: impl Into<Content>) -> Node {
    Node::file(content.into(), 0o644, TIME)
}

fn subvolume(at: &str, uuid: u8, tree: Tree) -> Subvolume {
    Subvolume { path: path(at), uuid: [uuid; 16], read_only: false, nodatacow: false, tree }
}

fn file_system(subvolumes: Vec<Subvolume>) -> FileSystem {
    FileSystem {
        fsid: *b"rowi-test-fs-id\x01",
        chunk_tree_uuid: *b"rowi-test-chunks",
        device_uuid: *b"rowi-test-device",
        label: "ROOT".into(),
        size: None,
        free: 256 << 20,
        compression: Some(3),
        quota: false,
        epoch: Epoch(1_700_000_100),
        subvolumes,
        default: 0,
    }
}

/// Bytes that no compression makes smaller.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
    .take(length)
    .collect()
}

fn text(length: usize) -> Vec<u8> {
    b"All work and no play makes Jack a dull boy.\n".iter().copied().cycle().take(length).collect()
}

/// A tree with something of everything; `work` holds a file that contents point into.
fn everything(work: &Path) -> Tree {
    let stored = work.join("stored");
    let mut bytes = noise(3_000_000, 7);
    bytes.extend(text(3_000_000));
    fs_err::write(&stored, &bytes).unwrap();
    let stored = |offset, length| Content::Stored { path: stored.as_path().into(), offset, length };
    let mut sparse = vec![0; 1 << 20];
    sparse[300_000..300_010].fill(7);
    let linked = Node {
        kind: Kind::File { content: Content::from(text(9000)), link: Some(LinkSet(3)) },
        uid: 12,
        gid: 100,
        ..file("")
    };
    let mut capable = file(text(20_000));
    capable.mode = 0o4755;
    capable.xattrs.insert(b"security.capability".to_vec(), b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec());
    capable.xattrs.insert(b"user.note".to_vec(), noise(3000, 4));
    let device = |kind| Node { kind, mode: 0o600, ..file("") };
    let mut nodes = vec![
        ("", folder()),
        ("a", folder()),
        ("a-b", folder()),
        ("a-b/c", file("inline")),
        ("a/b", linked.clone()),
        ("a/d", linked.clone()),
        ("z", linked),
        ("empty", file("")),
        ("edge-inline", file(text(2048))),
        ("edge-extent", file(text(2049))),
        ("sector", file(text(4096))),
        ("noise", file(noise(1_000_001, 1))),
        ("packed", file(text(1_000_001))),
        ("stored-plain", file(stored(1000, 2_500_123))),
        ("stored-mixed", file(stored(2_500_000, 1_700_123))),
        ("sparse", file(sparse)),
        ("capable", capable),
        ("link", Node::symlink("a/b", TIME)),
        ("long-link", Node::symlink(text(4000), TIME)),
        ("pipe", device(Kind::Fifo)),
        ("socket", device(Kind::Socket)),
        ("null", device(Kind::CharDevice { major: 1, minor: 3 })),
        ("whiteout", device(Kind::CharDevice { major: 0, minor: 0 })),
        ("nvme", device(Kind::BlockDevice { major: 259, minor: 70_000 })),
        ("umläut \u{fffd}", file("x")),
        ("etc", folder()),
    ];
    nodes[1].1.xattrs.insert(b"user.folder".to_vec(), b"yes".to_vec());
    let mut tree: Tree = nodes.into_iter().map(|(name, node)| (path(name), node)).collect();
    tree.insert(RelPath::new(b"bytes\xff\xfe").unwrap(), file("not UTF-8"));
    tree
}

fn layout(work: &Path) -> FileSystem {
    let bare = || Tree::from_iter([(RelPath::ROOT, folder())]);
    let mut snapshots = bare();
    snapshots.insert(path("1"), folder());
    snapshots.insert(path("1/info.xml"), file("<snapshot/>"));
    let mut fs = file_system(vec![
        subvolume("@", 1, bare()),
        subvolume("@/.snapshots", 2, snapshots),
        Subvolume { read_only: true, ..subvolume("@/.snapshots/1/snapshot", 3, everything(work)) },
        subvolume("@/.snapshots/1/snapshot/etc", 4, everything(work)),
        Subvolume { nodatacow: true, ..subvolume("@/var", 5, everything(work)) },
        subvolume("@/usr/local", 6, bare()),
    ]);
    fs.default = 2;
    fs
}

struct Written {
    fs: FileSystem,
    work: tempfile::TempDir,
    image: PathBuf,
    disk: Disk,
}

fn write(fs: impl FnOnce(&Path) -> FileSystem) -> Written {
    let work = tempfile::tempdir().unwrap();
    let fs = fs(work.path());
    let disk = lay_out(&fs, work.path(), &Report::default()).unwrap();
    let image = work.path().join("image");
    image::write(&disk, Format::Raw, &image, &Report::default()).unwrap();
    Written { fs, work, image, disk }
}

fn reader(written: &Written) -> Reader<image::Source> {
    Reader::open(image::Source::open(&written.image).unwrap()).unwrap()
}

/// What our reader has to find in a subvolume: the tree with link sets as they are counted anew, and, beside what was
/// given, folders on the way to nested subvolumes and these themselves.
fn expected(fs: &FileSystem, number: usize) -> Tree {
    let own = &fs.subvolumes[number];
    let mut tree = own.tree.clone();
    let mut sets = std::collections::BTreeMap::new();
    let mut counts = std::collections::BTreeMap::new();
    for (_, node) in tree.iter() {
        if let Kind::File { link: Some(link), .. } = node.kind {
            *counts.entry(link).or_insert(0) += 1;
        }
    }
    for (_, node) in tree.iter_mut() {
        if let Kind::File { content, link } = &mut node.kind {
            *content = Content::Stored { path: Path::new("").into(), offset: 0, length: content.len() };
            *link = link.filter(|link| counts[link] > 1).map(|link| {
                let next = LinkSet(sets.len() as u64);
                *sets.entry(link).or_insert(next)
            });
        }
    }
    for (nested, other) in fs.subvolumes.iter().enumerate() {
        if super::subvolume::holder(fs, &other.path) == Some(number) {
            assert_ne!(nested, number);
            let at = other.path.strip(&own.path).unwrap();
            let mut above = at.parent();
            while let Some(folder) = above.filter(|folder| tree.get(folder).is_none()) {
                above = folder.parent();
                tree.insert(folder, Node::directory(0o755, Time { seconds: fs.epoch.0, nanos: 0 }));
            }
            tree.insert(at, Node::directory(0o755, Time::default()));
        }
    }
    tree
}

/// Our reader finds everything as it was given.
fn read_back(fs: &FileSystem, written: &Written) {
    let reader = reader(written);
    assert_eq!((reader.fsid(), reader.label()), (fs.fsid, fs.label.as_str()));
    assert_eq!(reader.total_bytes(), written.disk.size);
    let found = reader.subvolumes().unwrap();
    assert_eq!(found.len(), fs.subvolumes.len());
    for (number, (found, given)) in found.iter().zip(&fs.subvolumes).enumerate() {
        assert_eq!((&found.path, found.uuid, found.read_only), (&given.path, given.uuid, given.read_only));
        assert_eq!(found.default, number == fs.default);
        let (tree, copied) = reader.tree(found.id).unwrap();
        let expected = expected(fs, number);
        for ((path, node), (expected_path, expected)) in tree.iter().zip(expected.iter()) {
            assert_eq!((path, node), (expected_path, expected));
        }
        assert_eq!(tree.len(), expected.len());
        assert_eq!(copied.is_empty(), given.nodatacow);
        for (path, node) in given.tree.iter() {
            if let Kind::File { content, .. } = &node.kind {
                assert!(reader.read_file(found.id, path).unwrap() == content.read().unwrap(), "{path} differs");
            }
        }
    }
}

/// Runs a program of the host; nothing where it is missing and tools are not required.
#[expect(clippy::disallowed_methods, reason = "tests look at the file system with the host's programs")]
fn tool(program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(output),
        Err(error) if std::env::var_os("REQUIRE_TOOLS").is_some() => panic!("`{program}`: {error}"),
        Err(_) => {
            eprintln!("skipped: `{program}` is not installed");
            None
        }
    }
}

/// The same, where it has to end well; its output.
fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = tool(program, args)?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {said}");
    Some(said)
}

fn check_image(image: &Path) {
    if let Some(said) = run("btrfs", &["check", "--check-data-csum", image.to_str().unwrap()]) {
        assert!(said.contains("no error found"), "{said}");
    }
}

#[test]
fn btrfs_check_finds_no_error() {
    let written = write(layout);
    check_image(&written.image);
    if let Some(copy) = std::env::var_os("KEEP_IMAGE") {
        fs_err::copy(&written.image, copy).unwrap();
    }
    assert!(written.disk.size > 256 << 20);
    read_back(&written.fs, &written);
    drop(written.work);
}
