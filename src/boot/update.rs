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
    channel::{self, End},
    checks::{self, Answers},
    layer,
    offer::{self, FILE, PACKAGE, SERIAL},
};
use crate::{profile, report::Report};

/// What is asked of the machine in all three boots, beside what the update itself shows.
#[derive(Clone, Copy, Debug)]
pub struct Questions<'a> {
    /// After each boot.
    pub every: &'a [Check],
    /// The profile's own, each after what it says.
    pub profile: &'a [profile::Check],
    /// What is known of the image.
    pub expected: &'a Expected,
}

/// What the update changes, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Package files in a folder, offered to the machine instead of rowi's own.
    pub offer: Option<&'a Path>,
    /// zypper's words: names to install, `-NAME` to remove; none with rowi's own package.
    pub install: &'a [String],
    /// Where every write of the updating machine is recorded (dm-log-writes format); then nothing else is booted.
    pub record: Option<&'a Path>,
    /// Who leaves the update again.
    pub left: Left,
}

/// Who leaves an update again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nobody.
    No,
    /// Its user, who rolls it back.
    ByUser,
    /// The machine, which finds that it is not well.
    ByItself,
}

impl Change<'_> {
    /// zypper's words, quoted for a shell.
    fn words(&self) -> String {
        let own = [PACKAGE.to_owned()];
        let words = if self.install.is_empty() { &own[..] } else { self.install };
        words.iter().map(|word| channel::shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    /// A test that holds where the change was made, and one where it was not.
    fn tests(&self) -> (String, String) {
        if self.install.is_empty() {
            return (
                format!("[ \"$(cat {FILE})\" = 1 ] && rpm -V {PACKAGE}"),
                format!("! rpm -q {PACKAGE} && [ ! -e {FILE} ]"),
            );
        }
        let is = |word: &String, made: bool| {
            let (name, there) = word.strip_prefix('-').map_or((word.as_str(), made), |name| (name, !made));
            format!("{}rpm -q {}", if there { "" } else { "! " }, channel::shell_word(name))
        };
        let all = |made| self.install.iter().map(|word| is(word, made)).collect::<Vec<_>>().join(" && ");
        (all(true), all(false))
    }
}

/// Mounts the offered packages.
const OFFER: &str = "mkdir -p /run/rowi-offer && mount -t vfat -o ro /dev/disk/by-id/virtio-SERIAL /run/rowi-offer";
/// Puts them, and nothing else, before zypper.
const REPOSITORY: &str = "set -e; mkdir -p /etc/zypp/repos.d; for it in /etc/zypp/repos.d/*.repo; do [ ! -e \"$it\" ] || mv \"$it\" \"$it.off\"; done; \
     printf '[rowi-offer]\\nenabled=1\\nautorefresh=1\\nbaseurl=dir:/run/rowi-offer\\ntype=plaindir\\ngpgcheck=0\\n' > /etc/zypp/repos.d/rowi-offer.repo";

/// Whether the machine can be told anything without an update: `/etc` may be part of the read-only root.
const WRITABLE: &str = "[ -w /etc ]";

/// Offers packages; where `/etc` cannot be written to, in a snapshot that the update then continues.
fn offer() -> String {
    let script = "\"$(cat /run/rowi-repository)\"";
    format!(
        "{} && printf %s {} > /run/rowi-repository && if {WRITABLE}; then sh /run/rowi-repository && touch /etc/rowi-gone; \
         else {}; fi && touch /run/rowi-begun",
        OFFER.replace("SERIAL", SERIAL),
        channel::shell_word(REPOSITORY),
        tool(&format!("run sh -c {script}"), &format!("shell -c {script}")),
    )
}

/// Of the running system, what an update must leave alone: packages, files of the root and of `/etc`, what is mounted.
const STATE: &str = "{ rpm -qa | sort; find /usr /etc -xdev -newer /run/rowi-begun; findmnt -rno FSROOT,OPTIONS /; }";
/// Each service that the start brought up, with its process; those that come and go when they are called are not meant.
const SERVICES: &str = "systemctl show -p Id,MainPID \
     $(systemctl list-dependencies --plain --no-legend multi-user.target | grep '\\.service$') | \
     awk -F= '$1 == \"MainPID\" { pid = $2 } $1 == \"Id\" && pid { print $2, pid; pid = 0 }' | sort -u";

/// Bytes that the file system has in use.
const USED: &str = "sync; btrfs filesystem usage -b / | awk '$1 == \"Used:\" { print $2; exit }'";

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
    change: Change<'a>,
}

impl<'a> Phase<'a> {
    fn new(name: &'static str, questions: Questions<'a>, change: Change<'a>) -> Self {
        let mut checks = questions.every.to_vec();
        checks.extend(Check::of_profile(questions.profile, name));
        Self { name, checks, expected: questions.expected.clone(), end: End::Off, change }
    }

    fn ask(&mut self, what: &str, run: impl Into<String>) {
        self.checks.push(Check::new(what, run));
    }

