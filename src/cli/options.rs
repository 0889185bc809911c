//! Arguments as typed become checked options: what `build`, `plan`, `lock` and `why` share, and what only `build` has.

use std::{collections::BTreeMap, env, path::PathBuf};

use clap::{Args, ValueEnum};

use super::{Failure, Global};
use crate::{
    build,
    profile::{Arch, Choice, Format},
    units::Epoch,
};

/// Longest secret that is read from a file; a password or key is far shorter.
const MAX_SECRET: u64 = 64 << 10;

/// Which image, and how it differs from its profile.
#[derive(Clone, Debug, Args)]
pub(super) struct ChoiceArgs {
    /// Profile: a name (see `rowi profiles`) or a path
    #[arg(long, short, value_name = "PROFILE")]
    profile: String,
    /// Platform: a name or a path; otherwise the profile's
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Processor; otherwise the platform's first
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<ArchArg>,
    /// Distribution: a name or a path; otherwise the profile's
    #[arg(long, value_name = "DISTRIBUTION")]
    distribution: Option<String>,
    /// Use another address for a repository, or one more repository
    #[arg(long, value_name = "ALIAS=URL", value_parser = pair)]
    repo: Vec<String>,
    /// Install one more package
    #[arg(long, value_name = "NAME")]
    package: Vec<String>,
    /// Change a value of the profile
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<String>,
    /// Fetch from TO what has an address below FROM; recorded nowhere
    #[arg(long, value_name = "FROM=TO", value_parser = pair)]
    mirror: Vec<String>,
    /// Take warnings about the profile as errors
    #[arg(long)]
    strict: bool,
}

/// Where packages come from.
#[derive(Clone, Debug, Args)]
pub(super) struct SourceArgs {
    /// Use what is in the cache and no network
    #[arg(long)]
    offline: bool,
    /// Do not look at signatures (dangerous: whoever serves the packages decides what is in the image)
    #[arg(long)]
    no_signatures: bool,
}

/// Packages from the lock instead of the solver.
#[derive(Clone, Debug, Args)]
pub(super) struct LockedArgs {
    /// Take the packages of the lock file, and no others
    #[arg(long)]
    pub(super) locked: bool,
}

/// Build an image
#[derive(Clone, Debug, Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    locked: LockedArgs,
    /// Formats to write; otherwise the platform's
    #[arg(long, value_delimiter = ',', value_enum, value_name = "FORMAT")]
    format: Vec<FormatArg>,
    /// Folder for the results
    #[arg(long, short, default_value = "out", value_name = "DIR")]
    output: PathBuf,
    /// Folder for half-made things; otherwise beside the cache
    #[arg(long, env = "ROWI_WORK_DIR", value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Give a secret that the profile names
    #[arg(long, value_name = "NAME=env:VAR|file:PATH", value_parser = pair)]
    secret: Vec<String>,
    /// End the build at any failing scriptlet that the distribution does not know
    #[arg(long)]
    strict_scriptlets: bool,
    /// Keep the tree in DIR if the build fails; `rowi shell DIR` looks into it
    #[arg(long, value_name = "DIR", conflicts_with = "work_dir")]
    keep_failed: Option<PathBuf>,
    /// Open a shell in the sandbox at the step that fails
    #[arg(long)]
    pub(super) shell: bool,
    /// Do not read the finished image back
    #[arg(long)]
    no_verify: bool,
    /// Use so many processors; otherwise all
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArchArg {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "aarch64")]
    Aarch64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Raw,
    Qcow2,
    /// For flashing programs, with a block map beside it
    #[value(name = "raw.xz")]
    RawXz,
    /// The same, faster, for programs that read zstd
    #[value(name = "raw.zst")]
    RawZst,
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            Self::Raw => Format::Raw,
            Self::Qcow2 => Format::Qcow2,
            Self::RawXz => Format::RawXz,
            Self::RawZst => Format::RawZst,
        }
    }
}

fn pair(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected `NAME=VALUE`".into()),
    }
}

impl ChoiceArgs {
    /// What the profile's loader needs to know.
    pub(super) fn choice(&self) -> Choice {
        Choice {
            profile: self.profile.clone(),
            platform: self.platform.clone(),
            arch: self.arch.map(|arch| match arch {
                ArchArg::X86_64 => Arch::X86_64,
                ArchArg::Aarch64 => Arch::Aarch64,
            }),
            distribution: self.distribution.clone(),
            formats: None,
            set: self.set.clone(),
            packages: self.package.clone(),
            repositories: self.repo.clone(),
            mirrors: self.mirror.clone(),
            strict: self.strict,
        }
    }

    /// Options of everything that only looks: nothing is written but the cache.
    pub(super) fn options(&self, source: &SourceArgs, global: &Global) -> Result<build::Options, Failure> {
        Ok(build::Options {
            choice: self.choice(),
            cache: global.cache.clone(),
            offline: source.offline,
            no_signatures: source.no_signatures,
            epoch: epoch()?,
            ..build::Options::default()
        })
    }
}

impl BuildArgs {
    /// The checked options.
    pub(super) fn options(&self, global: &Global) -> Result<build::Options, Failure> {
        let mut options = self.choice.options(&self.source, global)?;
        if !self.format.is_empty() {
            options.choice.formats = Some(self.format.iter().map(|format| format.format()).collect());
        }
        Ok(build::Options {
            locked: self.locked.locked,
            output: self.output.clone(),
            work: self.work_dir.clone(),
            keep_failed: self.keep_failed.clone(),
            strict_scriptlets: self.strict_scriptlets,
            no_verify: self.no_verify,
            jobs: self.jobs.map(usize::from),
            secrets: secrets(&self.secret)?,
            ..options
        })
    }
}

/// `SOURCE_DATE_EPOCH`.
fn epoch() -> Result<Option<Epoch>, Failure> {
    let Some(text) = env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok());
    let wrong = || Failure::usage("`SOURCE_DATE_EPOCH` is not a number of seconds since 1970");
    seconds.map(|seconds| Some(Epoch(seconds.into()))).ok_or_else(wrong)
}

pub(super) fn secrets(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = given.iter().filter_map(|text| text.split_once('='));
    pairs.map(|(name, from)| Ok((name.to_owned(), secret(name, from)?))).collect()
}

/// One secret's value; a file's last line break is not part of it.
fn secret(name: &str, from: &str) -> Result<String, Failure> {
    if let Some(variable) = from.strip_prefix("env:") {
        let value = env::var(variable);
        return value.map_err(|cause| {
            Failure::usage(format!("secret `{name}`: cannot read the variable `{variable}`")).because(cause)
        });
    }
    let Some(path) = from.strip_prefix("file:") else {
        // The text itself is not shown: it may be the secret.
        return Err(Failure::usage(format!("secret `{name}` is neither `env:VARIABLE` nor `file:PATH`")));
    };
    let failed = |cause| Failure::usage(format!("secret `{name}` cannot be read")).because(cause);
    let file = fs_err::File::open(path).map_err(failed)?;
    let mut value = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_SECRET), &mut value).map_err(failed)?;
    Ok(value.trim_end_matches(['\n', '\r']).to_owned())
}
