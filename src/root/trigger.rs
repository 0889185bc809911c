//! Which triggers a package sets off, with their arguments and files, in rpm's order (lib/psm.cc, lib/rpmtriggers.cc of
//! rpm 4.20 to 6.0).
//!
//! Packages are in transaction order; the first `installed` of them are in the database. When a package with a file
//! trigger comes, the trigger runs for the package's own files and then for all that were there before (seen in
//! rpm 4.18); from then on for the files of each package that comes.

use super::{fate::Fate, package::Package, relations::overlap, scriptlet::Kind};
use crate::{
    rpm::{FileTrigger, Scriptlet, triggers::Event},
    tree::RelPath,
};

/// From this priority on, file triggers run before `%post` (`TRIGGER_PRIORITY_BOUND`).
const BOUND: u32 = 10_000;

/// Which file triggers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Those before `%post`.
    High,
    /// Those after it.
    Low,
}

impl Class {
    fn has(self, priority: u32) -> bool {
        (priority >= BOUND) == (self == Self::High)
    }
}

/// A script to run.
#[derive(Debug)]
pub(super) struct Run<'packages> {
    pub(super) owner: &'packages Package,
    pub(super) kind: Kind,
    pub(super) scriptlet: &'packages Scriptlet,
    pub(super) args: Vec<u32>,
    pub(super) stdin: Vec<u8>,
}

/// The packages of a transaction and how far it is.
#[derive(Clone, Copy)]
pub(super) struct Database<'packages> {
    pub(super) packages: &'packages [Package],
    pub(super) fates: &'packages [Vec<Fate>],
    pub(super) installed: usize,
}

