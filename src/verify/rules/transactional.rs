//! What an update needs of the image that it changes: the points of transactional-update (6.1.3, measured) and of what
//! stands in for it. They bind an image that has either program.
//!
//! | point | where it is met | rule, and the test that breaks it |
//! |---|---|---|
//! | 1. snapper, btrfs-progs, zypper, rpm, cpio, rsync, gawk beside it | the distribution's role `base` | `transaction-tools`: `an_image_that_updates_itself_has_what_that_needs` |
//! | 2. snapshot 1 default and read-only, `info.xml`, `/var` no-copy-on-write | `plan::layout`, `disk::layout` | `default-subvolume`, `snapper`, `nodatacow`, `subvolume-uuids` |
//! | 3. `/etc` a subvolume of its snapshot, mounted early with `/var` and `/root` | `plan::layout`, `system::fstab` | `etc`: `etc_is_mounted_by_the_initrd`, `a_layer_over_etc_is_its_snapshots_own` |
//! | 4. the line of `/` without a subvolume, one for each other | `system::fstab` | `fstab-root`, `fstab-subvolumes` |
//! | 5. an initrd for any machine, made last, with the installed modules | `system::initrd`, `system::programs` | `initrd`: `the_initrd_has_the_modules_that_bring_etc_along` |
//! | 6. the package database in the snapshot | the distribution's macros, `root::store` | `rpmdb`: `the_rpmdb_opens_read_only` |
//! | 7. folders that are bound into a transaction | `system::first_boot` | `transaction-folders` |
//! | 8. snapper's configuration, its timers | `system::snapper`, `system::services` | `snapper`, `units` |
//! | 9. units on and off | `system::services`, `system::update` | `units` |
//! | 10. machine-id `uninitialized` | `system::first_boot` | `first-boot`, `machine-identity` |
//! | boot: no fixed snapshot, and the loader follows the default | `system::boot`, overlay `boot-entries` | `boot-entry`, `boot-files`, `esp-room`: `the_boot_loader_starts_the_default`, `entries_start_their_snapshot`; in the machine: `rowi boot --check --update --rollback` |

use std::io::Read;

use super::entries;
use crate::{
    tree::{Kind, RelPath},
    verify::facts::Facts,
};

/// The programs that make an update.
const UPDATERS: [&str; 2] = ["transactional-update", "rowi-update"];
/// What they call, mawk's `awk` being none of it.
const CALLED: [&str; 10] =
    ["snapper", "btrfs", "zypper", "rpm", "rpm2cpio", "cpio", "rsync", "gawk", "findmnt", "systemctl"];
/// Folders that are bound into a transaction without asking (libtukit, `lib/Transaction.cpp`).
const BOUND: [&str; 3] = ["/var/lib/ca-certificates", "/var/log", "/var/cache"];
/// What the initrd mounts, so that `/etc` is complete before the root's own systemd starts.
const EARLY: [&str; 2] = ["/var", "/root"];
/// dracut modules that bring `/etc` along, by the end of their folder's name.
const MODULES: [&str; 3] = ["transactional-update", "writable-etc", "rowi-etc"];
/// Most that an initrd is unpacked to.
const MOST: u64 = 1 << 30;

fn has_program(facts: &Facts, name: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|folder| facts.exists(&format!("{folder}/{name}")))
}

/// Whether the image updates itself.
fn updates(facts: &Facts) -> bool {
    UPDATERS.iter().any(|program| has_program(facts, program))
}

fn is_folder(facts: &Facts, path: &str) -> bool {
    let node = facts.locate(path).and_then(|(subvolume, path)| subvolume.tree.get(&path));
    node.is_some_and(|node| node.kind == Kind::Directory)
}

pub(super) fn tools(facts: &Facts) -> Vec<String> {
    let missing = CALLED.iter().filter(|program| updates(facts) && !has_program(facts, program));
    missing.map(|program| format!("there is no program `{program}`")).collect()
}

pub(super) fn folders(facts: &Facts) -> Vec<String> {
    let missing = BOUND.iter().filter(|folder| updates(facts) && !is_folder(facts, folder));
    missing.map(|folder| format!("there is no folder `{folder}`")).collect()
}

