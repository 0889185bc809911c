//! An update and its rollback, proved: one layer is booted, changed, booted, rolled back and booted again.
//!
//! ```text
//! boot ─→ checks ─→ update in a snapshot, running system untouched ─→ off
//!   └→ boot ─→ checks, now of the new snapshot ─→ rollback ─→ off
//!        └→ boot ─→ checks, as before the update
//! ```
//!
//! The machine's own tools do it: transactional-update where it is installed, else `rowi-update`.

use std::path::Path;

use super::{
    Check, Error, Expected, Options, Outcome,
    ask::Boot,
    channel::End,
    checks::{self, Answers},
    offer::{self, FILE, PACKAGE, SERIAL},
};
use crate::{
    exec::{self, Tool},
    profile,
    report::Report,
};

const QEMU_IMG: Tool = Tool { program: "qemu-img", debian: "qemu-utils", opensuse: "qemu-img" };

/// What is asked of the machine in all three boots, beside what the update itself shows.
#[derive(Clone, Copy, Debug)]
pub struct Questions<'a> {
    /// After each boot.
    pub every: &'a [Check],
    /// The profile's own, each after what it says.
    pub profile: &'a [profile::Check],
    /// What is known of the image.
    pub expected: &'a Expected,
    /// Whether the update is rolled back.
    pub rollback: bool,
}

/// Puts the offered packages, and nothing else, before zypper.
const OFFER: &str = "set -e; mkdir -p /run/rowi-offer; mount -t vfat -o ro /dev/disk/by-id/virtio-SERIAL /run/rowi-offer; \
     mkdir -p /etc/zypp/repos.d; for it in /etc/zypp/repos.d/*.repo; do [ ! -e \"$it\" ] || mv \"$it\" \"$it.off\"; done; \
     printf '[rowi-offer]\\nenabled=1\\nautorefresh=1\\nbaseurl=dir:/run/rowi-offer\\ntype=plaindir\\ngpgcheck=0\\n' > /etc/zypp/repos.d/rowi-offer.repo";

/// Of the running system, what an update must leave alone: packages, files of the root and of `/etc`, what is mounted.
const STATE: &str = "{ rpm -qa | sort; find /usr /etc -xdev -newer /run/rowi-begun; findmnt -rno FSROOT,OPTIONS /; }";
/// Each service with its process.
const SERVICES: &str = "systemctl show -p Id,MainPID '*.service' | \
     awk -F= '$1 == \"MainPID\" { pid = $2 } $1 == \"Id\" && pid { print $2, pid; pid = 0 }' | sort";

/// Calls the image's own tool; the command line of each.
fn tool(transactional_update: &str, rowi_update: &str) -> String {
    format!(
        "if command -v transactional-update >/dev/null; then transactional-update --non-interactive {transactional_update}; \
         elif command -v rowi-update >/dev/null; then rowi-update {rowi_update}; \
         else echo 'neither transactional-update nor rowi-update is in the image'; exit 1; fi"
    )
}

/// One boot of the three.
struct Phase<'a> {
    name: &'static str,
    checks: Vec<Check>,
    expected: Expected,
    end: End,
    questions: Questions<'a>,
}

impl<'a> Phase<'a> {
    fn new(name: &'static str, questions: Questions<'a>) -> Self {
        let mut checks = questions.every.to_vec();
        checks.extend(Check::of_profile(questions.profile, name));
        Self { name, checks, expected: questions.expected.clone(), end: End::Off, questions }
    }

    fn ask(&mut self, what: &str, run: impl Into<String>) {
        self.checks.push(Check::new(what, run));
    }

    /// The image as it came, which then makes its update.
    fn first(questions: Questions<'a>) -> Self {
        let mut phase = Self::new("boot", questions);
        phase.checks.push(Check::runs_snapshot("the first snapshot is running", "= 1"));
        phase.ask("a package is offered", format!("{}; touch /run/rowi-begun", OFFER.replace("SERIAL", SERIAL)));
        let install = tool(&format!("pkg install {PACKAGE}"), &format!("pkg install {PACKAGE}"));
        phase.ask(
            "the update installs it in a new snapshot",
            format!("{STATE} > /run/rowi-state; {SERVICES} > /run/rowi-services; {install}"),
        );
        phase.ask(
            "the running system is untouched",
            format!("{STATE} | diff /run/rowi-state - && ! rpm -q {PACKAGE} && [ ! -e {FILE} ]"),
        );
        phase.ask(
            "no service was started anew",
            format!("! {SERVICES} | join /run/rowi-services - | awk '$2 != $3' | grep ."),
        );
        phase.ask("/etc changes after the update", "echo later > /etc/rowi-later && rm -f /etc/motd");
        phase
    }

