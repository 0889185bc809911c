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
        Ok(_) if works() => return ["kvm", "host"],
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => report.note(
            "KVM is there and refused: `sudo usermod -aG kvm $USER`, or in CI a udev rule `KERNEL==\"kvm\", MODE=\"0666\"`",
        ),
        Err(_) => {}
    }
    ["tcg,thread=multi", "Nehalem"]
}

/// Runs a boot sector that writes to a port whose device ends QEMU.
fn works() -> bool {
    let Ok(mut disk) = tempfile::NamedTempFile::new() else { return false };
    let mut sector = [0; 512];
    // mov al, VALUE; out PORT, al; hlt
    sector[..5].copy_from_slice(&[0xb0, VALUE, 0xe6, PORT, 0xf4]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    if disk.write_all(&sector).is_err() {
        return false;
    }
    let drive = format!("file={},format=raw,if=ide,readonly=on", disk.path().display());
    let device = format!("isa-debug-exit,iobase=0x{PORT:x},iosize=1");
    let args = ["-accel", "kvm", "-cpu", "host", "-machine", "pc", "-m", "16", "-display", "none", "-nodefaults"];
    let args = args.into_iter().chain(["-snapshot", "-drive", &drive, "-device", &device]).collect::<Vec<_>>();
    match exec::run(&super::QEMU, &args, LIMIT) {
        Err(Error::Failed { status, .. }) => status.code() == Some(i32::from(VALUE) << 1 | 1),
        _ => false,
    }
}
