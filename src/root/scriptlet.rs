//! A scriptlet of a package becomes a [`Job`] for the sandbox, and what came of it a verdict.
//!
//! The environment is a constant: the same for every scriptlet, machine and user. What a scriptlet gets as arguments
//! and standard input follows rpm (lib/rpmscript.cc, rpm-scriptlets(7)).

use std::{collections::BTreeMap, io};

use crate::units::Epoch;

/// Something to run inside the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// For people: `%post(bash-5.2.15-1.x86_64)`.
    pub name: String,
    /// What runs.
    pub program: Program,
    /// Counts of packages, as rpm hands them over: one for scriptlets, two for triggers. Shell scripts get them as
    /// `$1` and `$2`, Lua as `arg[2]` and `arg[3]`.
    pub args: Vec<u32>,
    /// The whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Standard input: the files that set off a file trigger, one a line; otherwise empty.
    pub stdin: Vec<u8>,
}

/// What a job runs. Everything runs with working directory `/` and umask 022.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A program of the root's.
    Command {
        /// Program with its own arguments.
        argv: Vec<Vec<u8>>,
        /// A script: to be put into a file below `/var/tmp` whose name is appended to `argv`, then the job's counts.
        /// Without one the counts are not passed, as rpm has it.
        script: Option<Vec<u8>>,
    },
    /// A Lua chunk for `lua`, which is to be called in a child of the sandbox's.
    Lua {
        /// The source.
        script: Vec<u8>,
    },
}

/// What came of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Standard output and error together, perhaps cut; not yet made printable.
    pub output: Vec<u8>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    #[default]
    Success,
    /// Another exit code.
    Exit(i32),
    /// A signal.
    Signal(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Exit(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

/// Runs jobs inside the root, one at a time.
pub trait Runner {
    /// Runs one job to its end. A job that fails is no error.
    ///
    /// # Errors
    /// The sandbox itself does not work.
    fn run(&mut self, job: &Job) -> io::Result<Outcome>;
}

/// The kinds of scriptlets and triggers that a fresh installation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Before the transaction.
    PreTrans,
    /// Before the package's files.
    Pre,
    /// After the package's files.
    Post,
    /// After the transaction.
    PostTrans,
    /// A trigger before the files of the package that sets it off.
    TriggerPreIn,
    /// A trigger after them.
    TriggerIn,
    /// A file trigger.
    FileTriggerIn,
    /// A file trigger after the transaction.
    TransFileTriggerIn,
    /// `systemd-sysusers` for the accounts that a package provides.
    SysUsers,
}

impl Kind {
    /// As it is written in spec files and in lists of allowed failures.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreTrans => "%pretrans",
            Self::Pre => "%pre",
            Self::Post => "%post",
            Self::PostTrans => "%posttrans",
            Self::TriggerPreIn => "%triggerprein",
            Self::TriggerIn => "%triggerin",
            Self::FileTriggerIn => "%filetriggerin",
            Self::TransFileTriggerIn => "%transfiletriggerin",
            Self::SysUsers => "%sysusers",
        }
    }

    /// Whether rpm leaves a package out when this fails (rpm-scriptlets(7)); a root that lacks a package is no
    /// result, so the build ends.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::PreTrans | Self::Pre | Self::TriggerPreIn | Self::SysUsers)
    }
}

/// The environment of every scriptlet, before the plan's own variables: they come last and may replace any.
///
/// `SYSTEMD_OFFLINE`: inside our own pid namespace systemctl does not notice that nothing runs. `DRACUT_NO_MKNOD`:
/// dracut makes device nodes only where it may, which would let root's build differ from a user's.
pub fn environment(epoch: Epoch, prefixes: &[String], added: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let constant = [
        ("PATH", "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("SYSTEMD_OFFLINE", "1"),
        ("DRACUT_NO_MKNOD", "1"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ];
    let mut all: BTreeMap<String, String> =
        constant.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.insert("SOURCE_DATE_EPOCH".into(), epoch.0.to_string());
    for (number, prefix) in prefixes.iter().enumerate() {
        all.insert(format!("RPM_INSTALL_PREFIX{number}"), prefix.clone());
        if number == 0 {
            all.insert("RPM_INSTALL_PREFIX".into(), prefix.clone());
        }
    }
    all.extend(added.clone());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_a_constant_that_the_plan_may_add_to() {
        let added = BTreeMap::from([("INITRD".to_owned(), "No".to_owned()), ("TZ".to_owned(), "CET".to_owned())]);
        let all = environment(Epoch(7), &["/opt".into(), "/srv".into()], &added);
        for (name, value) in
            [("SOURCE_DATE_EPOCH", "7"), ("RPM_INSTALL_PREFIX", "/opt"), ("RPM_INSTALL_PREFIX1", "/srv"), ("TZ", "CET")]
        {
            assert_eq!(all[name], value);
        }
        assert_eq!(all.len(), 12);
    }
}
