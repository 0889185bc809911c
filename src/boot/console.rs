//! The console's log, watched while the machine writes it.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::report::printable;

/// Most of a log that is read.
const MOST: u64 = 16 << 20;
/// How many lines are shown of what came last, and looked at for why nothing more comes.
const LAST: usize = 15;
/// Silence after which last words are taken for such.
const SILENCE: Duration = Duration::from_secs(30);
/// Last words: the kernel's (`kernel/panic.c`), systemd's (`emergency.service`), sulogin's and GRUB's.
const LAST_WORDS: [(&str, &str); 4] = [
    ("Kernel panic - not syncing", "the kernel panicked"),
    ("You are in emergency mode", "systemd waits in emergency mode"),
    ("Cannot open access to console, the root account is locked", "systemd waits in emergency mode"),
    ("grub rescue>", "GRUB does not find its files"),
];
/// What Linux (6.12, `kernel/rcu/tree_stall.h`) says of a processor whose timer no longer wakes it, every minute anew. An
/// emulated one loses an interrupt at times: QEMU 10.0 with several processors on a busy host, once in hundreds of starts.
const NO_TIMER: &str = "timer wakeup didn't happen";

/// A console whose log lies in a file.
#[derive(Debug)]
pub(super) struct Console {
    path: PathBuf,
    text: String,
    changed: Instant,
}

impl Console {
    /// One that has said nothing yet.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        fs_err::write(&path, "")?;
        Ok(Self { path, text: String::new(), changed: Instant::now() })
    }

    /// Reads what there is now.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let text = read(&self.path)?;
        if text.len() != self.text.len() {
            (self.text, self.changed) = (text, Instant::now());
        }
        Ok(())
    }

    /// Whether it asked for a login.
    pub(super) fn has_prompt(&self) -> bool {
        self.text.contains("login:")
    }

    /// Why nothing more will come, if its last words say so and it has been silent since.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        if self.changed.elapsed() < SILENCE { None } else { last_words(&self.text) }
    }

    /// Whether a processor's timer has stood still for minutes. Said once, it may have been late.
    pub(super) fn has_lost_its_timer(&self) -> bool {
        self.text.matches(NO_TIMER).count() > 1
    }

    /// The last lines, one below the other.
    pub(super) fn tail(&self) -> String {
        last(&self.text).iter().map(|line| format!("\n  {}", printable(line.trim_end()))).collect()
    }
}

/// What a file holds, up to a bound; bytes that are no text are replaced.
pub(super) fn read(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LAST)..].to_vec()
}

fn last_words(text: &str) -> Option<&'static str> {
    let last = last(text);
    let said = |words: &str| last.iter().any(|line| line.contains(words));
    LAST_WORDS.iter().find(|(words, _)| said(words)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_those_that_nothing_follows() {
        let locked = "[   89.2] systemd[1]: Timed out\nCannot open access to console, the root account is locked.\nSee sulogin(8) man page for more details.\n\nPress Enter to continue.\n";
        assert_eq!(last_words(locked), Some("systemd waits in emergency mode"));
        let panic = "[    1.0] VFS: Unable to mount root fs\n[    1.0] Kernel panic - not syncing: VFS\n[    1.1] ---[ end Kernel panic ]---\n";
        assert_eq!(last_words(panic), Some("the kernel panicked"));
        let started_anew = format!("{locked}{}", "[    0.0] Linux version 6.12\n".repeat(LAST));
        assert_eq!(last_words(&started_anew), None);
        assert_eq!(last_words("localhost login: "), None);
    }

    #[test]
    fn a_timer_that_stands_still_is_told_twice() {
        let stall = "[  212.3] rcu: rcu_preempt kthread timer wakeup didn't happen for 15756 jiffies! g-1127 f0x0\n";
        let console = |text| Console { path: PathBuf::new(), text, changed: Instant::now() };
        assert!(!console(format!("{stall}[  214.0] systemd[1]: Reached target\n")).has_lost_its_timer());
        assert!(console(stall.repeat(2)).has_lost_its_timer());
    }

    #[test]
    fn only_silence_makes_words_last_ones() {
        let text = "Kernel panic - not syncing".to_owned();
        let mut console = Console { path: PathBuf::new(), text, changed: Instant::now() };
        assert_eq!(console.stopped(), None);
        let Some(before) = Instant::now().checked_sub(SILENCE) else { return };
        console.changed = before;
        assert_eq!(console.stopped(), Some("the kernel panicked"));
    }
}
