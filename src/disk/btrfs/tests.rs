//! Judged by `btrfs check`, the kernel, GRUB's driver and our own reader.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use proptest::prelude::*;

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
    write_timed(fs)
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
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "the host's programs judge; a skip is seen")]
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

/// An image that the kernel has mounted, from the top level, until this goes.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// Nothing where the host does not let us and need not.
    #[expect(clippy::print_stderr, reason = "a skipped test is seen")]
    fn new(image: &Path, options: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let options = format!("loop,subvolid=5,{options}");
        let output = tool("mount", &["-t", "btrfs", "-o", &options, image.to_str()?, at.path().to_str()?])?;
        if output.status.success() {
            return Some(Self(at));
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let root = rustix::process::getuid().is_root();
        assert!(!root || said.contains("unknown filesystem"), "{said}");
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "{said}");
        eprintln!("skipped: the host does not mount: {said}");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.path().to_str().unwrap()]);
    }
}

/// The kernel finds everything as it was given.
fn mounted_equals(fs: &FileSystem, mounted: &Mounted) {
    for (number, given) in fs.subvolumes.iter().enumerate() {
        let top = given.path.below(mounted.0.path());
        let found = crate::root::scan(&top).unwrap();
        let expected = expected(fs, number);
        let nested: Vec<RelPath> = fs.subvolumes.iter().filter_map(|other| other.path.strip(&given.path)).collect();
        assert_eq!(found.len(), expected.len());
        for ((path, node), (expected_path, expected)) in found.iter().zip(expected.iter()) {
            assert_eq!(path, expected_path);
            if path.is_root() || !nested.contains(path) {
                same_node(path, node.clone(), expected);
                same_content(path, node, given.tree.get(path));
            }
        }
        let said = run("btrfs", &["property", "get", "-ts", top.to_str().unwrap(), "ro"]);
        assert!(said.is_none_or(|said| said.contains(&format!("ro={}", given.read_only))));
    }
    let said = run("btrfs", &["subvolume", "get-default", mounted.0.path().to_str().unwrap()]);
    assert!(said.is_none_or(|said| {
        said.trim().ends_with(&format!("path {}", &fs.subvolumes[fs.default].path.to_string()[1..]))
    }));
}

/// All but the content.
fn same_node(path: &RelPath, mut found: Node, expected: &Node) {
    if let (Kind::File { content, .. }, Kind::File { content: wanted, .. }) = (&mut found.kind, &expected.kind) {
        assert_eq!(content.len(), wanted.len(), "{path}");
        *content = wanted.clone();
    }
    assert_eq!(&found, expected, "{path}");
}

fn same_content(path: &RelPath, found: &Node, given: Option<&Node>) {
    if let (Kind::File { content, .. }, Some(Node { kind: Kind::File { content: given, .. }, .. })) =
        (&found.kind, given)
    {
        assert!(content.read().unwrap() == given.read().unwrap(), "{path} differs");
    }
}

#[test]
fn the_kernel_reads_everything_and_can_write() {
    let written = write(layout);
    if let Some(mounted) = Mounted::new(&written.image, "ro") {
        mounted_equals(&written.fs, &mounted);
    }
    // The first transactions of a machine's life, on a disk that is larger than the image.
    fs_err::OpenOptions::new().write(true).open(&written.image).unwrap().set_len(2 << 30).unwrap();
    if let Some(mounted) = Mounted::new(&written.image, "rw") {
        fs_err::write(mounted.0.path().join("@/var/new"), noise(10_000_000, 9)).unwrap();
        fs_err::write(mounted.0.path().join("@/new"), text(10_000_000)).unwrap();
        fs_err::remove_file(mounted.0.path().join("@/var/packed")).unwrap();
        let at = |name: &str| mounted.0.path().join(name).to_str().unwrap().to_owned();
        run("btrfs", &["filesystem", "resize", "max", &at("")]);
        let stream = written.work.path().join("stream");
        run("btrfs", &["send", "-f", stream.to_str().unwrap(), &at("@/.snapshots/1/snapshot")]);
        run("btrfs", &["subvolume", "snapshot", &at("@/.snapshots/1/snapshot"), &at("@/.snapshots/2")]);
        fs_err::write(mounted.0.path().join("@/.snapshots/2/a/b"), "changed").unwrap();
        run("btrfs", &["scrub", "start", "-B", &at("")]).inspect(|said| assert!(said.contains("no errors found")));
        drop(mounted);
        check_image(&written.image);
        let mounted = Mounted::new(&written.image, "ro").unwrap();
        assert_eq!(fs_err::read(mounted.0.path().join("@/var/new")).unwrap(), noise(10_000_000, 9));
    }
}