/// Where what changes in `/etc` over a snapshot is kept: by its number (transactional-update 2.10 to 4).
fn upper_of(snapshot: &RelPath) -> String {
    let path = snapshot.to_string();
    let number = path.rsplit('/').nth(1).unwrap_or_default();
    format!("/var/lib/overlay/{number}")
}

/// `/etc` goes with its snapshot, and is writable: a subvolume in it, or an overlay whose upper layer is in `/var`.
pub(super) fn etc(facts: &Facts) -> Vec<String> {
    let text = facts.text("/etc/fstab").unwrap_or_default();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let options = |at: &str| {
        let line = lines.iter().find(|line| line.get(1) == Some(&at));
        line.and_then(|line| line.get(3)).map(|options| options.split(',').collect::<Vec<_>>())
    };
    let nested = facts.root().and_then(|root| root.path.join("etc").ok());
    let is_nested = nested.is_some_and(|etc| facts.subvolumes.iter().any(|subvolume| subvolume.path == etc));
    let mut faults = Vec::new();
    let upper = options("/etc").and_then(|all| all.iter().find_map(|it| it.strip_prefix("upperdir=/sysroot")));
    if let Some(upper) = upper {
        let own = facts.root().map(|root| format!("{}/etc", upper_of(&root.path))).unwrap_or_default();
        if upper != own {
            faults.push(format!("changes of `/etc` go to `{upper}`, and the snapshot's own layer is `{own}`"));
        }
        if !is_folder(facts, upper) {
            faults.push(format!("`/etc` is an overlay, and there is no folder `{upper}` for its changes"));
        }
    }
    match options("/etc") {
        None if is_nested => faults.push("`/etc` is a subvolume, and no line of /etc/fstab mounts it".into()),
        None => {}
        Some(options) if !options.contains(&"x-initrd.mount") => {
            faults.push("the line for `/etc` has no `x-initrd.mount`".into());
        }
        Some(_) => {
            let early = EARLY.iter().filter(|at| options(at).is_some_and(|it| !it.contains(&"x-initrd.mount")));
            faults.extend(early.map(|at| format!("the line for `{at}` has no `x-initrd.mount`")));
        }
    }
    faults
}

/// An initrd for any machine, with the modules that were installed when it was made.
pub(super) fn initrd(facts: &Facts) -> Vec<String> {
    let Some(root) = facts.root().filter(|_| updates(facts)) else { return Vec::new() };
    let mut faults = Vec::new();
    let folders = ["etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d"];
    let files =
        folders.iter().flat_map(|folder| names(facts, folder).into_iter().map(move |name| format!("/{folder}/{name}")));
    let texts: Vec<String> =
        files.filter(|file| file.ends_with(".conf")).filter_map(|file| facts.text(&file)).collect();
    if !texts.iter().any(|text| text.lines().any(|line| line.trim() == "hostonly=\"no\"")) {
        faults.push("no file of dracut.conf.d says `hostonly=\"no\"`".into());
    }
    let installed = names(facts, "usr/lib/dracut/modules.d");
    let wanted = MODULES.iter().filter(|module| {
        installed.iter().any(|name| name.trim_start_matches(|c: char| c.is_ascii_digit()) == **module)
    });
    let wanted: Vec<&&str> = wanted.collect();
    if wanted.is_empty() {
        return faults;
    }
    let boot = RelPath::new("boot").unwrap_or_default();
    for (path, node) in root.tree.children(&boot) {
        let is_initrd = path.file_name().starts_with(b"initrd") && matches!(node.kind, Kind::File { .. });
        if !is_initrd {
            continue;
        }
        match (root.read)(path).and_then(|bytes| modules(&bytes)) {
            Err(error) => faults.push(format!("`/{path}` cannot be read: {error}")),
            Ok(None) => {} // Not in zstd: another builder's.
            Ok(Some(found)) => {
                let missing = wanted.iter().filter(|module| !found.iter().any(|name| name == **module));
                faults.extend(
                    missing.map(|module| format!("`/{path}` has no dracut module `{module}`, which is installed")),
                );
                if found.iter().any(|name| name == "volatile-overlay") {
                    faults.push(format!("`/{path}` has dracut module `volatile-overlay`, which hides the root"));
                }
            }
        }
    }
    faults
}