impl<'packages> Database<'packages> {
    fn all(&self) -> &'packages [Package] {
        &self.packages[..self.installed]
    }

    /// How many packages of a name are there.
    pub(super) fn count(&self, name: &str) -> u32 {
        self.all().iter().filter(|package| package.name == name).count() as u32
    }

    /// Triggers of packages that are there, set off by package `at`, then its own, set off by those that are there.
    pub(super) fn triggers(&self, at: usize, event: Event) -> Vec<Run<'packages>> {
        let sources = |name: String| self.all().iter().filter(move |package| package.name == name);
        let source = &self.packages[at];
        let count = self.count(&source.name);
        let mut runs: Vec<Run> = (self.all().iter())
            .filter_map(|owner| {
                let trigger = owner.triggers.iter().find(|trigger| {
                    trigger.event == event && trigger.conditions.iter().any(|it| matches(source, it))
                })?;
                Some(run(owner, event, &trigger.scriptlet, [self.count(&owner.name), count]))
            })
            .collect();
        let owner = &self.packages[at];
        for trigger in owner.triggers.iter().filter(|trigger| trigger.event == event) {
            let set_off =
                trigger.conditions.iter().find(|it| sources(it.name.clone()).any(|source| matches(source, it)));
            if let Some(condition) = set_off {
                runs.push(run(
                    owner,
                    event,
                    &trigger.scriptlet,
                    [self.count(&owner.name), self.count(&condition.name)],
                ));
            }
        }
        runs
    }

    /// File triggers of packages that are there, set off by files of package `at`, then its own, set off by what was there
    /// before.
    pub(super) fn file_triggers(&self, at: usize, class: Class) -> Vec<Run<'packages>> {
        let count = self.count(&self.packages[at].name);
        let mut set_off: Vec<(u32, usize, &FileTrigger)> = (self.all().iter().enumerate())
            .flat_map(|(number, owner)| owner.file_triggers.iter().map(move |trigger| (number, trigger)))
            .filter(|(_, trigger)| trigger.event == Event::Install && class.has(trigger.priority))
            .map(|(number, trigger)| (u32::MAX - trigger.priority, number, trigger))
            .collect();
        set_off.sort_by_key(|(priority, number, trigger)| (*priority, *number, trigger.index));
        let mut runs = Vec::new();
        for (_, number, trigger) in set_off {
            let owner = &self.packages[number];
            let stdin =
                self.files(std::slice::from_ref(&at), trigger, |package, prefix| self.with_prefix(package, prefix));
            if !stdin.is_empty() {
                let args = vec![self.count(&owner.name), count];
                runs.push(Run { owner, kind: Kind::FileTriggerIn, scriptlet: &trigger.scriptlet, args, stdin });
            }
        }
        let owner = &self.packages[at];
        runs.extend(self.immediate(owner, &owner.file_triggers, Kind::FileTriggerIn, Some(class), at));
        runs
    }

    /// Transaction file triggers of package `at`, set off by all files.
    pub(super) fn transaction_file_triggers(&self, at: usize) -> Vec<Run<'packages>> {
        let owner = &self.packages[at];
        self.immediate(owner, &owner.transaction_file_triggers, Kind::TransFileTriggerIn, None, self.installed)
    }

    /// Triggers of one package, set off by files of the first `until` packages.
    fn immediate(
        &self,
        owner: &'packages Package,
        triggers: &'packages [FileTrigger],
        kind: Kind,
        class: Option<Class>,
        until: usize,
    ) -> Vec<Run<'packages>> {
        let mut asked: Vec<&FileTrigger> = (triggers.iter())
            .filter(|it| it.event == Event::Install && class.is_none_or(|class| class.has(it.priority)))
            .collect();
        asked.sort_by_key(|trigger| (u32::MAX - trigger.priority, trigger.index));
        let everyone: Vec<usize> = (0..until).collect();
        let mut runs = Vec::new();
        for trigger in asked {
            let stdin = self.files(&everyone, trigger, |package, prefix| self.with_folder_prefix(package, prefix));
            if !stdin.is_empty() {
                let mut args = vec![self.count(&owner.name)];
                if kind == Kind::FileTriggerIn {
                    args.push(self.count(&owner.name));
                }
                runs.push(Run { owner, kind, scriptlet: &trigger.scriptlet, args, stdin });
            }
        }
        runs
    }

    /// The files that set a trigger off, one a line: prefix by prefix, package by package.
    fn files(&self, packages: &[usize], trigger: &FileTrigger, of: impl Fn(usize, &[u8]) -> Vec<Vec<u8>>) -> Vec<u8> {
        let mut lines = Vec::new();
        for prefix in &trigger.prefixes {
            for path in packages.iter().flat_map(|&package| of(package, prefix)) {
                lines.extend_from_slice(&path);
                lines.push(b'\n');
            }
        }
        lines
    }

    fn with_prefix(&self, at: usize, prefix: &[u8]) -> Vec<Vec<u8>> {
        let files = self.packages[at].files.iter().zip(&self.fates[at]);
        files
            .filter(|(file, fate)| !file.flags.is_ghost() && !matches!(fate, Fate::LeaveOut | Fate::WrongColor))
            .map(|(file, _)| [b"/", file.path.as_bytes()].concat())
            .filter(|path| path.starts_with(prefix))
            .collect()
    }

    /// rpm looks up packages in the index of their folders: one of these must begin like the prefix.
    fn with_folder_prefix(&self, at: usize, prefix: &[u8]) -> Vec<Vec<u8>> {
        let folder = |path: &RelPath| match path.parent() {
            Some(parent) if !parent.is_root() => [b"/", parent.as_bytes(), b"/"].concat(),
            _ => b"/".to_vec(),
        };
        if self.packages[at].files.iter().any(|file| folder(&file.path).starts_with(prefix)) {
            self.with_prefix(at, prefix)
        } else {
            Vec::new()
        }
    }
}

fn matches(source: &Package, condition: &crate::rpm::Capability) -> bool {
    condition.name == source.name
        && source.capabilities.provides.iter().any(|it| it.name == condition.name && overlap(it, condition))
}

fn run<'packages>(
    owner: &'packages Package,
    event: Event,
    scriptlet: &'packages Scriptlet,
    args: [u32; 2],
) -> Run<'packages> {
    let kind = if event == Event::PreInstall { Kind::TriggerPreIn } else { Kind::TriggerIn };
    Run { owner, kind, scriptlet, args: args.into(), stdin: Vec::new() }
}