#[test]
fn grub_reads_every_form_of_content() {
    let written = write(layout);
    for name in ["edge-inline", "edge-extent", "packed", "noise", "stored-mixed", "sparse", "a/b"] {
        let copy = written.work.path().join("copy");
        let Kind::File { content, .. } = &written.fs.subvolumes[2].tree.at(name).unwrap().kind else { panic!() };
        fs_err::write(&copy, content.read().unwrap()).unwrap();
        let inside = format!("(loop0)/@/.snapshots/1/snapshot/{name}");
        run("grub-fstest", &[written.image.to_str().unwrap(), "cmp", &inside, copy.to_str().unwrap()]);
    }
}

/// Many small files, some folders, some longer files: a tree of more than one level.
fn many(count: usize) -> Tree {
    let mut tree = Tree::from_iter([(RelPath::ROOT, folder())]);
    for number in 0..count {
        let place = format!("folder-{:03}", number % 200);
        tree.insert(path(&place), folder());
        let length = if number % 50 == 0 { 5000 + number % 300_000 } else { number % 1500 };
        let content = if number % 3 == 0 { noise(length, number as u64) } else { text(length) };
        tree.insert(path(&format!("{place}/a file with a name {number}")), file(content));
    }
    tree
}

fn bytes_of(disk: &Disk) -> Vec<(u64, Vec<u8>)> {
    disk.extents.iter().map(|extent| (extent.offset, extent.content.read().unwrap())).collect()
}

#[test]
fn trees_grow_levels_and_threads_do_not_matter() {
    let fs = |_: &Path| {
        let mut fs = file_system(vec![subvolume("@", 1, many(10_000)), subvolume("@/var", 2, many(100))]);
        fs.quota = true;
        fs
    };
    let written = write(fs);
    let heads = written.disk.extents.iter().filter(|extent| extent.content.len() == format::NODE);
    let levels = heads.map(|extent| extent.content.read().unwrap()[format::HEADER - 1]);
    assert_eq!(levels.max(), Some(2));
    check_image(&written.image);
    read_back(&written.fs, &written);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = one.install(|| write(fs));
    assert_eq!(written.disk.size, again.disk.size);
    assert!(bytes_of(&written.disk) == bytes_of(&again.disk), "another number of threads gives other bytes");
}

#[test]
fn quota_is_counted() {
    let written = write(|work| FileSystem { quota: true, ..layout(work) });
    check_image(&written.image);
    if let Some(said) = run("btrfs", &["check", "-Q", written.image.to_str().unwrap()]) {
        assert!(!said.contains("are different"), "{said}");
    }
    let Some(mounted) = Mounted::new(&written.image, "rw") else { return };
    let at = mounted.0.path().to_str().unwrap();
    let before = run("btrfs", &["qgroup", "show", "--raw", at]);
    run("btrfs", &["quota", "rescan", "-w", at]);
    assert_eq!(before, run("btrfs", &["qgroup", "show", "--raw", at]));
    assert!(before.is_none_or(|said| said.contains("1/0")));
}

