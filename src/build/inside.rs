//! The inner half: in the sandbox's namespaces, packages become a root, the root a disk, the disk the results.
//!
//! It has no other path than its work folder, which is its working directory; results go to files that it was handed
//! open. Everything that it says goes to standard output as `Line`s.

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    ask::{self, ASK},
    job::{IMAGES, INITRDS, INPUTS, Job, Line, Made, PACKAGES, Shell, TOOL_PACKAGES, When},
};
use crate::{
    cache::is_full,
    disk, image,
    profile::Format,
    report::{Diagnostic, Event, Exit, Explain, Report},
    root::{self, Assembled},
    rpm::signature::Keyring,
    sandbox::{Inside, Registrations, Server, Tools, native},
    strays::{self, Strays},
    system,
};

/// The root's folder below the work folder.
pub(super) const ROOT: &str = "root";
/// The tool root's.
const TOOLS: &str = "tools";
pub(super) const STAGING: &str = "staging";
const SPOOL: &str = "spool";

/// Progress is told no more often than this.
const PROGRESS: Duration = Duration::from_millis(100);

/// The argument that makes the inner half do a build.
pub const BUILD: &str = "build";
/// The argument that makes it open a shell in a tree that was kept.
pub(super) const SHELL: &str = "shell";

/// The life of the inner half of a build, for `main`.
pub fn main(inside: Inside) -> ExitCode {
    let outcome = match inside.args.first().map(String::as_str) {
        Some(ASK) => ask::answer(inside),
        Some(BUILD) => build(inside).map(|made| Line::Done { made }),
        Some(SHELL) => shell(inside).map(|made| Line::Done { made }),
        _ => return ExitCode::from(2),
    };
    let exit = match outcome {
        Ok(end) => {
            say(&end);
            None
        }
        Err(failure) => {
            let exit = failure.exit;
            say(&Line::Failed { exit, diagnostics: failure.diagnostics });
            Some(exit as u8)
        }
    };
    exit.map_or(ExitCode::SUCCESS, ExitCode::from)
}

/// An error on its way out of the sandbox.
pub(super) struct Failure {
    exit: Exit,
    diagnostics: Vec<Diagnostic>,
}

impl<E: Explain + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let (exit, mut diagnostics) = (error.exit(), error.diagnostics());
        if is_out_of_room(&error) || diagnostics.iter().any(says_no_room) {
            let hint = "make room, or choose other places with `--output` and `--work-dir`";
            diagnostics.iter_mut().for_each(|it| it.hints = vec![hint.into()]);
            return Self { exit: Exit::Host, diagnostics };
        }
        Self { exit, diagnostics }
    }
}

/// Whether the disk was full at the bottom of it.
fn is_out_of_room(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_system = |error: &(dyn std::error::Error + 'static)| error.downcast_ref::<io::Error>().is_some_and(is_full);
    let of_database = |error: &(dyn std::error::Error + 'static)| {
        let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        code == Some(rusqlite::ErrorCode::DiskFull)
    };
    std::iter::successors(Some(error), |error| error.source()).any(|error| of_system(error) || of_database(error))
}

/// What the system refused of the inner half's own.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub(super) struct Host {
    what: &'static str,
    source: io::Error,
}

impl Explain for Host {
    fn exit(&self) -> Exit {
        Exit::Host
    }
}

/// Marks an error of the system's with what was to be done.
pub(super) fn host(what: &'static str) -> impl Fn(io::Error) -> Host {
    move |source| Host { what, source }
}

/// Whether a program in the root says so: its language is constant, and glibc's words for ENOSPC are these.
fn says_no_room(diagnostic: &Diagnostic) -> bool {
    let mut lines = std::iter::once(&diagnostic.message).chain(&diagnostic.because);
    lines.any(|line| line.contains("No space left on device"))
}

