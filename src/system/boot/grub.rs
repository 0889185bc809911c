//! GRUB: its menu, what it reads before there is a menu, and the files of the ESP.
//!
//! Where the distribution's GRUB resolves paths from the default subvolume, the entry names no snapshot. Elsewhere it
//! reads the snapshot's number from an environment block on the ESP, where GRUB may write: on btrfs it would corrupt
//! its own data (`ENGINEERING` I.6). The files of the early steps are few and say the same: find the file system by its
//! UUID, and go on with the menu in `@/boot/grub`.

use std::collections::BTreeMap;

use super::{Change, Error, arguments, efi, fsid, newest, title};
use crate::{
    disk::BiosGrub,
    plan::{Plan, layout},
    profile::{Arch, Loader},
    system::{at, content, path_of, put_link, put_text},
    tree::{Content, Kind, Node, Tree},
};

/// Modules of the BIOS image: the disk, the file system and the way to the menu.
pub(in crate::system) const BIOS_MODULES: [&str; 10] =
    ["biosdisk", "part_gpt", "part_msdos", "btrfs", "zstd", "fat", "search_fs_uuid", "normal", "configfile", "loadenv"];
/// Where the environment block is, from the ESP's top.
const ENVIRONMENT: &str = "EFI/rowi/grubenv";
/// GRUB's environment block has this size (GRUB 2.12, `include/grub/lib/envblk.h`).
const ENVIRONMENT_SIZE: usize = 1024;

/// The names that the menu boots: links that go with their snapshot.
const KERNEL: &str = "/boot/vmlinuz";
const INITRD: &str = "/boot/initrd";

/// GRUB's folder in the root.
pub(in crate::system) fn folder(plan: &Plan) -> &str {
    path_of(plan, "grub", "/boot/grub2")
}

/// Where packages put the modules of a platform.
pub(in crate::system) fn platform(plan: &Plan, platform: &str) -> String {
    format!("{}/{platform}", path_of(plan, "grub-platforms", "/usr/share/grub2"))
}

/// Those of the modules that the packages have.
pub(in crate::system) fn present<'a>(tree: &Tree, folder: &str, modules: &[&'a str]) -> Vec<&'a str> {
    modules.iter().copied().filter(|module| content(tree, &format!("{folder}/{module}.mod")).is_some()).collect()
}

/// GRUB's folder as it names it: from the top level of the file system, or from the default subvolume.
fn menu_folder(plan: &Plan) -> String {
    if plan.traits.default_subvolume_boot { folder(plan).to_owned() } else { format!("/@{}", folder(plan)) }
}

/// What the BIOS image does by itself, with the modules that are in it.
pub(in crate::system) fn early(plan: &Plan) -> String {
    format!("search.fs_uuid {} root\nset prefix=($root){}\nnormal\n", fsid(plan), menu_folder(plan))
}

/// What GRUB's signed EFI program reads beside itself.
fn first_config(plan: &Plan) -> String {
    let folder = menu_folder(plan);
    format!(
        "search --fs-uuid --set=root {}\nset prefix=($root){folder}\nconfigfile ($root){folder}/grub.cfg\n",
        fsid(plan)
    )
}

/// The script that makes the menu anew on the machine, as it is here: the distribution's would name one snapshot for
/// ever, so none of them is executable.
pub(super) fn scripts(plan: &Plan, tree: &Tree) -> Vec<Change> {
    if !uses_grub(plan) || plan.traits.default_subvolume_boot || tree.at("etc/grub.d").is_none() {
        return Vec::new();
    }
    let folder = at("etc/grub.d");
    let scripts = tree.children(&folder).filter(|(_, node)| matches!(node.kind, Kind::File { .. }));
    let mut changes: Vec<Change> =
        scripts.map(|(path, node)| Change::Put(path.clone(), Node { mode: 0o644, ..node.clone() })).collect();
    let text = format!("#!/bin/sh\ncat <<'END'\n{}END\n", menu(plan, tree));
    changes.push(put_text(plan, "/etc/grub.d/09_rowi", 0o755, &text));
    changes
}

/// All of grub.cfg.
fn menu(plan: &Plan, tree: &Tree) -> String {
    format!("{}\n{}", head(plan), entries(plan, tree))
}

fn uses_grub(plan: &Plan) -> bool {
    plan.boot.loaders.iter().any(|loader| matches!(loader, Loader::Grub2Bios | Loader::Grub2Efi))
}

/// The menu, and modules where GRUB looks for them.
pub(in crate::system) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    if !uses_grub(plan) {
        return Vec::new();
    }
    let folder = folder(plan);
    let mut changes = vec![put_text(plan, &format!("{folder}/grub.cfg"), 0o600, &menu(plan, tree))];
    for platform_name in layout::grub_platforms(plan) {
        let source = at(&platform(plan, platform_name));
        for (path, node) in tree.children(&source) {
            let name = String::from_utf8_lossy(path.file_name()).into_owned();
            let is_wanted = name.ends_with(".mod") || name.ends_with(".lst");
            if let (Kind::File { content, .. }, true) = (&node.kind, is_wanted) {
                let copy = Node::file(content.clone(), 0o644, node.mtime);
                changes.push(Change::Put(at(&format!("{folder}/{platform_name}/{name}")), copy));
            }
        }
    }
    changes.extend(links(plan, tree));
    changes
}