    /// The image as it came, which then makes its update.
    fn first(questions: Questions<'a>, change: Change<'a>) -> Self {
        let mut phase = Self::new("boot", questions, change);
        phase.checks.push(Check::runs_snapshot("the first snapshot is running", "= 1"));
        phase.ask("a package is offered", offer());
        let install = format!("$more pkg install {}", change.words());
        let install = tool(&install, &install);
        phase.ask(
            "the update installs it in a new snapshot",
            format!(
                "{STATE} > /run/rowi-state; {SERVICES} > /run/rowi-services; ({USED}) > /run/rowi-used; more=; \
                 {WRITABLE} || more=--continue; {install}"
            ),
        );
        let more = format!("echo $(($({USED}) - $(cat /run/rowi-used))) bytes");
        phase.checks.push(Check::told("what the update takes of the disk", more));
        phase.ask(
            "the running system is untouched",
            format!("{STATE} | diff /run/rowi-state - && {}", change.tests().1),
        );
        phase.ask(
            "no service was started anew",
            format!("[ -s /run/rowi-services ] && ! {SERVICES} | join /run/rowi-services - | awk '$2 != $3' | grep ."),
        );
        phase.ask(
            "/etc changes after the update",
            format!("! {WRITABLE} || {{ echo later > /etc/rowi-later && rm /etc/rowi-gone; }}"),
        );
        phase
    }

    /// The new snapshot, which is then rolled back.
    fn updated(questions: Questions<'a>, change: Change<'a>) -> Self {
        let mut phase = Self::new("update", questions, change);
        phase.checks.push(Check::runs_snapshot("another snapshot is running", "!= 1"));
        match &mut phase.expected.packages {
            Some(packages) if change.install.is_empty() => {
                packages.push(format!("{PACKAGE}-1-1.noarch"));
                packages.sort();
            }
            packages => *packages = None,
        }
        phase.ask("the change is there", change.tests().0);
        phase.ask(
            "/etc has what changed after the update",
            format!("! {WRITABLE} || {{ [ \"$(cat /etc/rowi-later)\" = later ] && [ ! -e /etc/rowi-gone ]; }}"),
        );
        if change.left == Left::ByUser {
            phase.ask("the update is rolled back", tool("rollback 1", "rollback 1"));
        } else {
            phase.end = End::Killed;
        }
        phase
    }

    /// The new snapshot, which the machine finds not to be well: it is asked nothing, and starts anew.
    fn ill(questions: Questions<'a>, change: Change<'a>) -> Self {
        Self { checks: Vec::new(), end: End::Itself, ..Self::new("update", questions, change) }
    }

    /// The first snapshot again.
    fn rolled_back(questions: Questions<'a>, change: Change<'a>) -> Self {
        let mut phase = Self::new("rollback", questions, change);
        phase.checks.push(Check::runs_snapshot("the first snapshot is running again", "= 1"));
        phase.ask("the change is gone", change.tests().1);
        phase.end = End::Killed;
        phase
    }

    fn boot(&self, options: &Options, offer: &Path, report: &Report) -> Result<Vec<Outcome>, Error> {
        let log = options.log.as_ref().map(|log| log.with_extension(format!("{}.log", self.name)));
        let options = Options { log, persist: true, ..options.clone() };
        let record = self.change.record;
        let boot = Boot { options: &options, checks: &self.checks, offer: Some(offer), record, end: self.end };
        let said: Answers = boot.ask(report)?;
        let named = |it: Outcome| Outcome { name: format!("{}: {}", self.name, it.name), ..it };
        let outcomes = match self.end {
            // It is not asked, and may be gone before anybody could log in.
            End::Itself => {
                let name = "the machine starts anew by itself".into();
                vec![Outcome { name, passed: true, detail: String::new(), seconds: 0 }]
            }
            _ => checks::judge(&self.checks, &said, &self.expected),
        };
        Ok(outcomes.into_iter().map(named).collect())
    }
}

/// Boots, updates, boots, and where it is asked for rolls back and boots again; the image itself is written to only where
/// what the machine writes is kept. A phase that fails is the last.
///
/// # Errors
/// QEMU cannot run, or the machine does not answer.
pub fn update<'q>(
    options: &Options,
    questions: Questions<'q>,
    change: Change<'q>,
    report: &Report,
) -> Result<Vec<Outcome>, Error> {
    let folder = super::folder()?;
    let offer = folder.path().join("offer.raw");
    offer::make(&offer, change.offer, report)?;
    let image = if options.persist { options.image.clone() } else { layer::over(options, None, folder.path())? };
    let options = Options { image, ..options.clone() };
    let phases: &[fn(Questions<'q>, Change<'q>) -> Phase<'q>] = match (change.record, change.left) {
        (Some(_), _) => &[Phase::first],
        (None, Left::No) => &[Phase::first, Phase::updated],
        (None, Left::ByUser) => &[Phase::first, Phase::updated, Phase::rolled_back],
        (None, Left::ByItself) => &[Phase::first, Phase::ill, Phase::rolled_back],
    };
    let mut all = Vec::new();
    for phase in phases {
        all.extend(phase(questions, change).boot(&options, &offer, report)?);
        if all.iter().any(|outcome| !outcome.passed) {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_asked_for() {
        let words = ["new one".to_owned(), "-old".to_owned()];
        let change = |install| Change { offer: None, install, record: None, left: Left::No };
        let asked = change(&words);
        assert_eq!(asked.words(), "'new one' '-old'");
        let (made, not_made) = asked.tests();
        assert_eq!(made, "rpm -q 'new one' && ! rpm -q 'old'");
        assert_eq!(not_made, "! rpm -q 'new one' && rpm -q 'old'");
        let own = change(&[]);
        assert_eq!(own.words(), "'rowi-check'");
        assert!(own.tests().0.contains("rpm -V rowi-check") && own.tests().1.starts_with("! rpm -q rowi-check"));
    }
}
