//! Paths become folders with their entries: sorted, each with an 8.3 name that no other has.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{
    entry::{self, Entry, Stamp},
    name::{self, Short},
};
use crate::tree::Content;

/// A folder; its entries by name in upper case, which is how FAT compares them.
#[derive(Debug, Default)]
pub(super) struct Folder<'a> {
    /// First cluster; 0 where the root folder has a place of its own.
    pub(super) cluster: u32,
    parent: u32,
    is_root: bool,
    items: BTreeMap<String, Item<'a>>,
}

#[derive(Debug)]
struct Item<'a> {
    name: String,
    short: Short,
    /// Whether the 8.3 name is the whole name.
    is_plain: bool,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Folder(Folder<'a>),
    File { path: &'a str, content: &'a Content, cluster: u32 },
}

impl<'a> Folder<'a> {
    /// # Errors
    /// A name is none for FAT, or there twice but for case.
    pub(super) fn of(files: &'a BTreeMap<String, Content>) -> io::Result<Self> {
        let mut root = Self { is_root: true, ..Self::default() };
        for (path, content) in files {
            root.add(path, path, content)?;
        }
        root.name_all()?;
        Ok(root)
    }

    fn add(&mut self, path: &'a str, rest: &'a str, content: &'a Content) -> io::Result<()> {
        let twice = || name::invalid(format!("`{path}` is there twice, but for upper and lower case"));
        let (first, rest) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
        name::check(first)?;
        let key = first.to_uppercase();
        match rest {
            None if self.items.contains_key(&key) => Err(twice()),
            None => {
                self.items.insert(key, Item::new(first, Kind::File { path, content, cluster: 0 }));
                Ok(())
            }
            Some(rest) => {
                let below = self.items.entry(key).or_insert_with(|| Item::new(first, Kind::Folder(Folder::default())));
                match &mut below.kind {
                    Kind::Folder(below) => below.add(path, rest, content),
                    Kind::File { .. } => Err(twice()),
                }
            }
        }
    }

    /// Names that are 8.3 names keep them; the others get what is left.
    fn name_all(&mut self) -> io::Result<()> {
        let mut taken = BTreeSet::new();
        for item in self.items.values_mut() {
            if let Some(short) = name::plain(&item.name) {
                item.short = short;
                item.is_plain = item.name == item.name.to_ascii_uppercase();
                taken.insert(short);
            }
        }
        for item in self.items.values_mut() {
            if item.short == Short::default() {
                let short = name::alias(&item.name, &taken);
                item.short = short.ok_or_else(|| name::invalid("a folder has too many files".into()))?;
                taken.insert(item.short);
            }
        }
        self.folders_mut().try_for_each(Folder::name_all)
    }

    /// Entries that it takes, those for itself and its parent left out.
    pub(super) fn slots(&self) -> usize {
        self.items.values().map(Item::slots).sum()
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Folder<'a>> {
        self.items.values().filter_map(|item| match &item.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File { .. } => None,
        })
    }

    pub(super) fn folders_mut(&mut self) -> impl Iterator<Item = &mut Folder<'a>> {
        let parent = if self.is_root { 0 } else { self.cluster };
        self.items.values_mut().filter_map(move |item| match &mut item.kind {
            Kind::Folder(folder) => {
                folder.parent = parent;
                Some(folder)
            }
            Kind::File { .. } => None,
        })
    }

    /// Path, content and first cluster of each file.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = (&'a str, &'a Content, &mut u32)> {
        self.items.values_mut().filter_map(|item| match &mut item.kind {
            Kind::File { path, content, cluster } => Some((*path, *content, cluster)),
            Kind::Folder(_) => None,
        })
    }

    /// Its entries.
    pub(super) fn to_bytes(&self, stamp: Stamp) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.is_root {
            bytes.extend(Entry::folder(*b".          ", self.cluster, stamp).to_bytes());
            bytes.extend(Entry::folder(*b"..         ", self.parent, stamp).to_bytes());
        }
        for item in self.items.values() {
            if !item.is_plain {
                bytes.extend(entry::long(&item.name, &item.short));
            }
            bytes.extend(item.entry(stamp).to_bytes());
        }
        bytes
    }
}

impl<'a> Item<'a> {
    fn new(name: &str, kind: Kind<'a>) -> Self {
        Self { name: name.to_owned(), short: Short::default(), is_plain: false, kind }
    }

    fn slots(&self) -> usize {
        1 + if self.is_plain { 0 } else { entry::long_slots(&self.name) }
    }

    fn entry(&self, stamp: Stamp) -> Entry {
        match &self.kind {
            Kind::Folder(folder) => Entry::folder(self.short, folder.cluster, stamp),
            // Longer ones were refused when they were placed.
            Kind::File { content, cluster, .. } => Entry::file(self.short, *cluster, content.len() as u32, stamp),
        }
    }
}
