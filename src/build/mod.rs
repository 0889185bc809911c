//! The stages joined: what is asked becomes files in the output folder.
//!
//! ```text
//! choose   profile ─→ repo ─→ solve | lock            in the caller's process, touches nothing
//! plan     fetch ─→ ask kubeadm, in the sandbox ─→ inputs ─→ plan
//! inside   root ─→ system ─→ disk ─→ image            in the sandbox, owns files as anyone
//! results  verify ─→ digests, names, manifest
//! ```
//!
//! The inner half is this program again ([`crate::sandbox`]); it gets a `Job` and open files, and answers with
//! events and what it made. It sees no path but those of its work folder.

mod ask;
mod choose;
mod error;
mod images;
mod initrds;
pub mod inside;
mod job;
pub mod kept;
mod outside;
mod results;
mod room;
mod secrets;
mod tools;

use std::path::{Path, PathBuf};

use crate::{
    cache::Cache,
    image, inputs, oci,
    plan::{self, Plan},
    profile::{self, Loaded},
    repo,
    report::Report,
    sandbox,
    units::Epoch,
    verify,
};

pub use choose::{Chosen, Packages, choose, lock_path, packages};
pub use error::Error;
pub use images::{control_plane, images};
pub use kept::Terminal;
pub use outside::sweep;
pub use results::{Built, ResultFile};
pub use secrets::Secrets;
pub use tools::{Tools, tools};

/// What the command line says about a build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which profile, platform, distribution, and what is changed about them.
    pub choice: profile::Choice,
    /// Where results go.
    pub output: PathBuf,
    /// Where the cache is; nothing: the user's.
    pub cache: Option<PathBuf>,
    /// Where half-made things lie; nothing: in the cache.
    pub work: Option<PathBuf>,
    /// Where half-made things lie and stay if the build fails.
    pub keep_failed: Option<PathBuf>,
    /// The terminal of a shell in the root at the step that fails.
    pub shell: Option<Terminal>,
    /// Whether the packages are those of the lock file.
    pub locked: bool,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Whether signatures are not looked at.
    pub no_signatures: bool,
    /// Whether any scriptlet that fails and is not on the distribution's list ends the build.
    pub strict_scriptlets: bool,
    /// Whether the finished image is not verified.
    pub no_verify: bool,
    /// Processors that the build may use; nothing: all.
    pub jobs: Option<usize>,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Option<Epoch>,
    /// Values of `{secret: NAME}`.
    pub secrets: Secrets,
}

/// Builds an image.
///
/// # Errors
/// Whatever a stage says; the output folder is then as it was.
pub fn run(options: &Options, report: &Report) -> Result<Built, Error> {
    let mut ready = prepare(options, job::When::Failed, report)?;
    let built = image(options, &mut ready, report);
    if let (Err(_), Some(folder)) = (&built, &options.keep_failed) {
        ready.work.keep();
        let folder = folder.display();
        report.note(format!(
            "the tree is kept: look into it with `rowi shell {folder}`, then `rowi shell --remove {folder}`"
        ));
    }
    built
}

/// From the sandbox to the results.
fn image(options: &Options, ready: &mut outside::Ready, report: &Report) -> Result<Built, Error> {
    let results = results::Files::create(&options.output, &ready.job.plan)?;
    let made = outside::run(ready, &results.descriptors().collect::<Vec<_>>(), report)?;
    ready.initrds.keep(&ready.cache, &made.initrds)?;
    if !options.no_verify {
        report.stage("verify");
        verify_first(&results)?;
    }
    results.keep(&ready.job.plan, made, report)
}

/// Builds no image, but opens a shell in the finished tree, or at the step that fails.
///
/// # Errors
/// Whatever a stage says.
pub fn shell(options: &Options, report: &Report) -> Result<(), Error> {
    let ready = prepare(options, job::When::Finished, report)?;
    outside::run(&ready, &[], report).map(drop)
}

/// Everything up to the sandbox.
fn prepare(options: &Options, when: job::When, report: &Report) -> Result<outside::Ready, Error> {
    let (mut loaded, secrets) = load(options, report)?;
    secrets::check(&mut loaded.profile, &secrets)?;
    let means = sandbox::emulate(outside::means(report)?, loaded.profile.arch)?;
    let cache = open_cache(options)?;
    let mut images = images(&loaded.profile.preload, &loaded, &secrets, options, &cache, report)?;
    let Packages { list, epoch, files, keys, tools } = choose::fetched(&loaded, options, &cache, report)?;
    let asked = ask::control_plane(&loaded, &files, options, &cache, report)?;
    images.extend(self::images(&asked, &loaded, &secrets, options, &cache, report)?);
    let work = outside::Work::make(options, &cache, &means)?;
    let contents = plan::Contents { packages: list, images: images.iter().map(oci::Image::to_plan).collect() };
    let plan = plan(options, &loaded, contents, epoch, &work.inputs())?;
    let shell = options.shell.as_ref().map(|terminal| job::Shell { when, term: terminal.term.clone() });
    let (tools, tool_files) = tools.unzip();
    let job = job::Job { plan, keys, jobs: options.jobs, secrets, strict: options.choice.strict, shell, tools };
    let initrds = initrds::Initrds::open(&cache, &job)?;
    let terminal = options.shell.as_ref().map(|terminal| terminal.descriptor.clone());
    let blobs = images.into_iter().flat_map(|image| image.blobs).collect();
    let tool_files = tool_files.unwrap_or_default();
    Ok(outside::Ready { job, files, tool_files, blobs, initrds, work, terminal, cache })
}

/// Loads the profile, with its literal secrets taken out; they are added to those that were given.
///
/// # Errors
/// All faults of the profile.
pub fn load(options: &Options, report: &Report) -> Result<(Loaded, Secrets), Error> {
    let mut loaded = profile::load(&options.choice)?;
    loaded.warnings.iter().for_each(|warning| report.warn(warning));
    let mut secrets = options.secrets.clone();
    secrets::hide(&mut loaded.profile, &mut secrets);
    Ok((loaded, secrets))
}

/// Makes the plan, with copies of the user's files in `inputs`.
///
/// # Errors
/// A file that the profile names cannot be taken.
pub fn plan(
    options: &Options,
    loaded: &Loaded,
    contents: plan::Contents,
    newest: Epoch,
    inputs: &Path,
) -> Result<Plan, Error> {
    let inputs = inputs::resolve(&loaded.profile, inputs)?;
    let epoch = options.epoch.unwrap_or(newest);
    let how = plan::Options { epoch, strict_scriptlets: options.strict_scriptlets };
    Ok(plan::plan(&loaded.profile, contents, &inputs, how))
}

/// Opens the cache and removes what builds left that were killed.
fn open_cache(options: &Options) -> Result<Cache, Error> {
    let folder = options.cache.clone().map_or_else(Cache::default_folder, Ok)?;
    let cache = Cache::open(folder)?;
    sweep(&cache);
    Ok(cache)
}

/// Reads the first result back and holds it against every promise.
fn verify_first(results: &results::Files) -> Result<(), Error> {
    let Some(image) = results.paths().next() else { return Ok(()) };
    let facts = verify::Facts::read(image::Source::open(&image)?)?;
    match verify::verify(&facts) {
        findings if findings.is_empty() => Ok(()),
        findings => Err(Error::Findings(findings)),
    }
}

/// Access to repositories, as the options have it.
fn access<'a>(cache: &'a Cache, loaded: &'a Loaded, options: &Options, report: &'a Report) -> repo::Access<'a> {
    repo::Access::new(cache, report).offline(options.offline).keys(&loaded.keys)
}
