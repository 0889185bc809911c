//! What a user adds to the root and to its checks.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;

/// A folder laid over the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its name or path as given.
    pub name: String,
    /// The folder on the host, or nothing for one that is built into the program.
    pub folder: Option<PathBuf>,
    /// The line that names it.
    pub place: Place,
}

/// A single file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// Absolute path in the root.
    pub path: String,
    /// What is there.
    pub source: FileSource,
    /// Permission bits.
    pub mode: u32,
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
    /// The line that asks.
    pub place: Place,
}

/// Where a single file's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSource {
    /// The text itself.
    Content(String),
    /// A file on the host.
    Source(PathBuf),
    /// A symbolic link's target.
    Link(String),
}

/// A program of the user's run inside the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// A file on the host.
    pub run: PathBuf,
    /// When.
    pub at: ScriptTime,
    /// The line that asks.
    pub place: Place,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScriptTime {
    /// After the last package.
    Packages,
    /// After rowi's own configuration, before the initrd.
    #[default]
    Last,
}

/// A check of the user's inside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What the table shows.
    pub name: String,
    /// A shell command; exit status 0 passes.
    pub run: String,
    /// Seconds to keep trying; 0 is once.
    pub within: u64,
    /// `boot`, `update` or `rollback`.
    pub after: String,
}
