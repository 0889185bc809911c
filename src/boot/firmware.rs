//! What starts the machine: SeaBIOS, or UEFI firmware found through QEMU's own descriptors (QEMU 10.0,
//! `docs/interop/firmware.json`).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Board, Error, Options};
use crate::profile::Arch;

/// Where distributions and administrators keep descriptors; the first wins.
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];
/// Where firmware lies on hosts without descriptors.
const KNOWN: [(&str, &str); 2] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];
/// The same with Microsoft's keys.
const KNOWN_SECURE: [(&str, &str); 2] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    ("/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin"),
];
/// For 64-bit ARM.
const KNOWN_ARM: [(&str, &str); 2] = [
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/qemu/aavmf-aarch64-code.bin", "/usr/share/qemu/aavmf-aarch64-vars.bin"),
];
/// What firmware with Secure Boot has, and other has not.
const SECURE: [&str; 3] = ["secure-boot", "requires-smm", "enrolled-keys"];

/// A kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// UEFI without Secure Boot.
    Uefi,
    /// UEFI that starts what Microsoft's keys have signed and nothing else.
    SecureBoot,
}

/// Files of a firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flash {
    /// Read-only.
    pub(super) code: PathBuf,
    /// This run's own variables.
    pub(super) variables: PathBuf,
}

/// The firmware's files, with a copy of its variables in `folder`; nothing for a BIOS, which QEMU brings, or where a
/// board starts by itself.
pub(super) fn prepare(options: &Options, folder: &Path) -> Result<Option<Flash>, Error> {
    if options.firmware == Firmware::Bios || options.board == Board::RaspberryPi3 {
        return Ok(None);
    }
    let (code, template) = find(options.board.arch(), options.firmware).ok_or(Error::Firmware)?;
    let variables = folder.join("variables.fd");
    fs_err::copy(template, &variables).map_err(|source| Error::Io { what: "copy the firmware's variables", source })?;
    Ok(Some(Flash { code, variables }))
}

fn find(arch: Arch, firmware: Firmware) -> Option<(PathBuf, PathBuf)> {
    let known = match (arch, firmware) {
        (Arch::Aarch64, Firmware::SecureBoot) => &[][..],
        (Arch::Aarch64, _) => &KNOWN_ARM,
        (Arch::X86_64, Firmware::SecureBoot) => &KNOWN_SECURE,
        (Arch::X86_64, _) => &KNOWN,
    };
    let described = FOLDERS.iter().flat_map(|folder| {
        let mut files: Vec<PathBuf> =
            fs_err::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    });
    described
        .filter_map(|file| parse(&fs_err::read_to_string(file).ok()?, arch, firmware))
        .chain(known.iter().map(|(code, variables)| (code.into(), variables.into())))
        .find(|(code, variables)| code.exists() && variables.exists())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<File>,
    nvram_template: Option<File>,
}

#[derive(Deserialize)]
struct File {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

/// Code and variables of UEFI for the machine of an architecture: with all that Secure Boot needs, or with nothing of it.
fn parse(text: &str, arch: Arch, firmware: Firmware) -> Option<(PathBuf, PathBuf)> {
    let descriptor: Descriptor = serde_json::from_str(text).ok()?;
    let machine = if arch == Arch::X86_64 { "pc-q35" } else { "virt-" };
    let fits = |target: &Target| {
        target.architecture == arch.as_str() && target.machines.iter().any(|name| name.starts_with(machine))
    };
    let has = |wanted: &str| descriptor.features.iter().any(|feature| feature == wanted);
    let is_kind = match firmware {
        Firmware::SecureBoot => SECURE.into_iter().all(has),
        _ => !SECURE.into_iter().any(has) && !["amd-sev", "intel-tdx"].into_iter().any(has),
    };
    let sound = descriptor.interface_types.iter().any(|it| it == "uefi")
        && descriptor.mapping.device == "flash"
        && descriptor.targets.iter().any(fits)
        && is_kind;
    let (code, variables) = (descriptor.mapping.executable?, descriptor.mapping.nvram_template?);
    (sound && code.format == "raw" && variables.format == "raw").then_some((code.filename, variables.filename))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_of_plain_uefi_is_taken_and_others_are_not() {
        let text = r#"{"description":"x","interface-types":["uefi"],"mapping":{"device":"flash","mode":"split",
            "executable":{"filename":"/c.fd","format":"raw"},"nvram-template":{"filename":"/v.fd","format":"raw"}},
            "targets":[{"architecture":"x86_64","machines":["pc-i440fx-*","pc-q35-*"]}],"features":["acpi-s3"],"tags":[]}"#;
        let files = Some(("/c.fd".into(), "/v.fd".into()));
        assert_eq!(parse(text, Arch::X86_64, Firmware::Uefi), files);
        assert_eq!(parse(text, Arch::X86_64, Firmware::SecureBoot), None);
        let secure = text.replace("acpi-s3", "secure-boot\",\"enrolled-keys\",\"amd-sev\",\"requires-smm");
        assert_eq!(parse(&secure, Arch::X86_64, Firmware::SecureBoot), files);
        assert_eq!(parse(&secure, Arch::X86_64, Firmware::Uefi), None);
        for (part, other) in [("acpi-s3", "requires-smm"), ("x86_64", "aarch64"), ("\"uefi\"", "\"bios\""), ("{", "")] {
            assert_eq!(parse(&text.replace(part, other), Arch::X86_64, Firmware::Uefi), None, "{other}");
        }
        let arm = text.replace("x86_64", "aarch64").replace("pc-q35-*", "virt-*");
        assert_eq!(parse(&arm, Arch::Aarch64, Firmware::Uefi), files);
        assert_eq!(parse(&arm, Arch::X86_64, Firmware::Uefi), None);
    }
}
