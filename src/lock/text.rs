//! The lock as text: a subset of YAML that is written by hand, for one line a package, and read by any YAML reader.

use std::fmt::{self, Display, Write};

use super::{Image, Lock, MAX_SIZE, Package, Repository, Section};

/// Most pieces of YAML; a package has some twenty. Ours: ten sections of 20,000 packages.
const MAX_EVENTS: usize = 5_000_000;

/// The version in the line `lock: N`, found without reading the rest.
pub(super) fn version(text: &str) -> Option<u32> {
    text.lines().take(100).find_map(|line| line.strip_prefix("lock:"))?.trim().parse().ok()
}

/// Reads a lock of this version.
pub(super) fn parse(text: &str) -> Result<Lock, String> {
    let options = serde_yaml::options! {
        strict_booleans: true,
        budget: serde_yaml::budget! {
            max_events: MAX_EVENTS,
            max_nodes: MAX_EVENTS,
            max_total_scalar_bytes: MAX_SIZE as usize,
            max_aliases: 0,
            max_anchors: 0,
            max_depth: 16,
        },
    };
    let lock: Lock = serde_yaml::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    for (name, section) in &lock.sections {
        for package in section.packages.iter().chain(&section.tools) {
            let texts = [&package.name, &package.evr, &package.arch, &package.repository, &package.path];
            if texts.iter().any(|text| text.is_empty() || text.chars().any(char::is_control)) {
                return Err(format!("package {:?} of `{name}` has an empty or unreadable value", package.name));
            }
        }
    }
    Ok(lock)
}

impl Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What `rowi lock` chose; keep it under version control. `rowi build --locked` builds exactly this."
        )?;
        writeln!(f, "lock: {}", self.lock)?;
        if self.sections.is_empty() {
            return writeln!(f, "sections: {{}}");
        }
        writeln!(f, "sections:")?;
        self.sections.iter().try_for_each(|(name, section)| write!(f, "  {}:\n{section}", scalar(name)))
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        let (install, forbid, languages) = (flow(&asked.install), flow(&asked.forbid), flow(&asked.languages));
        writeln!(f, "    asked:\n      recommends: {}\n      install: {install}", asked.recommends)?;
        writeln!(f, "      forbid: {forbid}\n      languages: {languages}\n    epoch: {}", self.epoch.0)?;
        lines(f, "repositories", &self.repositories)?;
        lines(f, "packages", &self.packages)?;
        lines(f, "images", &self.images)?;
        lines(f, "tools", &self.tools)
    }
}

fn lines(f: &mut fmt::Formatter<'_>, name: &str, list: &[impl Display]) -> fmt::Result {
    if list.is_empty() {
        return writeln!(f, "    {name}: []");
    }
    writeln!(f, "    {name}:")?;
    list.iter().try_for_each(|entry| writeln!(f, "      - {{{entry}}}"))
}

impl Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alias: {}, revision: {}, time: {}", scalar(&self.alias), quoted(&self.revision), self.time)?;
        if let Some(key) = &self.key {
            write!(f, ", key: {}", quoted(key))?;
        }
        self.repomd.iter().try_for_each(|digest| write!(f, ", repomd: {}", quoted(&digest.to_string())))
    }
}

impl Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name: {}, evr: {}, arch: {}", scalar(&self.name), quoted(&self.evr), scalar(&self.arch))?;
        write!(f, ", repository: {}, path: {}", scalar(&self.repository), scalar(&self.path))?;
        write!(f, ", size: {}, sha256: {}", self.size.get(), quoted(&self.sha256.to_string()))?;
        write!(f, ", for: {}", flow(&self.places))
    }
}

impl Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reference: {}, digest: {}", scalar(&self.reference), scalar(&self.digest))
    }
}

/// `[a, "b c"]`
fn flow(texts: &[String]) -> String {
    let mut out = String::from("[");
    for (at, text) in texts.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}{}", if at > 0 { ", " } else { "" }, scalar(text));
    }
    out.push(']');
    out
}

/// A text that any YAML reader takes for this very text: plain where it can only be a word.
fn scalar(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+'));
    let lower = text.to_ascii_lowercase();
    let word = !matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n");
    if first && rest && word { text.to_owned() } else { quoted(text) }
}

/// In double quotes: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
