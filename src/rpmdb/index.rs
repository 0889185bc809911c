//! Header → the rows that make it findable.
//!
//! Which tags have an index, and what of them is left out: rpm 6.1, `lib/rpmdb.cc`, `dbiTags` and `tag2index`; the same
//! since 4.16.

use std::collections::HashSet;

use super::rich;
use crate::rpm::{Header, Tag, capabilities::Sense};

/// An index of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// What rpm calls it: a table in sqlite.
    pub name: &'static str,
    /// The tag whose values are its keys.
    pub tag: Tag,
    /// Whether keys are text; else they are bytes.
    pub is_text: bool,
    /// Whether a package may have several keys.
    pub is_array: bool,
}

const fn index(name: &'static str, tag: Tag, is_text: bool, is_array: bool) -> Index {
    Index { name, tag, is_text, is_array }
}

/// All indexes, in the order in which rpm creates them.
pub const INDEXES: [Index; 18] = [
    index("Name", Tag::NAME, true, false),
    index("Basenames", Tag::BASENAMES, true, true),
    index("Group", Tag::GROUP, true, false),
    index("Requirename", Tag::REQUIRENAME, true, true),
    index("Providename", Tag::PROVIDENAME, true, true),
    index("Conflictname", Tag::CONFLICTNAME, true, true),
    index("Obsoletename", Tag::OBSOLETENAME, true, true),
    index("Triggername", Tag::TRIGGERNAME, true, true),
    index("Dirnames", Tag::DIRNAMES, true, true),
    index("Installtid", Tag::INSTALLTID, false, false),
    index("Sigmd5", Tag::SIGMD5, false, false),
    index("Sha1header", Tag::SHA1HEADER, true, false),
    index("Filetriggername", Tag::FILETRIGGERNAME, true, true),
    index("Transfiletriggername", Tag::TRANSFILETRIGGERNAME, true, true),
    index("Recommendname", Tag::RECOMMENDNAME, true, true),
    index("Suggestname", Tag::SUGGESTNAME, true, true),
    index("Supplementname", Tag::SUPPLEMENTNAME, true, true),
    index("Enhancename", Tag::ENHANCENAME, true, true),
];

/// A key of an index, and what of the header it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// Which of the tag's values it is; for file triggers, which trigger.
    pub at: u32,
}

/// The rows of a header in an index, in rpm's order.
pub fn rows(header: &Header, index: Index) -> Vec<Row> {
    let first = |key: &[u8]| vec![Row { key: key.to_vec(), at: 0 }];
    match index.tag {
        // rpm lists a package without a group, too.
        Tag::GROUP => first(header.bytes(Tag::GROUP).unwrap_or(b"Unknown")),
        // The key is the number as the machine has it in memory; all machines that we build for are little-endian.
        Tag::INSTALLTID => header.number(index.tag).map(|id| first(&(id as u32).to_le_bytes())).unwrap_or_default(),
        Tag::SIGMD5 => header.bin(index.tag).map(first).unwrap_or_default(),
        _ => strings(header, index.tag),
    }
}

fn strings(header: &Header, tag: Tag) -> Vec<Row> {
    let places = match tag {
        Tag::FILETRIGGERNAME => header.u32s(Tag::FILETRIGGERINDEX),
        Tag::TRANSFILETRIGGERNAME => header.u32s(Tag::TRANSFILETRIGGERINDEX),
        _ => None,
    };
    let senses = (tag == Tag::REQUIRENAME).then(|| header.u32s(Tag::REQUIREFLAGS)).flatten().unwrap_or_default();
    let mut seen = HashSet::new();
    let mut rows = Vec::with_capacity(header.count(tag));
    for (at, key) in header.strings(tag).into_iter().flatten().enumerate() {
        let is_transient = senses.get(at).is_some_and(|&sense| is_transient(Sense(sense)));
        if is_transient || tag == Tag::TRIGGERNAME && !seen.insert(key) {
            continue;
        }
        let place = places.as_ref().map_or(Some(at as u32), |places| places.get(at).copied()).unwrap_or(0);
        rows.push(Row { key: key.to_vec(), at: place });
        if key.starts_with(b"(") && may_be_rich(tag) {
            rows.extend(rich::names(key).into_iter().map(|key| Row { key, at: place }));
        }
    }
    rows
}

/// Needed only while the package is installed, so its removal later breaks nothing: rpm's `isTransientReq`.
fn is_transient(sense: Sense) -> bool {
    /// `RPMSENSE_KEYRING`.
    const KEYRING: u32 = 1 << 26;
    /// `RPMSENSE_PREUNTRANS` and `RPMSENSE_POSTUNTRANS`.
    const UNTRANS: u32 = 1 << 20 | 1 << 21;
    let on_install =
        Sense::SCRIPT_PRE | Sense::SCRIPT_POST | Sense::RPMLIB | KEYRING | Sense::PRETRANS | Sense::POSTTRANS;
    let on_erase = Sense::SCRIPT_PREUN | Sense::SCRIPT_POSTUN | UNTRANS;
    sense.any(on_install) && !sense.any(on_erase) && !sense.any(Sense::META)
}

fn may_be_rich(tag: Tag) -> bool {
    let tags = [
        Tag::REQUIRENAME,
        Tag::CONFLICTNAME,
        Tag::SUGGESTNAME,
        Tag::SUPPLEMENTNAME,
        Tag::RECOMMENDNAME,
        Tag::ENHANCENAME,
    ];
    tags.contains(&tag)
}
