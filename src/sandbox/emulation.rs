//! Programs of another architecture: the kernel hands them to QEMU's user mode, inside this sandbox alone.
//!
//! Since Linux 6.7 each user namespace can have a `binfmt_misc` of its own (Documentation/admin-guide/binfmt-misc.rst;
//! fs/binfmt_misc.c), so nothing has to be registered on the host. The emulator is opened at registration (flag `F`),
//! and must be statically linked: the root has neither it nor its libraries. On an older kernel the host's own
//! registration serves, if it is of this kind. Whichever it is, it is tried before anything is built.

use std::{
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::{
    fs::{Mode, OFlags},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};
use serde::{Deserialize, Serialize};

use crate::{
    exec::{self, Tool},
    profile::Arch,
};

/// QEMU's user mode for an architecture that is not this machine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulator {
    arch: Arch,
    program: PathBuf,
}

impl Emulator {
    /// The emulator that programs of `arch` need here; nothing where the machine runs them itself.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn of(arch: Arch) -> Result<Option<Self>, exec::Error> {
        if arch == Arch::host() {
            return Ok(None);
        }
        let tools = tools(arch);
        let found = tools.iter().find_map(Tool::find);
        found.map(|program| Some(Self { arch, program })).ok_or(exec::Error::Missing(tools[0]))
    }

    /// The emulator's file.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }
}

/// Names of the static emulator: Debian's own, then upstream's, which is dynamic in some distributions.
fn tools(arch: Arch) -> [Tool; 2] {
    let named = |program| Tool { program, debian: "qemu-user-static", opensuse: "qemu-linux-user" };
    match arch {
        Arch::Aarch64 => [named("qemu-aarch64-static"), named("qemu-aarch64")],
        Arch::X86_64 => [named("qemu-x86_64-static"), named("qemu-x86_64")],
    }
}

/// `e_machine` (ELF, gABI).
fn machine(arch: Arch) -> u8 {
    match arch {
        Arch::X86_64 => 62,
        Arch::Aarch64 => 183,
    }
}

/// The kernel's list of what runs which programs, in this user namespace. It ends with this.
#[derive(Debug)]
pub struct Registrations {
    mount: OwnedFd,
    emulator: Emulator,
}

/// Makes programs of another architecture run in this user namespace, and tries one in `folder`. Nothing where the
/// host's own registration serves. To be called as root of the namespace, with a mount namespace of its own.
pub(super) fn begin(emulator: &Emulator, folder: &Path) -> io::Result<Option<Registrations>> {
    let registered = Registrations::new(emulator);
    match (attempt(emulator.arch, folder), registered) {
        (Ok(()), registered) => Ok(registered.ok()),
        (Err(_), Err(error)) | (Err(error), Ok(_)) => Err(error),
    }
}

impl Registrations {
    /// A file system of registrations, mounted nowhere, with the emulator in it: it ends with its last mount, which is
    /// this one.
    fn new(emulator: &Emulator) -> io::Result<Self> {
        let context = fsopen("binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(context.as_fd())?;
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
        let all = Self { mount, emulator: emulator.clone() };
        all.add(&rule("rowi", emulator.arch, &emulator.program))?;
        Ok(all)
    }

    fn add(&self, rule: &[u8]) -> io::Result<()> {
        let file = rustix::fs::openat(&self.mount, "register", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        std::fs::File::from(file).write_all(rule)
    }

    /// The emulator's file.
    pub(super) fn emulator(&self) -> &Path {
        &self.emulator.program
    }

    /// From now on this program is asked instead of the emulator.
    pub(super) fn replace(&self, program: &Path) -> io::Result<()> {
        // The kernel asks the newest first (fs/binfmt_misc.c, `list_add`).
        self.add(&rule("rowi-native", self.emulator.arch, program))
    }
}

/// `:name:type:offset:magic:mask:interpreter:flags`. The mask lets the ABI's number and version differ, and takes
/// executables and shared objects (types 2 and 3). `P`: the program keeps its `argv[0]`; `O`: it need not be readable;
/// `C`: set-id programs keep their credentials; `F`: see above.
fn rule(name: &str, arch: Arch, program: &Path) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let magic = &header(arch)[..20];
    let mut mask = [0xff; 20];
    mask[7] = 0;
    mask[8] = 0;
    mask[16] = 0xfe;
    let mut rule = format!(":{name}-{arch}:M::{}:{}:", hex(magic), hex(&mask)).into_bytes();
    rule.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(program.as_os_str()));
    rule.extend_from_slice(b":POCF");
    rule
}

/// The beginning of an executable: 64 bit, little-endian, System V.
fn header(arch: Arch) -> [u8; 64] {
    const ENTRY: u64 = BASE + 64 + 56;
    let mut header = [0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = 2;
    header[18] = machine(arch);
    header[20] = 1;
    header[24..32].copy_from_slice(&ENTRY.to_le_bytes());
    // Where the program headers are, and their count below; the lengths of both kinds.
    header[32] = 64;
    header[52] = 64;
    header[54] = 56;
    header[56] = 1;
    header
}

/// Where the smallest program is loaded.
const BASE: u64 = 0x40_0000;

/// Ends well, and does nothing else: `exit(0)`.
fn smallest(arch: Arch) -> Vec<u8> {
    let code: &[u8] = match arch {
        // mov x0, #0; mov x8, #93; svc #0
        Arch::Aarch64 => b"\x00\x00\x80\xd2\xa8\x0b\x80\xd2\x01\x00\x00\xd4",
        // xor edi, edi; mov eax, 60; syscall
        Arch::X86_64 => b"\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05",
    };
    executable(arch, code)
}

/// A program of one segment, readable and executable: headers, then the code from its first instruction.
pub(super) fn executable(arch: Arch, code: &[u8]) -> Vec<u8> {
    let mut program = header(arch).to_vec();
    let length = 64 + 56 + code.len() as u64;
    // The whole file (PT_LOAD), readable and executable.
    program.extend_from_slice(&1_u32.to_le_bytes());
    program.extend_from_slice(&5_u32.to_le_bytes());
    for field in [0, BASE, BASE, length, length, 0x1_0000] {
        program.extend_from_slice(&field.to_le_bytes());
    }
    program.extend_from_slice(code);
    program
}

/// Runs the smallest program of the architecture.
#[expect(clippy::disallowed_methods, reason = "this module is one of the two that may")]
fn attempt(arch: Arch, folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(format!(".rowi-{arch}"));
    fs_err::write(&path, smallest(arch))?;
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
    let null = Stdio::null;
    let tried = Command::new(&path).stdin(null()).stdout(null()).stderr(null()).status();
    fs_err::remove_file(&path)?;
    match tried?.success() {
        true => Ok(()),
        false => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_as_the_kernel_reads_it() {
        let rule = String::from_utf8(rule("rowi", Arch::Aarch64, Path::new("/usr/bin/qemu"))).unwrap();
        let fields: Vec<&str> = rule.split(':').collect();
        // The magic and mask of QEMU's own scripts/qemu-binfmt-conf.sh, but for the ABI's version.
        let magic = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
        assert_eq!(fields, ["", "rowi-aarch64", "M", "", magic, mask, "/usr/bin/qemu", "POCF"]);
        assert!(rule.len() < 1920, "the kernel takes no longer one");
    }

    #[test]
    fn this_machine_runs_its_own_smallest_program() {
        let folder = tempfile::tempdir().unwrap();
        attempt(Arch::host(), folder.path()).unwrap();
        assert_eq!(Emulator::of(Arch::host()).unwrap(), None);
    }
}