fn build(inside: Inside) -> Result<Made, Failure> {
    let mut kept = inside.kept.into_iter();
    let job = kept.next().ok_or_else(|| host("read the job")(io::ErrorKind::InvalidInput.into()))?;
    let job: Job = serde_json::from_reader(io::BufReader::new(std::fs::File::from(job)))
        .map_err(|error| host("read the job")(error.into()))?;
    for folder in [ROOT, TOOLS, STAGING, SPOOL] {
        fs_err::create_dir(folder).map_err(host("make the root's folder"))?;
    }
    limit_processors(job.jobs).map_err(host("choose processors"))?;
    root::lua::set_machine(job.plan.arch.as_str());
    let tools = job.tools.as_ref().map(|it| Tools { folder: TOOLS.into(), native: it.native.clone() });
    // Before there is a second thread.
    let terminal = job.shell.as_ref().and_then(|_| kept.next());
    let mut server = Server::for_scriptlets(Path::new(ROOT), inside.procfs, terminal, tools.as_ref())
        .map_err(host("enter the root in the sandbox"))?;
    let report = report();
    let plan = &job.plan;
    if let (Some(tools), Some(registrations)) = (&tools, &inside.registrations) {
        make_tools(&job, tools, registrations, &mut server)?;
    }
    let filled = fill(&job, &mut server, &report);
    if let Some(shell) = &job.shell {
        look_around(shell, &filled, &mut server, &report)?;
        if shell.when == When::Finished {
            return filled.map(|(assembled, system)| made(&assembled, system.version));
        }
    }
    let (assembled, system) = filled?;
    drop(server);
    let initrds = hand_out(kept.next(), &system.initrds).map_err(host("keep the initrds"))?;
    report.stage("write");
    let disk = disk::lay_out(&system.contents, plan, Path::new(SPOOL), &report)?;
    for (format, file) in plan.outputs.iter().zip(kept) {
        let file = fs_err::File::from_parts(file.into(), format.as_str());
        image::write_to(&disk, *format, &file, format.as_str(), &report).map_err(host("write the image"))?;
    }
    let is_flashed = plan.outputs.iter().any(|format| matches!(format, Format::RawXz | Format::RawZst));
    let block_map = is_flashed.then(|| image::block_map(&disk)).transpose().map_err(host("read the disk"))?;
    Ok(Made { initrds, block_map, ..made(&assembled, system.version) })
}

/// The whole root: packages, then the system.
fn fill(job: &Job, server: &mut Server, report: &Report) -> Result<(Assembled, system::System), Failure> {
    let assembled = assemble(job, server, report)?;
    let folders = system::Folders {
        root: Path::new(ROOT),
        inputs: Path::new(INPUTS),
        initrds: Path::new(INITRDS),
        images: Path::new(IMAGES),
        spool: Path::new(SPOOL),
    };
    let system = system::finish(&job.plan, &job.secrets, folders, &assembled, server, report)?;
    let made = strays::made_at_start(system::tmpfiles(&system.contents.tree).into_iter());
    let strays = strays::sentences(&made, &assembled.strays);
    if job.strict && !strays.is_empty() {
        return Err(Strays(strays).into());
    }
    strays.into_iter().for_each(|line| report.warn(line));
    Ok((assembled, system))
}

/// A shell where it was asked for; a build that failed stays failed.
fn look_around<T>(
    shell: &Shell,
    filled: &Result<T, Failure>,
    server: &mut Server,
    report: &Report,
) -> Result<(), Failure> {
    let why = match (filled, shell.when) {
        (Err(failure), _) => failure.diagnostics.first().map_or_else(String::new, |first| first.message.clone()),
        (Ok(_), When::Finished) => "packages, scripts and initrds are in".to_owned(),
        (Ok(_), When::Failed) => return Ok(()),
    };
    open_shell(server, &shell.term, why, report)
}

fn open_shell(server: &mut Server, term: &str, why: String, report: &Report) -> Result<(), Failure> {
    report.emit(Event::ShellOpened { why });
    let ended = server.shell(term);
    report.emit(Event::ShellClosed);
    ended.map_err(host("open a shell in the sandbox"))?;
    Ok(())
}

/// `shell TERM`: a shell in the root below the work folder; the terminal is the only descriptor.
fn shell(inside: Inside) -> Result<Made, Failure> {
    let term = inside.args.get(1).map_or("dumb", String::as_str);
    let terminal = inside.kept.into_iter().next();
    let mut server = Server::for_scriptlets(Path::new(ROOT), inside.procfs, terminal, None)
        .map_err(host("enter the root in the sandbox"))?;
    open_shell(&mut server, term, "the tree that was kept".to_owned(), &report())?;
    Ok(Made::default())
}

