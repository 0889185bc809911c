//! Header → scripts that run because of *other* packages or of their files.

use super::{
    Capability, Error, Header, Result, Scriptlet, Tag,
    capabilities::{self, Sense},
    scriptlets::ScriptletFlags,
};

/// What sets a trigger off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Before the other package's installation (`%triggerprein`).
    PreInstall,
    /// After it (`%triggerin`, `%filetriggerin`, `%transfiletriggerin`).
    Install,
    /// Before the other package's removal.
    Remove,
    /// After it.
    PostRemove,
}

impl Event {
    fn of(sense: Sense) -> Option<Self> {
        let table = [
            (Sense::TRIGGERPREIN, Self::PreInstall),
            (Sense::TRIGGERIN, Self::Install),
            (Sense::TRIGGERUN, Self::Remove),
            (Sense::TRIGGERPOSTUN, Self::PostRemove),
        ];
        table.into_iter().find(|(bit, _)| sense.any(*bit)).map(|(_, event)| event)
    }
}

/// A script set off by packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its place among the package's triggers.
    pub index: u32,
    /// When it runs.
    pub event: Event,
    /// Any of these packages sets it off; the flags hold the range of versions.
    pub conditions: Vec<Capability>,
    /// What runs.
    pub scriptlet: Scriptlet,
}

/// A script set off by files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTrigger {
    /// Its place among the package's file triggers of this kind.
    pub index: u32,
    /// When it runs.
    pub event: Event,
    /// Any file whose path (with its leading slash) starts with one of these sets it off.
    pub prefixes: Vec<Vec<u8>>,
    /// Higher runs earlier; rpm's default is 1,000,000.
    pub priority: u32,
    /// What runs; the paths come on its standard input, one a line.
    pub scriptlet: Scriptlet,
}

/// `RPMTRIGGER_DEFAULT_PRIORITY`, rpm 6.1, `include/rpm/rpmfileutil.h` and `lib/rpmtriggers.hh`.
const DEFAULT_PRIORITY: u32 = 1_000_000;

/// The tags that one family of triggers is stored under.
struct Family {
    scripts: Tag,
    programs: Tag,
    flags: Tag,
    names: Tag,
    senses: Tag,
    versions: Tag,
    indexes: Tag,
}

const PACKAGES: Family = Family {
    scripts: Tag::TRIGGERSCRIPTS,
    programs: Tag::TRIGGERSCRIPTPROG,
    flags: Tag::TRIGGERSCRIPTFLAGS,
    names: Tag::TRIGGERNAME,
    senses: Tag::TRIGGERFLAGS,
    versions: Tag::TRIGGERVERSION,
    indexes: Tag::TRIGGERINDEX,
};

const FILES: Family = Family {
    scripts: Tag::FILETRIGGERSCRIPTS,
    programs: Tag::FILETRIGGERSCRIPTPROG,
    flags: Tag::FILETRIGGERSCRIPTFLAGS,
    names: Tag::FILETRIGGERNAME,
    senses: Tag::FILETRIGGERFLAGS,
    versions: Tag::FILETRIGGERVERSION,
    indexes: Tag::FILETRIGGERINDEX,
};

const TRANSACTION_FILES: Family = Family {
    scripts: Tag::TRANSFILETRIGGERSCRIPTS,
    programs: Tag::TRANSFILETRIGGERSCRIPTPROG,
    flags: Tag::TRANSFILETRIGGERSCRIPTFLAGS,
    names: Tag::TRANSFILETRIGGERNAME,
    senses: Tag::TRANSFILETRIGGERFLAGS,
    versions: Tag::TRANSFILETRIGGERVERSION,
    indexes: Tag::TRANSFILETRIGGERINDEX,
};

/// Reads `%triggerin` and its kin.
///
/// # Errors
/// A condition that belongs to no script, or arrays of different lengths.
pub fn triggers(header: &Header) -> Result<Vec<Trigger>> {
    let groups = groups(header, &PACKAGES)?.into_iter();
    Ok(groups.map(|(index, event, conditions, scriptlet)| Trigger { index, event, conditions, scriptlet }).collect())
}

/// Reads `%filetriggerin` and its kin, which run package by package.
///
/// # Errors
/// As [`triggers`].
pub fn file_triggers(header: &Header) -> Result<Vec<FileTrigger>> {
    on_files(header, &FILES, Tag::FILETRIGGERPRIORITIES)
}

/// Reads `%transfiletriggerin` and its kin, which run once a transaction.
///
/// # Errors
/// As [`triggers`].
pub fn transaction_file_triggers(header: &Header) -> Result<Vec<FileTrigger>> {
    on_files(header, &TRANSACTION_FILES, Tag::TRANSFILETRIGGERPRIORITIES)
}

fn on_files(header: &Header, family: &Family, priorities: Tag) -> Result<Vec<FileTrigger>> {
    let priorities = header.u32s(priorities).unwrap_or_default();
    let groups = groups(header, family)?.into_iter();
    Ok(groups
        .map(|(index, event, conditions, scriptlet)| FileTrigger {
            index,
            event,
            prefixes: conditions.into_iter().map(|condition| condition.name.into_bytes()).collect(),
            priority: priorities.get(index as usize).copied().unwrap_or(DEFAULT_PRIORITY),
            scriptlet,
        })
        .collect())
}

type Group = (u32, Event, Vec<Capability>, Scriptlet);

/// The conditions of each script, by the script's index.
fn groups(header: &Header, family: &Family) -> Result<Vec<Group>> {
    let conditions = capabilities::list(header, family.names, family.senses, family.versions)?;
    let indexes = header.u32s(family.indexes).unwrap_or_default();
    if indexes.len() != conditions.len() {
        return Err(Error::entry(family.indexes, format!("{} values, expected {}", indexes.len(), conditions.len())));
    }
    let scripts: Vec<Scriptlet> = scripts(header, family);
    let mut groups: Vec<Option<(Event, Vec<Capability>)>> = vec![None; scripts.len()];
    for (condition, index) in conditions.into_iter().zip(indexes) {
        let group = groups.get_mut(index as usize).ok_or_else(|| {
            Error::entry(family.indexes, format!("index {index} in a list of {} scripts", scripts.len()))
        })?;
        let event = Event::of(condition.flags)
            .ok_or_else(|| Error::entry(family.senses, format!("{:#x} says no event", condition.flags.0)))?;
        group.get_or_insert_with(|| (event, Vec::new())).1.push(condition);
    }
    let numbered = (0..).zip(groups.into_iter().zip(scripts));
    Ok(numbered
        .filter_map(|(index, (group, script))| group.map(|(event, conditions)| (index, event, conditions, script)))
        .collect())
}

fn scripts(header: &Header, family: &Family) -> Vec<Scriptlet> {
    let programs = header.string_array(family.programs);
    let flags = header.u32s(family.flags).unwrap_or_default();
    let bodies = header.strings(family.scripts).into_iter().flatten().enumerate();
    bodies
        .map(|(at, body)| Scriptlet {
            interpreter: vec![
                programs.get(at).filter(|it| !it.is_empty()).cloned().unwrap_or_else(|| "/bin/sh".into()),
            ],
            body: (!body.is_empty()).then(|| body.to_vec()),
            flags: ScriptletFlags(flags.get(at).copied().unwrap_or(0)),
        })
        .collect()
}
