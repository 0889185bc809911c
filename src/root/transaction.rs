//! The transaction: everything of all packages in rpm's order, with contents staged ahead by other threads.
//!
//! `%pretrans` of all; then package by package: accounts, `%triggerprein`, `%pre`, files, database, file triggers of
//! high priority, `%post`, `%triggerin`, other file triggers; then `%posttrans` of all, and transaction file triggers.
//! (`rpmtsRun` in lib/transaction.cc, `rpmPackageInstall` in lib/psm.cc, rpm 4.20.)

use std::{path::Path, thread};

use super::{
    Assembled, Error, Failure, Settings, accounts,
    commit::Commit,
    error::tail,
    fate::Fate,
    lua,
    package::Package,
    scriptlet::{self, End, Job, Kind, Outcome, Program, Runner},
    stage::Stage,
    store::Store,
    trigger::{Class, Database, Run},
};
use crate::{
    report::Report,
    rpm::{Scriptlet, capabilities, triggers::Event},
    strays::Stray,
};

/// A transaction that runs: packages in their order.
pub(super) struct Transaction<'a> {
    pub(super) packages: &'a [Package],
    pub(super) fates: Vec<Vec<Fate>>,
    pub(super) settings: &'a Settings,
    pub(super) runner: &'a mut dyn Runner,
    pub(super) report: &'a Report,
    pub(super) commit: Commit,
    pub(super) store: Store,
    pub(super) installed: usize,
    pub(super) failures: Vec<Failure>,
}

