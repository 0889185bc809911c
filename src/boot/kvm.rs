//! Whether KVM really works here: a device that opens is not enough, so a guest of three instructions is run.

use std::{io::Write, time::Duration};

use crate::{
    exec::{self, Error},
    report::Report,
};

/// Time that the guest may take; with KVM it needs milliseconds.
const LIMIT: Duration = Duration::from_secs(5);
/// `isa-debug-exit` ends QEMU with `(value << 1) | 1`; this value is no failure of QEMU's own.
const VALUE: u8 = 0x10;
/// Port of the device below.
const PORT: u8 = 0xf4;

/// QEMU's `-accel` and `-cpu`.
pub(super) fn accelerator(report: &Report) -> [&'static str; 2] {
    match std::fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) if works("kvm", "host") => return ["kvm", "host"],
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => report.note(
            "KVM is there and refused: `sudo usermod -aG kvm $USER`, or in CI a udev rule `KERNEL==\"kvm\", MODE=\"0666\"`",
        ),
        Err(_) => {}
    }
    ["tcg,thread=multi", "Nehalem"]
}

/// Runs a boot sector that writes to a port whose device ends QEMU.
fn works(accelerator: &str, cpu: &str) -> bool {
    let Ok(mut disk) = tempfile::NamedTempFile::new() else { return false };
    // SeaBIOS reads no disk of a single sector.
    let mut sector = vec![0; 1 << 20];
    // mov al, VALUE; out PORT, al; hlt
    sector[..5].copy_from_slice(&[0xb0, VALUE, 0xe6, PORT, 0xf4]);
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    if disk.write_all(&sector).is_err() {
        return false;
    }
    let drive = format!("file={},format=raw,if=ide", disk.path().display());
    let device = format!("isa-debug-exit,iobase=0x{PORT:x},iosize=1");
    let args = [
        "-accel",
        accelerator,
        "-cpu",
        cpu,
        "-smp",
        "2",
        "-machine",
        "q35",
        "-m",
        "64",
        "-display",
        "none",
        "-nodefaults",
    ];
    let args = args.into_iter().chain(["-snapshot", "-drive", &drive, "-device", &device]).collect::<Vec<_>>();
    match exec::run(&super::QEMU, &args, LIMIT) {
        Err(Error::Failed { status, .. }) => status.code() == Some(i32::from(VALUE) << 1 | 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_ends_qemu_where_it_runs() {
        if super::super::QEMU.find().is_none() {
            assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no QEMU");
            return;
        }
        assert!(works("tcg", "Nehalem"));
        assert!(!works("tcg", "no-such-processor"));
    }
}
