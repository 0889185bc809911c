//! Runs images in QEMU, on a throw-away layer, and checks them from inside.
//!
//! ```text
//! Options ─→ firmware, accelerator ─→ command line ─→ QEMU ─→ console log
//!                                        └ credentials: a unit, a script ─→ virtio port: one line a check
//! ```
//!
//! Nothing that exists for checks is in an image: the unit and its script reach the machine as systemd credentials
//! through SMBIOS type 11 (systemd.system-credentials(7), systemd 256 or later), and the answers leave by a virtio port.
//! A Raspberry Pi has neither; `card` says how it is asked.
//! An update is asked for in the same way: `update` boots one layer several times, with packages on a second disk.

mod ask;
mod board;
mod card;
mod channel;
mod checks;
mod console;
mod firmware;
mod kvm;
mod layer;
mod machine;
mod offer;
mod report;
mod update;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    exec,
    report::{Exit, Explain, Report},
    units::Bytes,
};

pub use ask::check;
pub use board::Board;
pub use checks::{Check, Expected};
pub use firmware::Firmware;
pub use report::{Outcome, json, junit, table};
pub use update::{Change, Left, Questions, update};

/// How a machine is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Raw or qcow2.
    pub image: PathBuf,
    /// What is emulated.
    pub board: Board,
    /// What starts it.
    pub firmware: Firmware,
    /// Its processors; a Raspberry Pi 3 has four.
    pub processors: u8,
    /// Its memory.
    pub memory: Bytes,
    /// Whether it keeps what it writes.
    pub persist: bool,
    /// Whether it reaches the network.
    pub network: bool,
    /// How long a check may take.
    pub timeout: Duration,
    /// A public key that root is let in with.
    pub ssh_key: Option<String>,
    /// Whether the console is root's without a password, in [`run`].
    pub console_login: bool,
    /// Where the console's log goes; nothing: to the terminal.
    pub log: Option<PathBuf>,
}

impl Options {
    /// QEMU's name of the image's format, by the ending of its name.
    fn format(&self) -> &'static str {
        if self.image.extension().is_some_and(|ending| ending == "qcow2") { "qcow2" } else { "raw" }
    }
}

/// Why an image cannot be run or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU.
    #[error(transparent)]
    Program(#[from] exec::Error),
    /// No firmware of that kind.
    #[error("no UEFI firmware for QEMU is installed")]
    Firmware,
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The machine did not answer.
    #[error("the machine gave no answer within {} s; its console ended with:{tail}", limit.as_secs())]
    Late {
        /// The time that it had.
        limit: Duration,
        /// The console's last lines.
        tail: String,
    },
    /// The machine will do nothing more.
    #[error("{why}; the console ended with:{tail}")]
    Stopped {
        /// What its last words mean.
        why: &'static str,
        /// The console's last lines.
        tail: String,
    },
    /// The emulator, not the image.
    #[error("an emulated processor is no longer woken by its timer; the console ended with:{tail}")]
    Timer {
        /// The console's last lines.
        tail: String,
    },
    /// QEMU ended before the checks did.
    #[error("the machine ended before its checks did; its console ended with:{tail}")]
    Ended {
        /// The console's last lines.
        tail: String,
    },
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] crate::image::source::OpenError),
    /// Not an image for that board.
    #[error("the image is no card of a Raspberry Pi 3: {0}")]
    Card(String),
    /// A package for the update cannot be made.
    #[error("cannot make the package that the update installs")]
    Package(#[from] ::rpm::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Late { .. } | Self::Stopped { .. } | Self::Ended { .. } | Self::Card(_) => Exit::Verification,
            Self::Image(error) => error.exit(),
            _ => Exit::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Program(error) => error.hints(),
            Self::Firmware => {
                vec!["install the package `ovmf` or `qemu-efi-aarch64` (Debian, Ubuntu), `qemu-ovmf-x86_64` or `qemu-uefi-aarch64` (openSUSE)".into()]
            }
            Self::Late { .. } => vec!["`--timeout` gives it more time".into()],
            Self::Timer { .. } => {
                vec!["that is the emulator's fault and not the image's: try again, where less else runs".into()]
            }
            _ => Vec::new(),
        }
    }
}

/// Runs a machine with its console on the terminal until it is left.
///
/// # Errors
/// QEMU is missing or cannot start.
pub fn run(options: &Options, report: &Report) -> Result<(), Error> {
    let folder = folder()?;
    let brought = channel::ways_in(options.console_login, options.ssh_key.as_deref());
    let parts = machine::Parts {
        port: free_port().filter(|_| options.board.has_virtio()),
        ..parts(options, &brought, folder.path(), report)?
    };
    report.note(welcome(options, parts.port));
    exec::attach(options.board.qemu(), &machine::arguments(options, &parts))?;
    Ok(())
}

/// A temporary folder. Not in /tmp, which may be memory: a layer grows with what the machine writes.
fn folder() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir_in("/var/tmp").map_err(|source| Error::Io { what: "make a temporary folder", source })
}

/// What every run needs, made in `folder`.
fn parts(
    options: &Options,
    brought: &channel::Brought,
    folder: &Path,
    report: &Report,
) -> Result<machine::Parts, Error> {
    let failed = |source| Error::Io { what: "write a credential", source };
    let is_pi = options.board == Board::RaspberryPi3;
    Ok(machine::Parts {
        accelerator: kvm::accelerator(options.board, report),
        firmware: firmware::prepare(options, folder)?,
        card: is_pi.then(|| card::make(options, brought, folder, report)).transpose()?,
        port: None,
        offer: None,
        record: None,
        answers: None,
        credentials: if is_pi { Vec::new() } else { brought.smbios(folder).map_err(failed)? },
    })
}

/// How to get in and out.
fn welcome(options: &Options, port: Option<u16>) -> String {
    let console = if options.console_login { "this console logs in as root" } else { "log in as the image lets you" };
    let ssh = match port {
        Some(port) if options.ssh_key.is_some() => format!("ssh -p {port} root@localhost"),
        Some(port) if !options.console_login => format!("ssh -p {port} localhost, as the image lets you"),
        _ => "no public key in `~/.ssh`, so no ssh (`--ssh-key FILE` names one)".to_owned(),
    };
    format!("{console} · {ssh} · leave: Ctrl-A X")
}

/// A port that nobody listens on at this moment.
fn free_port() -> Option<u16> {
    Some(std::net::TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_only_ways_in_that_work() {
        let told = |ssh_key: Option<&str>, console_login| {
            let options = Options {
                image: "a.qcow2".into(),
                board: Board::Q35,
                firmware: Firmware::Uefi,
                processors: 2,
                memory: Bytes(0),
                persist: false,
                network: false,
                timeout: Duration::ZERO,
                ssh_key: ssh_key.map(str::to_owned),
                console_login,
                log: None,
            };
            welcome(&options, Some(2222))
        };
        let both = told(Some("ssh-ed25519 AA"), true);
        assert!(both.contains("ssh -p 2222 root@localhost") && both.contains("as root"), "{both}");
        let console = told(None, true);
        assert!(console.contains("no public key"), "{console}");
        let neither = told(None, false);
        assert!(neither.starts_with("log in as the image lets you") && !neither.contains("no public key"), "{neither}");
    }
}
