//! Entries of the Boot Loader Specification (version 1, "Type #1") on the ESP, and the loader's configuration
//! (loader.conf(5)).

use crate::{
    tree::{Kind, RelPath},
    verify::facts::Facts,
};

/// Bytes beside kernel and initrd for a new entry.
const SLACK: u64 = 1 << 20;

struct Entry<'a> {
    /// Its file, in upper case.
    file: &'a str,
    text: String,
}

impl Entry<'_> {
    fn values<'t>(&'t self, key: &'t str) -> impl Iterator<Item = &'t str> {
        self.text.lines().filter_map(move |line| {
            let (word, rest) = line.trim().split_once(char::is_whitespace)?;
            (word == key).then(|| rest.trim())
        })
    }

    /// Names in [`Facts::esp`] of what it starts.
    fn starts(&self) -> impl Iterator<Item = String> {
        ["linux", "initrd"].into_iter().flat_map(|key| self.values(key).map(name))
    }

    /// The subvolume that it mounts as root.
    fn subvolume(&self) -> Option<RelPath> {
        let words = self.values("options").flat_map(str::split_whitespace);
        let options = words.filter_map(|word| word.strip_prefix("rootflags=")).flat_map(|flags| flags.split(','));
        options.filter_map(|option| option.strip_prefix("subvol=")).last().and_then(|path| RelPath::new(path).ok())
    }
}

/// A path on the ESP as [`Facts::esp`] has it.
fn name(path: &str) -> String {
    path.trim_start_matches('/').to_uppercase()
}

fn entries(facts: &Facts) -> Vec<Entry<'_>> {
    let files = facts.esp.iter().filter(|(file, _)| file.starts_with("LOADER/ENTRIES/") && file.ends_with(".CONF"));
    files.map(|(file, text)| Entry { file, text: String::from_utf8_lossy(text).into_owned() }).collect()
}

/// What every entry starts is there.
pub(super) fn files(facts: &Facts) -> Vec<String> {
    let entries = entries(facts);
    let missing = |entry: &Entry<'_>| {
        let file = entry.file.to_owned();
        let missing = entry.starts().filter(|path| !facts.esp.contains_key(path));
        missing.map(|path| format!("`{file}` names `{path}`, which the ESP does not have")).collect::<Vec<_>>()
    };
    let idle =
        entries.iter().filter(|entry| entry.values("linux").next().is_none() && entry.values("efi").count() == 0);
    let idle: Vec<String> = idle.map(|entry| format!("`{}` starts no kernel", entry.file)).collect();
    entries.iter().flat_map(missing).chain(idle).collect()
}

/// What is started by default is the default subvolume, with its own kernel and initrd.
pub(super) fn default(facts: &Facts) -> Vec<String> {
    let Some(config) = facts.esp.get("LOADER/LOADER.CONF") else { return Vec::new() };
    let config = String::from_utf8_lossy(config).into_owned();
    let named = config.lines().find_map(|line| line.trim().strip_prefix("default ")).map(str::trim);
    // A pattern is the loader's to resolve, among entries of another's making.
    let Some(named) = named.filter(|name| !name.contains(['*', '?', '@'])) else { return Vec::new() };
    let file = format!("LOADER/ENTRIES/{}", name(named));
    let entries = entries(facts);
    let Some(entry) = entries.iter().find(|entry| entry.file == file) else {
        return vec![format!("the loader starts `{named}`, which is no entry")];
    };
    let mut faults = Vec::new();
    let root = facts.root().map(|root| root.path.clone()).unwrap_or_default();
    match entry.subvolume() {
        Some(subvolume) if subvolume == root => {}
        Some(subvolume) => {
            faults.push(format!("the loader starts `{subvolume}`, and the default subvolume is `{root}`"));
        }
        None => faults.push(format!("`{file}` names no snapshot, so an old root would run with the newest kernel")),
    }
    let other = entry.starts().filter(|path| facts.esp.get(path).is_some_and(|bytes| !is_in_root(facts, bytes)));
    faults
        .extend(other.map(|path| format!("`{path}` is none of the files that the default subvolume is started with")));
    faults
}

/// Whether the root has a kernel or an initrd of these bytes.
fn is_in_root(facts: &Facts, bytes: &[u8]) -> bool {
    let Some(root) = facts.root() else { return false };
    let folders = ["boot", "usr/lib/modules"].map(|folder| RelPath::new(folder).unwrap_or_default());
    let files = folders.iter().flat_map(|folder| root.tree.below(folder));
    let mut alike = files
        .filter(|(_, node)| matches!(&node.kind, Kind::File { content, .. } if content.len() == bytes.len() as u64));
    alike.any(|(path, _)| (root.read)(path).is_ok_and(|content| content == bytes))
}

/// There is room for another kernel and its initrd.
pub(super) fn room(facts: &Facts) -> Vec<String> {
    let size = |path: &String| facts.esp.get(path).map_or(0, |bytes| bytes.len() as u64);
    let most = entries(facts).iter().map(|entry| entry.starts().map(|path| size(&path)).sum::<u64>()).max();
    let Some(most) = most else { return Vec::new() };
    let used: u64 = facts.esp.keys().map(size).sum();
    if used + most + SLACK <= facts.esp_size {
        return Vec::new();
    }
    let [all, used, most] = [facts.esp_size, used, most].map(|bytes| bytes.div_ceil(1 << 20));
    vec![format!("the ESP has {all} MiB, of which {used} are used, and the next kernel with its initrd needs {most}")]
}
