//! A Raspberry Pi's card: the image below a layer of a size that SD cards have, and what QEMU loads in the place of the
//! board's own firmware, which it cannot run.
//!
//! The board has neither SMBIOS nor virtio. Credentials reach its systemd by the kernel's command line, in the menu of
//! a copy of the first partition, where a script of checks lies, too; answers come back by the serial console.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Error, Options, channel::Brought, layer};
use crate::{
    disk,
    exec::{self, Tool},
    image::{self, Source},
    profile::Format,
    report::Report,
    tree::Content,
    units::Epoch,
    verify::{Facts, facts::Partition},
};

const QEMU_IO: Tool = Tool { program: "qemu-io", debian: "qemu-utils", opensuse: "qemu-tools" };
/// Time for a program that writes the card.
const LIMIT: Duration = Duration::from_secs(120);
/// Where the script of checks lies, in the machine and on the first partition.
pub(super) const SCRIPT: &str = "/boot/efi/ROWI.SH";
/// Device trees of a Pi 3 B: the kernel's name and the firmware's.
const DEVICE_TREES: [&str; 2] = ["BCM2837-RPI-3-B.DTB", "BCM2710-RPI-3-B.DTB"];
/// Emulated, the board is a tenth as fast as it is: units and disks get the time (kernel-command-line(7)).
const PATIENCE: &str = "systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900";
/// A moment that does not matter.
const EPOCH: Epoch = Epoch(1_790_000_000);

/// What QEMU is given.
#[derive(Debug)]
pub(super) struct Card {
    /// A qcow2.
    pub(super) disk: PathBuf,
    /// U-Boot.
    pub(super) kernel: PathBuf,
    pub(super) device_tree: PathBuf,
}

/// Makes the card in `folder`.
pub(super) fn make(options: &Options, brought: &Brought, folder: &Path, report: &Report) -> Result<Card, Error> {
    let failed = |what| move |source| Error::Io { what, source };
    let unfit = |why: String| Error::Card(why);
    let source = Arc::new(Source::open(&options.image)?);
    let facts = Facts::read(source.clone()).map_err(|error| unfit(error.to_string()))?;
    let first = facts.partitions.first().ok_or_else(|| unfit("it has no partition".into()))?;
    let files = files(&facts, brought).map_err(unfit)?;
    let put = |names: &[&str], to: &str| {
        let found = names.iter().find_map(|name| facts.esp.get(*name));
        let bytes = found.ok_or_else(|| unfit(format!("its first partition has no `{}`", names[0])))?;
        let file = folder.join(to);
        fs_err::write(&file, bytes).map_err(failed("write a temporary file"))?;
        Ok::<_, Error>(file)
    };
    let (kernel, device_tree) = (put(&["U-BOOT.BIN"], "u-boot.bin")?, put(&DEVICE_TREES, "board.dtb")?);
    let fat = folder.join("first.fat");
    let volume = volume(&source, first, &files).map_err(failed("write the card's first partition"))?;
    let file = fs_err::File::create(&fat).map_err(failed("write a temporary file"))?;
    image::write_to(&volume, Format::Raw, &file, "card", report).map_err(failed("write the card's first partition"))?;
    // The board takes cards only whose size is a power of two.
    let disk = layer::over(options, Some(source.size().next_power_of_two()), folder)?;
    let write = format!("write -q -s {} {} {}", fat.display(), first.offset, first.length);
    exec::run(&QEMU_IO, &["-f", "qcow2", "-c", &write, &disk.display().to_string()], LIMIT)?;
    Ok(Card { disk, kernel, device_tree })
}

/// Files of the first partition, with the script, and with the menu in place of the way to it.
fn files(facts: &Facts, brought: &Brought) -> Result<BTreeMap<String, Content>, String> {
    let menus = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];
    let menu = menus.iter().find_map(|path| facts.text(path)).ok_or("it has no GRUB menu")?;
    let words = format!("{PATIENCE} {}", brought.words());
    let menu: String = menu
        .lines()
        .map(|line| {
            let starts = line.trim_start().starts_with("linux ");
            if starts { format!("{line} {words}\n") } else { format!("{line}\n") }
        })
        .collect();
    let mut files: BTreeMap<String, Content> =
        facts.esp.iter().map(|(name, bytes)| (name.clone(), bytes.clone().into())).collect();
    for (name, bytes) in facts.esp.iter().filter(|(name, _)| name.ends_with("/GRUB.CFG")) {
        let early = String::from_utf8_lossy(bytes);
        let early: Vec<&str> = early.lines().filter(|line| !line.starts_with("configfile")).collect();
        files.insert(name.clone(), format!("{}\n{menu}", early.join("\n")).as_str().into());
    }
    if let Some(script) = &brought.script {
        files.insert(SCRIPT.trim_start_matches("/boot/efi/").into(), script.as_str().into());
    }
    Ok(files)
}

/// The first partition anew, with the label and the number that it had: fstab and GRUB know it by them.
fn volume(source: &Source, first: &Partition, files: &BTreeMap<String, Content>) -> std::io::Result<disk::Disk> {
    let mut sector = [0; 512];
    source.read_at(first.offset, &mut sector)?;
    // Boot sector of FAT32, or of FAT16: serial number, then label.
    let at = if sector[82..].starts_with(b"FAT32") { 67 } else { 39 };
    let serial = u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]);
    let label = String::from_utf8_lossy(&sector[at + 4..at + 15]).trim_end().to_owned();
    disk::fat::Volume { size: first.length, offset: first.offset, label: &label, serial, epoch: EPOCH }.lay_out(files)
}
