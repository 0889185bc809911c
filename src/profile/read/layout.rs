//! Disk, subvolumes, boot loader, kernel arguments and results.

use super::{Reader, flag, string, strings, word};
use crate::{
    profile::{
        Boot, Emulate, EtcMode, Firmware, Format, Layout, Loader, Partition, PartitionKind, Subvolume, Table,
        node::{Key, Node},
        scalar,
    },
    units::Bytes,
};

/// Room for the first boot's writes where the platform says nothing.
const DEFAULT_FREE: Bytes = Bytes::from_mib(512);
/// zstd's levels in btrfs.
const LEVELS: std::ops::RangeInclusive<i32> = 1..=15;

impl Reader<'_> {
    pub(super) fn layout(&mut self) -> Layout {
        let (profile, platform) = (self.profile, self.platform);
        self.root_mode();
        let etc = string(profile, "layout.etc")
            .filter(|etc| etc != "auto")
            .or_else(|| string(self.distribution, "traits.etc"));
        let size = |key: &str| string(platform, key).and_then(|text| scalar::size(&text));
        Layout {
            etc: etc.and_then(|text| word::<EtcMode>(&text)).unwrap_or_default(),
            subvolumes: self.subvolumes(),
            tmpfs_tmp: string(profile, "layout.tmp").as_deref() == Some("tmpfs"),
            compression: self.compression(),
            table: string(platform, "disk.table").and_then(|text| word(&text)).unwrap_or(Table::Gpt),
            size: size("disk.size"),
            free: size("disk.free").unwrap_or(DEFAULT_FREE),
            partitions: self.partitions(),
        }
    }

    fn root_mode(&mut self) {
        let Some(node) = self.profile.at("layout.root").filter(|node| node.as_str() != Some("read-only")) else {
            return;
        };
        let message = format!("`layout.root` is `{}`, and `read-only` is the only value in this version", node.shown());
        let hint = "updates and rollback replace the root as a whole; what must be written belongs in a subvolume (`layout.subvolumes`)";
        self.fault(&node.place, message, hint);
    }

    fn subvolumes(&mut self) -> Vec<Subvolume> {
        let mut all = Vec::new();
        for item in self.profile.at("layout.subvolumes").map(Node::items).unwrap_or_default() {
            let Some(path) = string(item, "path") else {
                self.fault(&item.place, "an item of `layout.subvolumes` has no `path`", "");
                continue;
            };
            if matches!(path.as_str(), "/.snapshots" | "/etc" | "/usr" | "/boot")
                || path.starts_with("/usr/") && path != "/usr/local"
            {
                let message = format!("`{path}` cannot be a subvolume of its own");
                self.fault(&item.place, message, "it belongs to the root's snapshot, or is implied");
            }
            all.push(Subvolume { path, nodatacow: flag(item, "nodatacow").unwrap_or(false) });
        }
        all
    }

    fn compression(&mut self) -> Option<i32> {
        let node = self.profile.at("layout.compression")?;
        let text = node.as_str()?;
        if text == "none" {
            return None;
        }
        let level =
            text.strip_prefix("zstd:").and_then(|level| level.parse().ok()).filter(|level| LEVELS.contains(level));
        if level.is_none() {
            self.fault(
                &node.place,
                format!("`layout.compression` is `{text}`"),
                "write `\"zstd:3\"` (levels 1 to 15) or `none`",
            );
        }
        level
    }

    fn partitions(&mut self) -> Vec<Partition> {
        let items = self.platform.at("disk.partitions").map(Node::items).unwrap_or_default();
        let mut all: Vec<Partition> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let name = string(item, "name").unwrap_or_default();
            let mbr_type = self.mbr_type(item);
            let Some(kind) = kind(item, mbr_type) else {
                let message =
                    format!("partition `{name}` has neither a known type nor a file system that says what it is");
                self.fault(
                    &item.place,
                    message,
                    "`type: bios-boot`, `esp` or `root`, or a type byte with `filesystem: fat` or `btrfs`",
                );
                continue;
            };
            let size = string(item, "size").and_then(|text| scalar::size(&text));
            if size.is_none() && at + 1 < items.len() {
                self.fault(
                    &item.place,
                    format!("partition `{name}` has no `size`, and only the last may take the rest"),
                    "",
                );
            }
            all.push(Partition {
                name,
                kind,
                size,
                label: string(item, "label").unwrap_or_default(),
                mount: string(item, "mount"),
                options: strings(item, "options"),
                mbr_type,
                quota: kind == PartitionKind::Root && flag(item, "quota").unwrap_or(true),
            });
        }
        if all.iter().filter(|partition| partition.kind == PartitionKind::Root).count() != 1 {
            let message = format!("platform `{}` must have exactly one partition for the root", self.target.platform);
            self.fault(&self.platform.place.clone(), message, "");
        }
        all
    }

    fn mbr_type(&mut self, item: &Node) -> Option<u8> {
        let node = item.get("type")?;
        let digits = node.as_str()?.strip_prefix("0x")?;
        let byte = u8::from_str_radix(digits, 16).ok();
        if byte.is_none() {
            self.fault(&node.place, format!("`{}` is no type byte", node.shown()), "for example `\"0x0c\"`");
        }
        byte
    }

    pub(super) fn boot(&mut self) -> Boot {
        let platform = self.platform;
        let loaders: Vec<Loader> = strings(platform, "bootloader.kind").iter().filter_map(|text| word(text)).collect();
        if loaders.is_empty() {
            let message = format!("platform `{}` names no boot loader", self.target.platform);
            self.fault(&platform.place.clone(), message, "`bootloader: {kind: [grub2-efi]}`");
        }
        let mut consoles = strings(platform, "consoles");
        for console in strings(self.profile, "consoles") {
            consoles.retain(|own| *own != console);
            consoles.push(console);
        }
        Boot {
            loaders,
            secure_boot: flag(platform, "bootloader.secure_boot").unwrap_or(false),
            efi_file: string(platform, "bootloader.file"),
            timeout: string(platform, "bootloader.timeout").and_then(|text| scalar::count(&text)).unwrap_or(3),
            consoles,
            arguments: self.arguments(),
            initrd_drivers: strings(platform, "initrd.drivers"),
            firmware: firmware(platform),
        }
    }

    /// Platform, profile (parents first), security, command line.
    fn arguments(&self) -> Vec<String> {
        let items = self.profile.get("kernel_arguments").map(Node::items).unwrap_or_default();
        let (late, early): (Vec<&Node>, Vec<&Node>) =
            items.iter().partition(|item| item.place.file.as_os_str() == "--set");
        let texts = |nodes: Vec<&Node>| {
            nodes.into_iter().filter_map(|node| node.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let mut all = strings(self.platform, "kernel_arguments");
        all.extend(texts(early));
        if self.selinux() != crate::profile::Selinux::Off {
            all.extend(["security=selinux", "selinux=1"].map(str::to_owned));
        }
        all.extend(texts(late));
        all
    }

    pub(super) fn formats(&mut self) -> Vec<Format> {
        if let Some(formats) = &self.choice.formats {
            return formats.clone();
        }
        let all: Vec<Format> = strings(self.platform, "formats").iter().filter_map(|text| word(text)).collect();
        if all.is_empty() {
            let message = format!("platform `{}` names no result", self.target.platform);
            self.fault(&self.platform.place.clone(), message, "`formats: [raw]`, or `--format raw`");
        }
        all
    }

    pub(super) fn emulate(&self) -> Emulate {
        let node = self.platform;
        Emulate {
            machine: string(node, "emulate.machine").unwrap_or_default(),
            memory: string(node, "emulate.memory").and_then(|text| scalar::size(&text)),
            kernel: string(node, "emulate.kernel"),
            pad_to_power_of_two: string(node, "emulate.pad").is_some(),
        }
    }
}

fn firmware(platform: &Node) -> Firmware {
    let write = platform.at("firmware.write").map(Node::entries).unwrap_or_default();
    let text = |(key, value): &(Key, Node)| Some((key.name.clone(), value.as_str()?.to_owned()));
    Firmware { require: strings(platform, "firmware.require"), write: write.iter().filter_map(text).collect() }
}

/// What a partition is for, by its type or, in an MBR, by its file system and where it is mounted.
fn kind(item: &Node, mbr_type: Option<u8>) -> Option<PartitionKind> {
    match string(item, "type").as_deref() {
        Some("bios-boot") => Some(PartitionKind::BiosBoot),
        Some("esp") => Some(PartitionKind::Esp),
        Some("root") => Some(PartitionKind::Root),
        Some(_) if mbr_type.is_some() => match string(item, "filesystem").as_deref() {
            Some("btrfs") => Some(PartitionKind::Root),
            Some("fat") if string(item, "mount").as_deref() == Some("/boot/efi") => Some(PartitionKind::Esp),
            Some("fat") => Some(PartitionKind::Fat),
            _ => None,
        },
        _ => None,
    }
}
