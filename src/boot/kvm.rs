//! Whether KVM really works here: a device that opens is not enough, so a guest of a few instructions is run; and one
//! that works without the processor's help (PVM, in some clouds' own machines) is none. Its guests were seen to need
//! three times as long as emulated ones to the login prompt, and to stand still in the boot loader.

use std::{io::Write, path::Path, time::Duration};

use super::Board;
use crate::{exec, profile::Arch, report::Report};

/// Time that the guest may take; with KVM it needs milliseconds.
const LIMIT: Duration = Duration::from_secs(5);
/// `isa-debug-exit` ends QEMU with `(value << 1) | 1`; this value is no failure of QEMU's own.
const VALUE: u8 = 0x10;
/// Port of the device below.
const PORT: u8 = 0xf4;

/// QEMU's `-accel` and `-cpu`.
pub(super) fn accelerator(board: Board, report: &Report) -> [&'static str; 2] {
    if board.arch() != Arch::host() || board == Board::RaspberryPi3 {
        return board.emulated();
    }
    let cpuinfo = fs_err::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if board.arch() == Arch::X86_64 && !is_virtualising(&cpuinfo) {
        return board.emulated();
    }
    match std::fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) if works(board, "kvm", "host") => return ["kvm", "host"],
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => report.note(
            "KVM is there and refused: `sudo usermod -aG kvm $USER`, or in CI a udev rule `KERNEL==\"kvm\", MODE=\"0666\"`",
        ),
        Err(_) => {}
    }
    board.emulated()
}

/// Whether an x86 processor runs guests (Linux, `arch/x86/include/asm/cpufeatures.h`: VMX is Intel's, SVM AMD's).
fn is_virtualising(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags.flat_map(str::split_whitespace).any(|flag| matches!(flag, "vmx" | "svm"))
}

/// Whether a guest runs to its end.
fn works(board: Board, accelerator: &str, cpu: &str) -> bool {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return false };
    let (code, mut args, ending) = match board.arch() {
        Arch::X86_64 => boot_sector(file.path()),
        Arch::Aarch64 => power_off(file.path()),
    };
    if file.write_all(&code).is_err() {
        return false;
    }
    let machine = board.machine(super::Firmware::Bios);
    let common = ["-machine", machine, "-accel", accelerator, "-cpu", cpu, "-smp", "2", "-m", "64"];
    args.extend(common.into_iter().chain(["-display", "none", "-nodefaults"]).map(str::to_owned));
    match exec::attempt(board.qemu(), &args, LIMIT) {
        Ok(output) => output.status.code() == Some(ending),
        Err(_) => false,
    }
}

/// A boot sector that writes to a port whose device ends QEMU; with its arguments, and QEMU's exit code.
fn boot_sector(file: &Path) -> (Vec<u8>, Vec<String>, i32) {
    // SeaBIOS reads no disk of a single sector.
    let mut sector = vec![0; 1 << 20];
    // mov al, VALUE; out PORT, al; hlt
    sector[..5].copy_from_slice(&[0xb0, VALUE, 0xe6, PORT, 0xf4]);
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    let drive = format!("file={},format=raw,if=ide", file.display());
    let device = format!("isa-debug-exit,iobase=0x{PORT:x},iosize=1");
    let args = ["-snapshot", "-drive", &drive, "-device", &device].map(str::to_owned);
    (sector, args.into(), i32::from(VALUE) << 1 | 1)
}

/// A kernel that asks the firmware to turn the machine off (PSCI 1.1, SYSTEM_OFF), which ends QEMU well.
fn power_off(file: &Path) -> (Vec<u8>, Vec<String>, i32) {
    // movz w0, #8; movk w0, #0x8400, lsl #16; hvc #0; b .
    let code = [0x5280_0100_u32, 0x72b0_8000, 0xd400_0002, 0x1400_0000];
    let args = ["-kernel".to_owned(), file.display().to_string()];
    (code.into_iter().flat_map(u32::to_le_bytes).collect(), args.into(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_says_whether_it_runs_guests() {
        assert!(is_virtualising("processor\t: 0\nflags\t\t: fpu vme svm sse\n") && is_virtualising("flags : vmx\n"));
        assert!(!is_virtualising("flags\t\t: fpu vme sse\nvmx flags\t: vnmi\nbugs\t\t: vmx\n") && !is_virtualising(""));
    }

    #[test]
    fn the_guest_ends_qemu_where_it_runs() {
        for board in [Board::Q35, Board::Virt] {
            if board.qemu().find().is_none() {
                assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no {}", board.qemu().program);
                continue;
            }
            let [accelerator, cpu] = board.emulated();
            assert!(works(board, accelerator, cpu), "{board:?}");
            assert!(!works(board, accelerator, "no-such-processor"));
        }
    }
}
