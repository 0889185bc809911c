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

/// A kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// UEFI without Secure Boot.
    Uefi,
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
    let (code, template) = find().ok_or(Error::Firmware)?;
    let variables = folder.join("variables.fd");
    fs_err::copy(template, &variables).map_err(|source| Error::Io { what: "copy the firmware's variables", source })?;
    Ok(Some(Flash { code, variables }))
}

fn find() -> Option<(PathBuf, PathBuf)> {
    let described = FOLDERS.iter().flat_map(|folder| {
        let mut files: Vec<PathBuf> =
            fs_err::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    });
    described
        .filter_map(|file| parse(&fs_err::read_to_string(file).ok()?))
        .chain(KNOWN.map(|(code, variables)| (code.into(), variables.into())))
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

/// Code and variables of UEFI for q35 that needs neither Secure Boot nor system management mode.
fn parse(text: &str) -> Option<(PathBuf, PathBuf)> {
    let descriptor: Descriptor = serde_json::from_str(text).ok()?;
    let fits = |target: &Target| {
        target.architecture == "x86_64" && target.machines.iter().any(|machine| machine.starts_with("pc-q35"))
    };
    let unwanted = ["secure-boot", "requires-smm", "enrolled-keys", "amd-sev", "intel-tdx"];
    let sound = descriptor.interface_types.iter().any(|it| it == "uefi")
        && descriptor.mapping.device == "flash"
        && descriptor.targets.iter().any(fits)
        && !descriptor.features.iter().any(|feature| unwanted.contains(&feature.as_str()));
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
        assert_eq!(parse(text), Some(("/c.fd".into(), "/v.fd".into())));
        assert_eq!(parse(&text.replace("acpi-s3", "requires-smm")), None);
        assert_eq!(parse(&text.replace("x86_64", "aarch64")), None);
        assert_eq!(parse(&text.replace("\"uefi\"", "\"bios\"")), None);
        assert_eq!(parse("{"), None);
    }
}