/// Consoles and the time that the menu waits.
fn head(plan: &Plan) -> String {
    // On ARM the firmware's console is the serial one, and GRUB knows no other.
    let consoles = plan.boot.consoles.iter().filter(|_| plan.arch == Arch::X86_64);
    let serial = consoles.into_iter().find_map(|console| console.strip_prefix("ttyS"));
    let mut text = format!("set timeout={}\nset default=0\n", plan.boot.timeout);
    if let Some((unit, rest)) = serial.map(|serial| serial.split_once(',').unwrap_or((serial, "115200"))) {
        let speed: String = rest.chars().take_while(char::is_ascii_digit).collect();
        text += &format!(
            "serial --unit={unit} --speed={speed}\nterminal_input console serial\nterminal_output console serial\n"
        );
    }
    text
}

/// The entry that boots the current snapshot, and one for each snapshot that there is when the menu is shown.
fn entries(plan: &Plan, tree: &Tree) -> String {
    let (kernel, initrd) = (KERNEL, INITRD);
    let (name, arguments) = (title(plan, tree), arguments(plan));
    let uuid = fsid(plan);
    if plan.traits.default_subvolume_boot {
        return format!(
            "menuentry '{name}' --id current {{\n  search --fs-uuid --set=root {uuid}\n  linux {kernel} root=UUID={uuid} {arguments}\n  initrd {initrd}\n}}\n"
        );
    }
    let find_number = layout::esp_serial(plan).map(|serial| {
        let esp = layout::serial_text(serial);
        format!("search --fs-uuid --set=esp {esp}\nif [ -s ($esp)/{ENVIRONMENT} ]; then\n  load_env --file ($esp)/{ENVIRONMENT} rowi_snapshot\nfi\n")
    });
    // Of each snapshot its own kernel; an entry's arguments are its $1 (the title), $2, …
    let start = |number: &str| {
        let snapshot = format!("@/.snapshots/{number}/snapshot");
        format!(
            "linux /{snapshot}{kernel} root=UUID={uuid} rootflags=subvol={snapshot} ro {arguments}\n initrd /{snapshot}{initrd}"
        )
    };
    format!(
        "search --fs-uuid --set=root {uuid}\n{}if [ -z \"$rowi_snapshot\" ]; then\n  set rowi_snapshot=1\nfi\n\
         menuentry '{name}' --id current {{\n {}\n}}\n\
         insmod regexp\n\
         submenu 'Snapshots' --id snapshots {{\n for it in ($root)/@/.snapshots/*/snapshot; do\n\
         \x20 if regexp --set=1:number '/([0-9]+)/snapshot$' \"$it\"; then\n\
         \x20  menuentry \"Snapshot $number\" \"$number\" --id \"snapshot-$number\" {{\n {}\n}}\n  fi\n done\n}}\n",
        find_number.unwrap_or_default(),
        start("${rowi_snapshot}"),
        start("${2}"),
    )
}

/// Names without a version that the menu uses, so that a new kernel in a snapshot is that snapshot's.
fn links(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let Some((_, kernel, initrd)) = newest(plan, tree) else { return Vec::new() };
    let pairs = [(KERNEL, kernel), (INITRD, initrd)];
    // Relative: GRUB takes an absolute target from the top of the file system, not of the snapshot.
    let change = |(link, target): (&str, String)| {
        let target = target.strip_prefix("/boot/").map_or_else(|| format!("..{target}"), str::to_owned);
        put_link(plan, link, &target)
    };
    pairs.into_iter().map(change).collect()
}

/// GRUB for UEFI, and what it reads first, where both a signed one of this distribution's and one without a folder of its
/// own look.
pub(super) fn esp(plan: &Plan, tree: &Tree) -> BTreeMap<String, Content> {
    let mut files = BTreeMap::new();
    if uses_grub(plan) && layout::esp_serial(plan).is_some() && !plan.traits.default_subvolume_boot {
        files.insert(ENVIRONMENT.to_owned(), environment());
    }
    if !plan.boot.loaders.contains(&Loader::Grub2Efi) {
        return files;
    }
    let Some(grub) = plan.paths.get("grub-efi").and_then(|path| content(tree, path)) else { return files };
    files.extend(efi::place(plan, tree, grub.clone()));
    for folder in ["EFI/BOOT", path_of(plan, "grub-efi-prefix", "EFI/BOOT")] {
        files.insert(format!("{folder}/grub.cfg"), first_config(plan).as_str().into());
    }
    files
}

/// GRUB's environment block: a line of comment, the variable, and `#` to its fixed size.
fn environment() -> Content {
    let mut block = b"# GRUB Environment Block\nrowi_snapshot=1\n".to_vec();
    block.resize(ENVIRONMENT_SIZE, b'#');
    block.into()
}

/// What the disk's first sectors need: the images of grub-mkimage and of the packages.
pub(in crate::system) fn bios(tree: &Tree, plan: &Plan, core: &str) -> Result<BiosGrub, Error> {
    let read = |path: String| {
        let missing = Error::Missing { what: path.clone(), hint: "add role `bootloader.grub2-bios` to the platform's" };
        let content = content(tree, &path).ok_or(missing)?;
        content.read().map_err(|source| Error::Io { what: "read GRUB's image", source })
    };
    Ok(BiosGrub { boot: read(format!("{}/boot.img", platform(plan, "i386-pc")))?, core: read(core.to_owned())? })
}
