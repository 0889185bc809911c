//! Whatever a stage says, on its way to the person.

use std::{io, path::PathBuf};

use crate::{
    cache, image, inputs, lock, oci, profile, repo,
    report::{Diagnostic, Exit, Explain},
    sandbox, solve,
    units::Bytes,
    verify,
};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile.
    #[error(transparent)]
    Profile(#[from] profile::Faults),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// Repositories and packages.
    #[error(transparent)]
    Repo(#[from] repo::Error),
    /// The solver.
    #[error(transparent)]
    Solve(#[from] solve::Error),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// Container images.
    #[error(transparent)]
    Images(#[from] oci::Error),
    /// What kubeadm says of the control plane's images.
    #[error("{}", .0.message)]
    ControlPlane(Diagnostic),
    /// The user's files.
    #[error(transparent)]
    Inputs(#[from] inputs::Error),
    /// Reading a finished image.
    #[error(transparent)]
    Open(#[from] image::source::OpenError),
    /// Reading what is in a finished image.
    #[error(transparent)]
    Facts(#[from] verify::Error),
    /// A package whose SHA-256 nobody knows.
    #[error("package `{0}` has no SHA-256")]
    Unpinned(String),
    /// A secret that was not given.
    #[error("the profile asks for secret `{0}`, which was not given")]
    Secret(String),
    /// A secret that could not be one field of a file.
    #[error("the value of secret `{0}` is empty, begins with a space, or holds a control character or a colon")]
    SecretText(String),
    /// The work folder.
    #[error("cannot use the work folder")]
    Work {
        /// What the system said.
        source: io::Error,
    },
    /// The folder that is to keep what failed has something in it.
    #[error("`{}` is not empty", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder that no build left.
    #[error("`{}` holds no tree that a build kept", folder.display())]
    NotKept {
        /// The folder.
        folder: PathBuf,
    },
    /// Less room than the build needs.
    #[error("`{}` has {have} free, and this build needs about {need}", folder.display())]
    Room {
        /// Where.
        folder: PathBuf,
        /// What chooses another place.
        option: &'static str,
        /// Estimated.
        need: Bytes,
        /// Free.
        have: Bytes,
    },
    /// The output folder.
    #[error("cannot write to `{}`", folder.display())]
    Output {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What went wrong inside the sandbox, as it was told there.
    #[error("{}", diagnostics.first().map_or("the build failed", |first| first.message.as_str()))]
    Inside {
        /// The exit code that it has.
        exit: Exit,
        /// All faults.
        diagnostics: Vec<Diagnostic>,
    },
    /// The finished image breaks promises; it is not kept.
    #[error("the image breaks {} of its layout's promises", .0.len())]
    Findings(Vec<verify::Finding>),
}

impl Error {
    /// The stage's own error, where there is one.
    fn inner(&self) -> Option<&dyn Stage> {
        Some(match self {
            Self::Profile(error) => error,
            Self::Sandbox(error) => error,
            Self::Cache(error) => error,
            Self::Repo(error) => error,
            Self::Solve(error) => error,
            Self::Lock(error) => error,
            Self::Images(error) => error,
            Self::Inputs(error) => error,
            Self::Open(error) => error,
            Self::Facts(error) => error,
            _ => return None,
        })
    }
}

/// [`Explain`] without the size of its implementor.
trait Stage {
    fn exit_code(&self) -> Exit;
    fn told(&self) -> Vec<Diagnostic>;
}

impl<E: Explain> Stage for E {
    fn exit_code(&self) -> Exit {
        self.exit()
    }

    fn told(&self) -> Vec<Diagnostic> {
        self.diagnostics()
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Secret(_) | Self::SecretText(_) | Self::NotEmpty { .. } | Self::NotKept { .. } => Exit::Usage,
            Self::Work { .. } | Self::Room { .. } | Self::Output { .. } => Exit::Host,
            Self::Inside { exit, .. } => *exit,
            Self::Findings(_) => Exit::Verification,
            _ => self.inner().map_or(Exit::Build, Stage::exit_code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Secret(name) => vec![format!("`--secret {name}=env:VARIABLE` or `--secret {name}=file:PATH`")],
            Self::NotEmpty { folder } => {
                vec![format!("`rowi shell --remove {}` removes a tree that was kept there", folder.display())]
            }
            Self::NotKept { .. } => vec!["name the folder that `--keep-failed` named".into()],
            Self::Room { option, .. } => vec![format!("make room, or choose another place with `{option}`")],
            Self::Work { source } if cache::is_full(source) => {
                vec!["make room, or choose another place with `--work-dir`".into()]
            }
            Self::Output { source, .. } if cache::is_full(source) => {
                vec!["make room, or choose another place with `--output`".into()]
            }
            Self::Output { .. } => vec!["choose another folder with `--output`".into()],
            _ => Vec::new(),
        }
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Inside { diagnostics, .. } => diagnostics.clone(),
            Self::ControlPlane(diagnostic) => vec![diagnostic.clone()],
            Self::Findings(findings) => {
                let mut diagnostic = Diagnostic::from_chain(self);
                let shown = findings.iter().map(|it| format!("{}: {} ({})", it.rule, it.fault, it.breaks));
                diagnostic.because = shown.collect();
                diagnostic.hints = vec!["`--no-verify` keeps it all the same, to look at".into()];
                vec![diagnostic]
            }
            _ => self.inner().map(Stage::told).unwrap_or_else(|| {
                let mut diagnostic = Diagnostic::from_chain(self);
                diagnostic.hints = self.hints();
                vec![diagnostic]
            }),
        }
    }
}