#[test]
fn names_beyond_one_item_and_of_one_hash() {
    let long = |number: usize| format!("{number:0>250}");
    let link = Some(LinkSet(1));
    let node = Node { kind: Kind::File { content: "linked".into(), link }, ..file("") };
    let mut tree: Tree = (0..300).map(|number| (path(&long(number)), node.clone())).collect();
    tree.insert(RelPath::ROOT, folder());
    // Two names of one hash: the sum is linear, so that equal differences of four bytes and their remainder cancel.
    let pair = colliding_names();
    for name in &pair {
        let mut node = file(name.as_str());
        node.xattrs =
            pair.iter().map(|name| (format!("user.{name}").into_bytes(), name.clone().into_bytes())).collect();
        tree.insert(path(name), node);
    }
    let written = write(|_| file_system(vec![subvolume("@", 1, tree.clone())]));
    check_image(&written.image);
    read_back(&written.fs, &written);
    if let Some(mounted) = Mounted::new(&written.image, "ro") {
        mounted_equals(&written.fs, &mounted);
    }
}

/// Two names that `btrfs_name_hash` does not tell apart, alone and behind `user.`: found by trying many.
fn colliding_names() -> [String; 2] {
    let mut seen = std::collections::HashMap::new();
    for number in 0u64.. {
        let name = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Some(other) = seen.insert(format::name_hash(name.as_bytes()), name.clone()) {
            return [other, name];
        }
    }
    unreachable!("there are more names than hashes")
}

#[test]
fn unsound_input_is_refused_with_every_fault() {
    let mut tree = Tree::from_iter([(RelPath::ROOT, folder())]);
    tree.insert(path("nowhere/file"), file(""));
    tree.insert(path(&"n".repeat(256)), file(""));
    tree.insert(path("link"), Node::symlink(text(4096), TIME));
    tree.insert(path("mode"), Node { mode: 0o100_644, ..file("") });
    tree.insert(path("var"), file("in the way"));
    let mut big = file("");
    big.xattrs.insert(b"user.big".to_vec(), vec![1; 17_000]);
    tree.insert(path("attribute"), big);
    let rootless = Tree::new();
    let mut fs = file_system(vec![subvolume("@", 1, tree), subvolume("@/var", 1, rootless)]);
    fs.default = 7;
    let work = tempfile::tempdir().unwrap();
    let Err(Error::Unsound(faults)) = lay_out(&fs, work.path(), &Report::default()) else { panic!() };
    assert_eq!(faults.len(), 9, "{faults:#?}");
}

#[test]
fn a_size_that_is_too_small_names_what_is_needed() {
    let fs = FileSystem { size: Some(64 << 20), ..file_system(vec![subvolume("@", 1, many(10))]) };
    let work = tempfile::tempdir().unwrap();
    let Err(Error::TooSmall { needed, .. }) = lay_out(&fs, work.path(), &Report::default()) else { panic!() };
    // And one that has all three super blocks.
    for size in [needed, 300 << 30] {
        let written = write(|_| FileSystem { size: Some(size), ..fs.clone() });
        check_image(&written.image);
        assert_eq!(written.disk.size, size);
    }
}

fn any_node() -> impl Strategy<Value = Node> {
    let content = prop_oneof![
        (0..200_000usize).prop_map(text),
        (0..9000usize, any::<u64>()).prop_map(|(length, seed)| noise(length, seed)),
        (0..400_000usize).prop_map(|length| vec![0; length]),
    ];
    let kind = prop_oneof![
        6 => content.prop_map(|content| Kind::File { content: content.into(), link: None }),
        1 => prop::collection::vec(1..=255u8, 1..4095).prop_map(|target| Kind::Symlink { target }),
        1 => (0..4096u32, 0..1u32 << 20).prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => Just(Kind::Fifo),
        4 => Just(Kind::Directory),
    ];
    let xattrs = prop::collection::btree_map("user\\.[a-z]{1,20}", prop::collection::vec(any::<u8>(), 0..3000), 0..3);
    (kind, 0..0o10000u32, any::<u32>(), any::<u32>(), any::<i64>(), 0..1_000_000_000u32, xattrs).prop_map(
        |(kind, mode, uid, gid, seconds, nanos, xattrs)| Node {
            kind,
            mode,
            uid,
            gid,
            mtime: Time { seconds, nanos },
            xattrs: xattrs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect(),
        },
    )
}

