//! What the two halves of a build say to each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tools::ToolRoot;
use crate::{
    plan::Plan,
    report::{Diagnostic, Event, Exit},
};

/// Folder of package files below the work folder; named by the package's place in the plan.
pub(super) const PACKAGES: &str = "packages";
/// Folder of the user's files below the work folder, by SHA-256.
pub(super) const INPUTS: &str = "inputs";

/// Folder of container images' blobs below the work folder, by SHA-256.
pub(super) const IMAGES: &str = "images";

/// Folder of the tool root's package files, by number.
pub(super) const TOOL_PACKAGES: &str = "tool-packages";

/// Folder of earlier builds' initrds below the work folder, by name.
pub(super) const INITRDS: &str = "initrds";

/// What the inner half is to do. Its descriptors are this job, a terminal if there is to be a shell, a file for the
/// initrds that it makes, then one open file for each output of the plan.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) plan: Plan,
    /// Files with the keys that the plan lists by fingerprint.
    pub(super) keys: Vec<Vec<u8>>,
    /// Processors that it may use; nothing: all.
    pub(super) jobs: Option<usize>,
    /// Values of secrets that the plan names. Never written anywhere but into the image.
    pub(super) secrets: BTreeMap<String, String>,
    /// Whether what would be a warning ends the build.
    pub(super) strict: bool,
    /// Whether a person wants to look.
    pub(super) shell: Option<Shell>,
    /// What stands in for programs of a root for another machine.
    pub(super) tools: Option<ToolRoot>,
}

/// A shell in the root.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Shell {
    pub(super) when: When,
    /// The terminal's name, `$TERM`.
    pub(super) term: String,
}

/// When a shell begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum When {
    /// At the step that fails.
    Failed,
    /// When the tree is finished, instead of writing it.
    Finished,
}

/// One line that the inner half writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(super) enum Line {
    /// Something for the report.
    Event {
        event: Event,
    },
    /// The end of a build that failed.
    Failed {
        exit: Exit,
        diagnostics: Vec<Diagnostic>,
    },
    Done {
        made: Made,
    },
    /// What a program answered.
    Said {
        said: String,
    },
}

/// What the inner half made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// The version in the results' names.
    pub(super) version: String,
    /// As `rpm -qa` lists them, sorted.
    pub(super) packages: Vec<String>,
    /// Scriptlets that failed as the distribution knows, with the reason.
    pub(super) allowed_failures: Vec<String>,
    /// Other scriptlets that failed.
    pub(super) failures: Vec<String>,
    /// Files of the root.
    pub(super) files: u64,
    /// The initrds in the file that was handed in, in their order: name and length in bytes.
    pub(super) initrds: Vec<(String, u64)>,
    /// The map of the disk's blocks, where a result is for a flashing program.
    pub(super) block_map: Option<String>,
}
