//! What starts the machine: SeaBIOS, or UEFI firmware found through QEMU's own descriptors (QEMU 10.0,
//! `docs/interop/firmware.json`).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;

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

/// The firmware's files, with a copy of its variables in `folder`; nothing for a BIOS, which QEMU brings.
pub(super) fn prepare(firmware: Firmware, folder: &Path) -> Result<Option<Flash>, Error> {
    if firmware == Firmware::Bios {
        return Ok(None);
    }
    let (code, template) = find(firmware).ok_or(Error::Firmware)?;
    let variables = folder.join("variables.fd");
    fs_err::copy(template, &variables).map_err(|source| Error::Io { what: "copy the firmware's variables", source })?;
    Ok(Some(Flash { code, variables }))
}

fn find(firmware: Firmware) -> Option<(PathBuf, PathBuf)> {
    let known = if firmware == Firmware::SecureBoot { KNOWN_SECURE } else { KNOWN };
    let described = FOLDERS.iter().flat_map(|folder| {
        let mut files: Vec<PathBuf> =
            fs_err::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    });
    described
        .filter_map(|file| parse(&fs_err::read_to_string(file).ok()?, firmware))
        .chain(known.map(|(code, variables)| (code.into(), variables.into())))
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

/// Code and variables of UEFI for q35: with all that Secure Boot needs, or with nothing of it.
fn parse(text: &str, firmware: Firmware) -> Option<(PathBuf, PathBuf)> {
    let descriptor: Descriptor = serde_json::from_str(text).ok()?;
    let fits = |target: &Target| {
        target.architecture == "x86_64" && target.machines.iter().any(|machine| machine.starts_with("pc-q35"))
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
        assert_eq!(parse(text, Firmware::Uefi), files);
        assert_eq!(parse(text, Firmware::SecureBoot), None);
        let secure = text.replace("acpi-s3", "secure-boot\",\"enrolled-keys\",\"amd-sev\",\"requires-smm");
        assert_eq!(parse(&secure, Firmware::SecureBoot), files);
        assert_eq!(parse(&secure, Firmware::Uefi), None);
        for (part, other) in [("acpi-s3", "requires-smm"), ("x86_64", "aarch64"), ("\"uefi\"", "\"bios\""), ("{", "")] {
            assert_eq!(parse(&text.replace(part, other), Firmware::Uefi), None, "{other}");
        }
    }
}