/// A tree without what has no folder.
fn any_tree() -> impl Strategy<Value = Tree> {
    prop::collection::btree_map("[a-c](/[a-c]{1,2}){0,3}", any_node(), 0..20).prop_map(|nodes| {
        let mut tree = Tree::from_iter([(RelPath::ROOT, folder())]);
        for (at, node) in nodes {
            let at = path(&at);
            let parent = at.parent().and_then(|parent| tree.get(&parent)).map(|parent| parent.kind.clone());
            if parent == Some(Kind::Directory) {
                tree.insert(at, node);
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_as_it_was_written(tree in any_tree(), nodatacow: bool, level in prop::option::of(1..4)) {
        let written = write(|_| {
            let own = Subvolume { nodatacow, ..subvolume("d/e", 1, tree.clone()) };
            FileSystem { compression: level, ..file_system(vec![own, subvolume("d/e/f/g", 2, tree)]) }
        });
        read_back(&written.fs, &written);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(places in prop::collection::vec((0..16384usize, any::<u8>()), 1..4), which: u64) {
        // With checksums that are right, so that what is inside is looked at.
        let written = write(|_| file_system(vec![subvolume("@", 1, many(20))]));
        let blocks: Vec<u64> =
            written.disk.extents.iter().filter(|e| e.content.len() == format::NODE).map(|e| e.offset).collect();
        let at = blocks[(which % blocks.len() as u64) as usize];
        let source = image::Source::open(&written.image).unwrap();
        let mut with = vec![0; format::NODE as usize];
        source.read_at(at, &mut with).unwrap();
        places.iter().for_each(|&(place, byte)| with[place.max(80)] = byte);
        let sum = crc32c::crc32c(&with[32..]);
        with[..4].copy_from_slice(&sum.to_le_bytes());
        if let Ok(reader) = Reader::open(Overwritten { source, at, with }) {
            let _ = read_all(&reader);
        }
    }
}

#[test]
fn what_mkfs_makes_is_read() {
    let from = tempfile::tempdir().unwrap();
    for (name, content) in [("inline", text(100)), ("packed", text(500_000)), ("noise", noise(700_001, 5))] {
        fs_err::write(from.path().join(name), content).unwrap();
    }
    fs_err::create_dir(from.path().join("folder")).unwrap();
    fs_err::hard_link(from.path().join("inline"), from.path().join("folder/other")).unwrap();
    std::os::unix::fs::symlink("../inline", from.path().join("folder/link")).unwrap();
    for options in [&["--compress", "zstd:3"][..], &["--compress", "zlib"], &["--csum", "xxhash"], &["-n", "4096"]] {
        let work = tempfile::tempdir().unwrap();
        let image = work.path().join("image");
        fs_err::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        let mut args = vec!["-q", "-f", "--rootdir", from.path().to_str().unwrap(), "-L", "label"];
        args.extend(options);
        args.push(image.to_str().unwrap());
        if run("mkfs.btrfs", &args).is_none() {
            return;
        }
        let reader = Reader::open(image::Source::open(&image).unwrap()).unwrap();
        assert_eq!(reader.label(), "label");
        assert!(reader.subvolumes().unwrap().is_empty());
        let (tree, _) = reader.tree(5).unwrap();
        let expected = crate::root::scan(from.path()).unwrap();
        assert_eq!(tree.len(), expected.len());
        for ((path, node), (_, expected)) in tree.iter().zip(expected.iter()) {
            // mkfs.btrfs cuts times to seconds.
            let mtime = Time { nanos: node.mtime.nanos, ..expected.mtime };
            same_node(path, node.clone(), &Node { mtime, ..expected.clone() });
            if let Kind::File { content, .. } = &expected.kind {
                assert!(reader.read_file(5, path).unwrap() == content.read().unwrap(), "{path} differs");
            }
        }
    }
}

#[test]
fn damage_is_found_and_nothing_panics() {
    let written = write(layout);
    let blocks: Vec<u64> = written.disk.blocks(4096);
    let mut found = 0;
    for (number, block) in blocks.iter().enumerate().step_by(blocks.len() / 60 + 1) {
        let source = image::Source::open(&written.image).unwrap();
        let source = Overwritten { source, at: block * 4096, with: noise(4096, number as u64) };
        found += usize::from(Reader::open(source).map_or(true, |reader| read_all(&reader).is_err()));
    }
    assert!(found > 10, "{found}");
}

/// An image with other bytes at one place.
struct Overwritten {
    source: image::Source,
    at: u64,
    with: Vec<u8>,
}

impl ReadAt for Overwritten {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.source.read_at(offset, buffer)?;
        for (byte, at) in buffer.iter_mut().zip(offset..) {
            if let Some(other) = at.checked_sub(self.at).and_then(|skip| self.with.get(skip as usize)) {
                *byte = *other;
            }
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.source.size()
    }
}

fn read_all<R: ReadAt>(reader: &Reader<R>) -> Result<(), std::io::Error> {
    for subvolume in reader.subvolumes()? {
        for (path, node) in reader.tree(subvolume.id)?.0.iter() {
            if matches!(node.kind, Kind::File { .. }) {
                reader.read_file(subvolume.id, path)?;
            }
        }
    }
    Ok(())
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

/// A whole system, for measuring: where `ROWI_ROOT` names a root that something installed.
#[test]
#[expect(clippy::print_stderr, reason = "shows what it measured")]
fn a_whole_system() {
    let Some(root) = std::env::var_os("ROWI_ROOT").map(PathBuf::from) else {
        eprintln!("left out: ROWI_ROOT names no root");
        return;
    };
    let start = std::time::Instant::now();
    let mut tree = crate::root::scan(&root).unwrap();
    eprintln!("{} files read in {:?}", tree.len(), start.elapsed());
    let var = path("var");
    let inside = std::iter::once((RelPath::ROOT, folder()))
        .chain(tree.below(&var).map(|(path, node)| (path.strip(&var).unwrap(), node.clone())))
        .collect();
    tree.remove(&var);
    let fs = |_: &Path| {
        let bare = || Tree::from_iter([(RelPath::ROOT, folder())]);
        let mut fs = file_system(vec![
            subvolume("@", 1, bare()),
            subvolume("@/.snapshots", 2, bare()),
            Subvolume { read_only: true, ..subvolume("@/.snapshots/1/snapshot", 3, tree) },
            Subvolume { nodatacow: true, ..subvolume("@/var", 5, inside) },
        ]);
        (fs.default, fs.quota) = (2, true);
        fs
    };
    let written = write_timed(fs);
    check_image(&written.image);
    let start = std::time::Instant::now();
    read_back(&written.fs, &written);
    let used = reader(&written).used_bytes();
    eprintln!("{used} bytes used; read back and compared in {:?}", start.elapsed());
    if let Some(mounted) = Mounted::new(&written.image, "ro") {
        mounted_equals(&written.fs, &mounted);
    }
}

#[expect(clippy::print_stderr, reason = "shows what it measured")]
fn write_timed(fs: impl FnOnce(&Path) -> FileSystem) -> Written {
    let work = tempfile::tempdir().unwrap();
    let fs = fs(work.path());
    let start = std::time::Instant::now();
    let disk = lay_out(&fs, work.path(), &Report::default()).unwrap();
    let held: u64 = disk.extents.iter().map(|extent| extent.content.len()).sum();
    eprintln!("laid out in {:?}: {held} bytes of {}", start.elapsed(), disk.size);
    let image = work.path().join("image");
    image::write(&disk, Format::Raw, &image, &Report::default()).unwrap();
    eprintln!("and written after {:?}", start.elapsed());
    Written { fs, work, image, disk }
}
