//! What the firmware of a Raspberry Pi reads before there is a boot loader.
//!
//! Names and order: raspberrypi.com, "Boot folder contents" and "config.txt"; the partition's type: the ROM of a Pi 3
//! knows 0x0b and 0x0c (raspberrypi/firmware#1711).

use crate::verify::facts::Facts;

/// What starts a Pi 3, by the upper-case names of [`Facts::esp`].
const FIRST: [&str; 4] = ["BOOTCODE.BIN", "START.ELF", "FIXUP.DAT", "CONFIG.TXT"];

/// Sections of config.txt that a Pi 3 heeds; others are other boards'.
const SECTIONS: [&str; 3] = ["all", "pi3", "pi3+"];

pub(super) fn raspberry_pi(facts: &Facts) -> Vec<String> {
    if !FIRST.iter().any(|file| facts.esp.contains_key(*file)) {
        return Vec::new();
    }
    let lacking = FIRST.iter().filter(|file| !facts.esp.contains_key(**file));
    let mut faults: Vec<String> = lacking.map(|file| format!("the first partition has no `{file}`")).collect();
    if !facts.partitions.first().is_some_and(|partition| matches!(partition.mbr_type, Some(0x0b | 0x0c))) {
        faults.push("the first partition is no FAT32 of a master boot record (type 0x0b or 0x0c)".into());
    }
    if !facts.esp.keys().any(|file| is_device_tree(file)) {
        faults.push("the first partition has no device tree of a Raspberry Pi 3 (`*-rpi-3-*.dtb`)".into());
    }
    let config = facts.esp.get("CONFIG.TXT").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for (line, file) in config.iter().flat_map(|text| named(text)) {
        if !facts.esp.contains_key(&file.to_uppercase()) {
            faults.push(format!("config.txt has `{line}`, and there is no `{file}`"));
        }
    }
    faults
}

fn is_device_tree(file: &str) -> bool {
    !file.contains('/') && file.contains("-RPI-3-") && file.ends_with(".DTB")
}

/// Lines of config.txt that name a file, with the file.
fn named(text: &str) -> Vec<(&str, String)> {
    let mut heeded = true;
    let mut all = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            heeded = SECTIONS.contains(&section);
        } else if let Some(file) = file(line).filter(|_| heeded) {
            all.push((line, file));
        }
    }
    all
}

fn file(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("include ").or_else(|| line.strip_prefix("initramfs ")) {
        return name.split_whitespace().next().map(str::to_owned);
    }
    let (key, value) = line.split_once('=')?;
    let value = value.trim();
    match key.trim() {
        "kernel" | "armstub" | "device_tree" | "start_file" | "fixup_file" if !value.is_empty() => Some(value.into()),
        // Parameters come after a comma; an empty value ends the parameters of the last one.
        "dtoverlay" => {
            value.split(',').next().filter(|name| !name.is_empty()).map(|name| format!("overlays/{name}.dtbo"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_pi_3_are_named() {
        let text = "kernel=u-boot.bin\n# kernel=old\ngpu_mem=32\ndtoverlay=dwc2,dr_mode=host\ndtoverlay=\n[pi4]\narmstub=four.bin\n[all]\ninclude extraconfig.txt\n";
        let files: Vec<String> = named(text).into_iter().map(|(_, file)| file).collect();
        assert_eq!(files, ["u-boot.bin", "overlays/dwc2.dtbo", "extraconfig.txt"]);
    }
}
