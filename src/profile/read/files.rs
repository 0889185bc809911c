//! Overlays, single files, scripts and checks.

use std::path::PathBuf;

use super::{Reader, string, word};
use crate::profile::{
    Check, ExtraFile, FileSource, Overlay, Script, ScriptTime, builtin, faults::nearest, find, node::Node, scalar,
};

/// Mode of a single file where none is given.
const DEFAULT_MODE: u32 = 0o644;

impl Reader<'_> {
    pub(super) fn overlays(&mut self) -> Vec<Overlay> {
        let mut all = Vec::new();
        let of = |tree: &Node| tree.get("overlays").map(Node::items).unwrap_or_default().to_vec();
        for item in [of(self.distribution), self.stand_ins(), of(self.profile)].concat() {
            let (Some(name), item) = (item.as_str(), &item) else { continue };
            match self.overlay_folder(name, item) {
                // One overlay may stand in for several roles.
                Ok(_) if all.iter().any(|overlay: &Overlay| overlay.name == name) => {}
                Ok(folder) => all.push(Overlay { name: name.into(), folder, place: item.place.clone() }),
                Err(hint) => self.fault(&item.place, format!("no overlay is named `{name}`"), &hint),
            }
        }
        all
    }

    /// Beside the file that names it, then beside each folder of the search path, then built in.
    fn overlay_folder(&self, name: &str, item: &Node) -> Result<Option<PathBuf>, String> {
        if name.contains('/') {
            let path = find::beside(&item.place, name);
            return if path.is_dir() {
                Ok(Some(path))
            } else {
                Err(format!("there is no folder `{}`", path.display()))
            };
        }
        let mut folders = vec![find::base(&item.place)];
        folders.extend(find::folders());
        let mut searched: Vec<PathBuf> = Vec::new();
        for folder in folders {
            for place in [folder.join("overlays"), find::normalised(&folder.join("../overlays"))] {
                if !searched.contains(&place) {
                    searched.push(place);
                }
            }
        }
        if let Some(found) = searched.iter().map(|folder| folder.join(name)).find(|path| path.is_dir()) {
            return Ok(Some(found));
        }
        if builtin::built_in_overlay(name).is_some() {
            return Ok(None);
        }
        let near =
            nearest(name, builtin::overlay_names()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let searched: Vec<String> = searched.iter().map(|folder| folder.display().to_string()).collect();
        Err(format!("{near}searched {} and those built in", searched.join(", ")))
    }

    pub(super) fn files(&mut self) -> Vec<ExtraFile> {
        let mut all = Vec::new();
        for item in self.profile.get("files").map(Node::items).unwrap_or_default() {
            let Some(path) = string(item, "path") else {
                self.fault(&item.place, "an item of `files` has no `path`", "");
                continue;
            };
            let Some(source) = self.file_source(&path, item) else { continue };
            all.push(ExtraFile {
                source,
                mode: string(item, "mode").and_then(|text| scalar::mode(&text)).unwrap_or(DEFAULT_MODE),
                owner: string(item, "owner").unwrap_or_else(|| "root".into()),
                group: string(item, "group").unwrap_or_else(|| "root".into()),
                place: item.place.clone(),
                path,
            });
        }
        all.extend(self.quadlets());
        all
    }

    fn file_source(&mut self, path: &str, item: &Node) -> Option<FileSource> {
        let (content, source, link) = (string(item, "content"), item.get("source"), string(item, "link"));
        match (content, source, link) {
            (Some(text), None, None) => Some(FileSource::Content(text)),
            (None, Some(node), None) => {
                let file = find::beside(&node.place, node.as_str()?);
                self.present("files.source", node, &file);
                Some(FileSource::Source(file))
            }
            (None, None, Some(target)) => Some(FileSource::Link(target)),
            _ => {
                let message = format!("`files`: `{path}` must have exactly one of `content`, `source` and `link`");
                self.fault(&item.place, message, "");
                None
            }
        }
    }

    pub(super) fn scripts(&mut self) -> Vec<Script> {
        let mut all = Vec::new();
        for item in self.profile.get("scripts").map(Node::items).unwrap_or_default() {
            let Some(node) = item.get("run") else {
                self.fault(&item.place, "an item of `scripts` has no `run`", "");
                continue;
            };
            let run = find::beside(&node.place, node.as_str().unwrap_or_default());
            self.present("scripts.run", node, &run);
            let at = string(item, "at").and_then(|text| word::<ScriptTime>(&text)).unwrap_or_default();
            all.push(Script { run, at, place: item.place.clone() });
        }
        all
    }

    pub(super) fn checks(&mut self) -> Vec<Check> {
        let mut all = Vec::new();
        for item in self.profile.get("checks").map(Node::items).unwrap_or_default() {
            let name = string(item, "name").unwrap_or_default();
            let Some(run) = string(item, "run").filter(|run| !run.is_empty()) else {
                self.fault(&item.place, format!("check `{name}` has no `run`"), "");
                continue;
            };
            let after = string(item, "after").unwrap_or_else(|| "boot".into());
            all.push(Check { name, run, within: Self::seconds(item, "within"), after });
        }
        all
    }
}