/// Names in a folder of the running system.
fn names(facts: &Facts, folder: &str) -> Vec<String> {
    let Some((subvolume, path)) = facts.locate(folder) else { return Vec::new() };
    subvolume.tree.children(&path).map(|(path, _)| String::from_utf8_lossy(path.file_name()).into_owned()).collect()
}

/// The list of its modules that dracut puts into an initrd; nothing where the initrd is not one of zstd.
fn modules(initrd: &[u8]) -> std::io::Result<Option<Vec<String>>> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const NAME: &[u8] = b"lib/dracut/modules.txt\0";
    const NEXT: &[u8] = b"070701";
    let Some(begin) = initrd.windows(4).position(|bytes| bytes == MAGIC) else { return Ok(None) };
    let mut plain = Vec::new();
    zstd::Decoder::with_buffer(&initrd[begin..])?.take(MOST).read_to_end(&mut plain)?;
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|it| it == what);
    let Some(at) = find(&plain, NAME) else { return Ok(Some(Vec::new())) };
    let rest = &plain[at + NAME.len()..];
    let content = &rest[..find(rest, NEXT).unwrap_or(rest.len())];
    let text = String::from_utf8_lossy(content).into_owned();
    Ok(Some(text.split(['\n', '\0']).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
}

/// Units that make and keep snapshots: those that an update needs are on, those that do not fit a read-only root are off.
pub(super) fn units(facts: &Facts) -> Vec<String> {
    if !updates(facts) {
        return Vec::new();
    }
    let exists = |unit: &str| facts.exists(&format!("/usr/lib/systemd/system/{unit}"));
    let targets = names(facts, "etc/systemd/system");
    let is_on = |unit: &str| {
        let wanted = targets.iter().filter(|name| name.ends_with(".wants") || name.ends_with(".requires"));
        wanted
            .into_iter()
            .any(|target| names(facts, &format!("etc/systemd/system/{target}")).iter().any(|name| name == unit))
    };
    let on = [
        "snapper-cleanup.timer",
        "create-dirs-from-rpmdb.service",
        "rowi-snapshot-begun.service",
        "rowi-boot-entry.service",
    ];
    let off = ["snapper-boot.timer", "snapper-timeline.timer", "grub-common.service"];
    let missing = on.iter().filter(|unit| exists(unit) && !is_on(unit)).map(|unit| format!("`{unit}` is not enabled"));
    let wrong = off.iter().filter(|unit| is_on(unit)).map(|unit| format!("`{unit}` is enabled"));
    missing.chain(wrong).collect()
}

/// An empty machine-id switches Ignition and combustion off.
pub(super) fn first_boot(facts: &Facts) -> Vec<String> {
    let modules = names(facts, "usr/lib/dracut/modules.d");
    let configures =
        modules.iter().any(|name| ["firstboot", "combustion", "ignition"].iter().any(|it| name.ends_with(it)));
    let id = facts.text("/etc/machine-id");
    match id.as_deref().map(str::trim) {
        Some("") if configures => vec!["`/etc/machine-id` is empty, and Ignition or combustion is installed".into()],
        _ => Vec::new(),
    }
}

/// Where a boot loader is told which snapshot it starts, that is the default subvolume.
pub(super) fn boot_entry(facts: &Facts) -> Vec<String> {
    let mut faults = entries::default(facts);
    let Some(block) = facts.esp.get("EFI/ROWI/GRUBENV") else { return faults };
    let text = String::from_utf8_lossy(block);
    let told = text.lines().find_map(|line| line.strip_prefix("rowi_snapshot=")).unwrap_or_default();
    let root = facts.root().map(|root| root.path.to_string()).unwrap_or_default();
    if !root.ends_with(&format!("@/.snapshots/{told}/snapshot")) {
        faults.push(format!("GRUB starts snapshot `{told}`, and the default subvolume is `{root}`"));
    }
    if block.len() != 1024 {
        faults.push(format!("GRUB's environment block has {} bytes, not 1024", block.len()));
    }
    faults
}