/// Writes the initrds that were made, one after the other, for the other half to keep.
fn hand_out(file: Option<OwnedFd>, initrds: &[system::Initrd]) -> io::Result<Vec<(String, u64)>> {
    let mut file = std::fs::File::from(file.ok_or(io::ErrorKind::InvalidInput)?);
    let mut made = Vec::new();
    for initrd in initrds.iter().filter(|initrd| !initrd.found) {
        let Some(content) = &initrd.content else { continue };
        made.push((initrd.name.clone(), io::copy(&mut content.open()?, &mut file)?));
    }
    Ok(made)
}

fn assemble(job: &Job, server: &mut Server, report: &Report) -> Result<Assembled, root::Error> {
    report.stage("install");
    let plan = &job.plan;
    let install = plan.install.clone();
    // Each snapshot has its own of everything else.
    let shared = strays::shared(plan.layout.subvolumes.iter().map(|subvolume| subvolume.path.as_str()));
    let settings = root::Settings { install, epoch: plan.epoch, keys: keyring(job), no_scriptlets: false, shared };
    let packages: Vec<_> = (0..plan.packages.len()).map(|at| Path::new(PACKAGES).join(at.to_string())).collect();
    root::assemble(&packages, &settings, Path::new(ROOT), Path::new(STAGING), server, report)
}

/// Unpacks the tool root, and lets its programs run.
fn make_tools(job: &Job, tools: &Tools, registrations: &Registrations, server: &mut Server) -> Result<(), Failure> {
    let Some(root) = &job.tools else { return Ok(()) };
    root.unpack(Path::new(TOOL_PACKAGES), &tools.folder, Path::new(STAGING), server, job.plan.epoch)?;
    native::begin(registrations, tools).map_err(host("make this machine's programs run in the root"))?;
    Ok(())
}

/// The keys that the plan lists, whatever else lies in their files.
fn keyring(job: &Job) -> Keyring {
    let mut ring = Keyring::default();
    for block in &job.keys {
        // A file without a key that can be read has no trusted one.
        let _ = ring.add(block, "the repository");
    }
    ring.retain(|fingerprint| job.plan.keys.iter().any(|key| key.is(fingerprint)));
    ring
}

fn made(assembled: &Assembled, version: String) -> Made {
    let mut packages: Vec<String> = assembled.installed.iter().map(root::Installed::nvra).collect();
    packages.sort();
    let (allowed, failures) = assembled.failures.iter().partition::<Vec<_>, _>(|failure| failure.allowed.is_some());
    let shown = |failure: &root::Failure| match &failure.allowed {
        Some(reason) => format!("{} of {}: {reason}", failure.scriptlet, failure.package),
        None => format!("{} of {}: {}", failure.scriptlet, failure.package, failure.end),
    };
    Made {
        version,
        packages,
        allowed_failures: allowed.into_iter().map(shown).collect(),
        failures: failures.into_iter().map(shown).collect(),
        files: assembled.files,
        initrds: Vec::new(),
        block_map: None,
    }
}

/// Keeps this process and all that it starts on the first processors of those that it may use.
fn limit_processors(jobs: Option<usize>) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Some(jobs) = jobs else { return Ok(()) };
    let allowed = sched_getaffinity(None)?;
    let mut chosen = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).take(jobs.max(1)).for_each(|cpu| chosen.set(cpu));
    Ok(sched_setaffinity(None, &chosen)?)
}

/// Sends events out, progress now and then.
pub(super) fn report() -> Report {
    let last: Mutex<Option<Instant>> = Mutex::new(None);
    Report::new(move |event| {
        if let Event::Progress { done, total, .. } = &event
            && done != total
        {
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.is_some_and(|last| last.elapsed() < PROGRESS) {
                return;
            }
            *last = Some(Instant::now());
        }
        say(&Line::Event { event });
    })
}

/// The other half may be gone; then this one ends by itself.
fn say(line: &Line) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        let _ = io::stdout().lock().write_all(&text);
    }
}