    /// The new snapshot, which is then rolled back.
    fn updated(questions: Questions<'a>) -> Self {
        let mut phase = Self::new("update", questions);
        phase.checks.push(Check::runs_snapshot("another snapshot is running", "!= 1"));
        if let Some(packages) = &mut phase.expected.packages {
            packages.push(format!("{PACKAGE}-1-1.noarch"));
            packages.sort();
        }
        phase.ask("the package is there", format!("[ \"$(cat {FILE})\" = 1 ] && rpm -V {PACKAGE}"));
        phase.ask(
            "/etc has what changed after the update",
            "[ \"$(cat /etc/rowi-later)\" = later ] && [ ! -e /etc/motd ]",
        );
        if phase.questions.rollback {
            phase.ask("the update is rolled back", tool("rollback 1", "rollback 1"));
        } else {
            phase.end = End::Killed;
        }
        phase
    }

    /// The first snapshot again.
    fn rolled_back(questions: Questions<'a>) -> Self {
        let mut phase = Self::new("rollback", questions);
        phase.checks.push(Check::runs_snapshot("the first snapshot is running again", "= 1"));
        phase.ask("the package is gone", format!("! rpm -q {PACKAGE} && [ ! -e {FILE} ]"));
        phase.end = End::Killed;
        phase
    }

    fn boot(&self, options: &Options, offer: &Path, report: &Report) -> Result<Vec<Outcome>, Error> {
        let log = options.log.as_ref().map(|log| log.with_extension(format!("{}.log", self.name)));
        let options = Options { log, persist: true, ..options.clone() };
        let boot = Boot { options: &options, checks: &self.checks, offer: Some(offer), end: self.end };
        let said: Answers = boot.ask(report)?;
        let named = |it: Outcome| Outcome { name: format!("{}: {}", self.name, it.name), ..it };
        Ok(checks::judge(&self.checks, &said, &self.expected).into_iter().map(named).collect())
    }
}

/// Boots, updates, boots, and where it is asked for rolls back and boots again; the image itself is not written to. A
/// phase that fails is the last.
///
/// # Errors
/// QEMU cannot run, or the machine does not answer.
pub fn update<'q>(options: &Options, questions: Questions<'q>, report: &Report) -> Result<Vec<Outcome>, Error> {
    let failed = |what| move |source| Error::Io { what, source };
    // Not in /tmp, which may be memory: a layer grows with what the machine writes.
    let folder = tempfile::tempdir_in("/var/tmp").map_err(failed("make a temporary folder"))?;
    let offer = folder.path().join("offer.raw");
    offer::make(&offer, report)?;
    let options = Options { image: layer(options, folder.path())?, ..options.clone() };
    let phases: &[fn(Questions<'q>) -> Phase<'q>] = match questions.rollback {
        true => &[Phase::first, Phase::updated, Phase::rolled_back],
        false => &[Phase::first, Phase::updated],
    };
    let mut all = Vec::new();
    for phase in phases {
        all.extend(phase(questions).boot(&options, &offer, report)?);
        if all.iter().any(|outcome| !outcome.passed) {
            break;
        }
    }
    Ok(all)
}

/// A layer over the image that is thrown away with its folder.
fn layer(options: &Options, folder: &Path) -> Result<std::path::PathBuf, Error> {
    let layer = folder.join("layer.qcow2");
    let image = fs_err::canonicalize(&options.image).map_err(|source| Error::Io { what: "find the image", source })?;
    let format = if image.extension().is_some_and(|ending| ending == "qcow2") { "qcow2" } else { "raw" };
    let args = ["create", "-q", "-f", "qcow2", "-F", format, "-b"].map(std::ffi::OsStr::new);
    let args: Vec<_> = args.into_iter().chain([image.as_os_str(), layer.as_os_str()]).collect();
    exec::run(&QEMU_IMG, &args, std::time::Duration::from_secs(60))?;
    Ok(layer)
}