impl Transaction<'_> {
    /// `%pretrans` of all packages. Comes before files are decided about.
    pub(super) fn before(&mut self) -> Result<(), Error> {
        for package in self.packages {
            self.scriptlet(package, package.scriptlets.pretrans.as_ref(), Kind::PreTrans, 1)?;
        }
        Ok(())
    }

    /// Installs all packages, staged in `folder` by as many threads as there are processors.
    pub(super) fn install(&mut self, folder: &Path) -> Result<(), Error> {
        let fates = std::mem::take(&mut self.fates);
        let packages = self.packages;
        let stage = Stage::new(packages, &fates, folder);
        let done = thread::scope(|scope| {
            let workers = thread::available_parallelism().map_or(1, usize::from);
            for worker in 0..workers {
                let stage = &stage;
                scope.spawn(move || stage.work(worker == 0));
            }
            let done = (0..packages.len()).try_for_each(|at| self.package(at, &stage, &fates));
            stage.stop();
            done
        });
        self.fates = fates;
        done
    }

    fn package(&mut self, at: usize, stage: &Stage<'_>, fates: &[Vec<Fate>]) -> Result<(), Error> {
        let package = &self.packages[at];
        self.report.progress(at as u64, self.packages.len() as u64, package.label.clone());
        let count = self.database(fates).count(&package.name) + 1;
        self.accounts(package)?;
        self.runs(self.database(fates).triggers(at, Event::PreInstall))?;
        self.scriptlet(package, package.scriptlets.pre.as_ref(), Kind::Pre, count)?;
        let staged = stage.wait(at)?;
        self.commit.package(package, &fates[at], &staged, self.report)?;
        drop(staged);
        self.refresh_if_accounts(package)?;
        self.store.add(package, &fates[at])?;
        self.installed = at + 1;
        self.runs(self.database(fates).file_triggers(at, Class::High))?;
        self.scriptlet(package, package.scriptlets.post.as_ref(), Kind::Post, count)?;
        self.runs(self.database(fates).triggers(at, Event::Install))?;
        self.runs(self.database(fates).file_triggers(at, Class::Low))
    }

    /// `%posttrans` of all packages, then transaction file triggers.
    pub(super) fn after(&mut self) -> Result<(), Error> {
        let fates = std::mem::take(&mut self.fates);
        for package in self.packages {
            let count = self.database(&fates).count(&package.name);
            self.scriptlet(package, package.scriptlets.posttrans.as_ref(), Kind::PostTrans, count)?;
        }
        for at in 0..self.packages.len() {
            self.runs(self.database(&fates).transaction_file_triggers(at))?;
        }
        self.fates = fates;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Assembled, Error> {
        let (keys, strays) = (self.store.keys(), self.strays());
        self.store.finish(&mut self.commit.root)?;
        Ok(Assembled {
            installed: self.packages.iter().map(Into::into).chain(keys).collect(),
            failures: self.failures,
            devices: self.commit.devices,
            unknown_owners: self.commit.unknown_owners,
            files: self.commit.placed,
            strays,
        })
    }

    /// What packages placed in places that all snapshots share.
    fn strays(&self) -> Vec<Stray> {
        let of = |(package, fates): (&Package, &Vec<Fate>)| {
            let placed = package.files.iter().zip(fates).filter(|(_, fate)| fate.is_placed()).map(|(file, _)| file);
            Stray::of(&package.label, placed, &self.settings.shared)
        };
        self.packages.iter().zip(&self.fates).filter_map(of).collect()
    }

    fn database<'b>(&self, fates: &'b [Vec<Fate>]) -> Database<'b>
    where
        Self: 'b,
    {
        Database { packages: self.packages, fates, installed: self.installed }
    }

    /// The accounts that a package provides; openSUSE's rpm makes none (rpm.spec of its rpm 4.20: the macro is disabled).
    fn accounts(&mut self, package: &Package) -> Result<(), Error> {
        let lines = capabilities::sysusers(&package.capabilities.provides);
        let lines: Vec<accounts::Line> = lines.iter().filter_map(|line| accounts::parse(line)).collect();
        if lines.is_empty() || self.settings.install.own_accounts {
            return Ok(());
        }
        let made = accounts::create(&mut self.commit.root, &lines, self.settings.epoch);
        made.and_then(|_| self.commit.refresh()).map_err(|source| Error::io("make a package's accounts", source))
    }

    /// Files that hold accounts came with the package itself.
    fn refresh_if_accounts(&mut self, package: &Package) -> Result<(), Error> {
        const FILES: [&[u8]; 6] =
            [b"etc/passwd", b"etc/group", b"usr/lib/passwd", b"usr/lib/group", b"usr/etc/passwd", b"usr/etc/group"];
        if !package.files.iter().any(|file| FILES.contains(&file.path.as_bytes())) {
            return Ok(());
        }
        self.commit.refresh().map_err(|source| Error::io("read the root's accounts", source))
    }

    fn scriptlet(
        &mut self,
        package: &Package,
        scriptlet: Option<&Scriptlet>,
        kind: Kind,
        count: u32,
    ) -> Result<(), Error> {
        let Some(scriptlet) = scriptlet else { return Ok(()) };
        self.run(&Run { owner: package, kind, scriptlet, args: vec![count], stdin: Vec::new() })
    }

    fn runs(&mut self, runs: Vec<Run<'_>>) -> Result<(), Error> {
        runs.iter().try_for_each(|run| self.run(run))
    }

    fn run(&mut self, run: &Run<'_>) -> Result<(), Error> {
        if self.settings.no_scriptlets {
            return Ok(());
        }
        let job = job(run, self.settings)?;
        self.store.flush(&mut self.commit.root)?;
        let outcome = self.runner.run(&job).map_err(|source| Error::io("run a scriptlet in the sandbox", source))?;
        self.commit.refresh().map_err(|source| Error::io("read the root after a scriptlet", source))?;
        self.judge(run, outcome)
    }

    /// Failures before a package's files end the build; later ones are counted, and end it where that is wanted.
    fn judge(&mut self, run: &Run<'_>, outcome: Outcome) -> Result<(), Error> {
        if outcome.end == End::Success {
            return Ok(());
        }
        let name = run.kind.name();
        let install = &self.settings.install;
        let allowed = install.allowed_failures.iter().find(|it| it.package == run.owner.name && it.scriptlet == name);
        if run.kind.is_fatal() || allowed.is_none() && install.strict_scriptlets {
            let package = run.owner.label.clone();
            return Err(Error::Scriptlet { package, kind: run.kind, end: outcome.end, output: outcome.output });
        }
        match allowed {
            Some(allowed) => {
                self.report.note(format!("{name} of `{}` failed as expected: {}", run.owner.label, allowed.reason));
            }
            None => {
                let said = tail(&outcome.output);
                self.report.warn(format!("{name} of `{}` failed: {}{said}", run.owner.label, outcome.end));
            }
        }
        self.failures.push(Failure {
            package: run.owner.name.clone(),
            scriptlet: name.into(),
            end: outcome.end,
            allowed: allowed.map(|allowed| allowed.reason.clone()),
            output: outcome.output,
        });
        Ok(())
    }
}

/// The job that runs a script.
fn job(run: &Run<'_>, settings: &Settings) -> Result<Job, Error> {
    let fault = |fault: String| Error::Text { package: run.owner.label.clone(), fault };
    let flags = run.scriptlet.flags;
    let script = match &run.scriptlet.body {
        Some(body) if flags.is_expanded() => {
            let text = String::from_utf8_lossy(body);
            let expanded = lua::expand(&text).map_err(|why| fault(format!("{}: {why}", run.kind.name())))?;
            Some(expanded.into_bytes())
        }
        Some(body) if flags.is_query_format() && body.contains(&b'%') => {
            return Err(fault(format!("{} is a query format, which nothing uses", run.kind.name())));
        }
        body => body.clone(),
    };
    let program = if run.scriptlet.interpreter[0] == "<lua>" {
        Program::Lua { script: script.unwrap_or_default() }
    } else {
        Program::Command {
            argv: run.scriptlet.interpreter.iter().map(|arg| arg.clone().into_bytes()).collect(),
            script,
        }
    };
    Ok(Job {
        name: format!("{}({})", run.kind.name(), run.owner.label),
        program,
        args: run.args.clone(),
        environment: scriptlet::environment(settings.epoch, &run.owner.prefixes, &settings.install.environment),
        stdin: run.stdin.clone(),
    })
}
