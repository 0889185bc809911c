//! Whole disks, judged by the tools that other people check theirs with.

mod bios;
mod fat;
mod layout;
mod whole;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{BiosGrub, Contents, Disk};
use crate::{
    plan::{Install, Plan, Seed},
    profile::{
        Arch, Boot, Emulate, EtcMode, Format, Layout, Loader, Machine, Partition, PartitionKind, Subvolume, Table,
        Traits,
    },
    report::Report,
    tree::{Node, RelPath, Time, Tree},
    units::{Bytes, Epoch},
};

/// A test that cannot run here says so, and fails where everything must be there.
#[expect(clippy::print_stderr, reason = "who reads the tests' output must see what was not tested")]
fn skip(why: &str) {
    assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "{why}");
    eprintln!("skipped: {why}");
}

/// What a foreign program says, or nothing when it is not there.
#[expect(clippy::disallowed_methods, reason = "tests call foreign tools")]
fn judge(program: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let Ok(output) = output else {
        skip(&format!("`{program}` is not there"));
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// What it says; it must be content.
#[track_caller]
fn content(program: &str, args: &[&str]) -> String {
    let (good, text) = judge(program, args).unwrap_or((true, String::new()));
    assert!(good, "{program} {args:?}: {text}");
    text
}

pub(crate) fn partition(name: &str, kind: PartitionKind, size: Option<u64>) -> Partition {
    Partition {
        name: name.into(),
        kind,
        size: size.map(Bytes::from_mib),
        label: if kind == PartitionKind::BiosBoot { String::new() } else { name.to_uppercase() },
        mount: (kind == PartitionKind::Esp).then(|| "/boot/efi".into()),
        options: Vec::new(),
        mbr_type: None,
        quota: false,
    }
}

/// A virtual machine's: BIOS and UEFI, everything in the order of the platform `vm`.
pub(crate) fn plan() -> Plan {
    let paths = [("var", true), ("home", false), ("root", false), ("srv", false), ("usr/local", false)];
    Plan {
        plan: 1,
        profile: "test".into(),
        platform: "vm".into(),
        distribution: "debian-rpm".into(),
        arch: Arch::X86_64,
        version: None,
        epoch: Epoch(1_700_000_001),
        images: Vec::new(),
        packages: Vec::new(),
        install: Install::default(),
        repositories: Vec::new(),
        keys: Vec::new(),
        machine: Machine::default(),
        traits: Traits::default(),
        paths: [("grub".to_owned(), "/boot/grub".to_owned())].into(),
        absent: Default::default(),
        boot_files: Vec::new(),
        files: Vec::new(),
        scripts: Vec::new(),
        layout: Layout {
            etc: EtcMode::Subvolume,
            subvolumes: paths.map(|(path, nodatacow)| Subvolume { path: format!("/{path}"), nodatacow }).into(),
            tmpfs_tmp: true,
            compression: Some(3),
            table: Table::Gpt,
            size: None,
            free: Bytes::from_mib(256),
            partitions: vec![
                partition("bios", PartitionKind::BiosBoot, Some(2)),
                partition("esp", PartitionKind::Esp, Some(64)),
                partition("root", PartitionKind::Root, None),
            ],
        },
        boot: Boot {
            loaders: vec![Loader::Grub2Efi, Loader::Grub2Bios],
            secure_boot: false,
            efi_file: None,
            timeout: 3,
            consoles: Vec::new(),
            arguments: Vec::new(),
            initrd_drivers: Vec::new(),
            firmware: Default::default(),
        },
        checks: Vec::new(),
        emulate: Emulate::default(),
        outputs: vec![Format::Raw],
        seed: Seed("5eed".into()),
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// A tree of files with the folders above them.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (name, text) in files {
        let at = path(name);
        let mut above = at.parent();
        while let Some(folder) = above {
            above = folder.parent();
            if tree.get(&folder).is_none() {
                tree.insert(folder, Node::directory(0o755, Time::default()));
            }
        }
        let node = match text.strip_prefix("-> ") {
            Some(target) => Node::symlink(target, Time::default()),
            None => Node::file((*text).into(), 0o600, Time::default()),
        };
        tree.insert(at, node);
    }
    tree
}

fn lay_out(contents: &Contents, plan: &Plan, work: &Path) -> Disk {
    super::lay_out(contents, plan, work, &Report::default()).unwrap()
}

fn raw(disk: &Disk, file: &Path) {
    crate::image::write(disk, Format::Raw, file, &Report::default()).unwrap();
}

/// Images of GRUB's shape: their bytes are their places.
pub(crate) fn grub() -> BiosGrub {
    let mut boot: Vec<u8> = (0..512).map(|at| at as u8).collect();
    boot[0] = 0xeb;
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    BiosGrub { boot, core: (0..70_001).map(|at| (at % 251) as u8).collect() }
}
