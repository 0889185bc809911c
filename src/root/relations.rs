//! Capabilities become [`Relation`]s between the packages of one transaction, as rpm sees them (`addRelation` in
//! lib/order.cc, `rpmalSatisfiesDepend` in lib/rpmal.cc).

use std::{cmp::Ordering, collections::HashMap};

use super::{order::Relation, package::Package};
use crate::rpm::{Capability, Evr, capabilities::Sense};

/// Deeper nesting of a rich dependency is not followed.
const DEEPEST: usize = 16;
/// Bits that say something of order even beside those that say nothing.
const FOR_SCRIPTLETS: u32 = Sense::SCRIPT_PRE | Sense::SCRIPT_POST | Sense::SCRIPT_PREUN | Sense::SCRIPT_POSTUN;
/// What the running of scriptlets waits for, when something is installed.
const URGENT: u32 =
    Sense::SCRIPT_PRE | Sense::SCRIPT_POST | Sense::RPMLIB | Sense::PRETRANS | Sense::POSTTRANS | Sense::PREREQ;
/// `Requires(pretrans)` and the like look at the root as it was, `meta` says that order does not matter.
const UNORDERED: u32 = Sense::RPMLIB | Sense::PRETRANS | Sense::POSTTRANS | Sense::META;

/// What the packages need of each other, in the order of the packages and of their capabilities.
pub fn relations(packages: &[Package]) -> Vec<Relation> {
    let providers = Providers::new(packages);
    let mut relations = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        let all = &package.capabilities;
        let mut add = |list: &[Capability], weight| {
            for capability in list {
                providers.relate(at, package, capability, weight, &mut relations, 0);
            }
        };
        add(&all.requires, Weight::Need);
        // Ordering among wishes only breaks loops: rpm keeps those that a scriptlet has, as plain ones.
        add(&all.recommends, Weight::Wish);
        add(&all.suggests, Weight::Wish);
        add(&all.orders, Weight::Need);
    }
    relations
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Need,
    Wish,
}

struct Providers<'packages> {
    packages: &'packages [Package],
    by_name: HashMap<&'packages str, Vec<(usize, &'packages Capability)>>,
    by_file: HashMap<&'packages [u8], Vec<usize>>,
}

impl<'packages> Providers<'packages> {
    fn new(packages: &'packages [Package]) -> Self {
        let mut by_name: HashMap<&str, Vec<_>> = HashMap::new();
        let mut by_file: HashMap<&[u8], Vec<usize>> = HashMap::new();
        let wanted: std::collections::HashSet<&[u8]> = packages
            .iter()
            .flat_map(|package| package.capabilities.requires.iter().chain(&package.capabilities.orders))
            .filter_map(|capability| capability.name.as_bytes().strip_prefix(b"/"))
            .collect();
        for (at, package) in packages.iter().enumerate() {
            for capability in &package.capabilities.provides {
                by_name.entry(&capability.name).or_default().push((at, capability));
            }
            for file in package.files.iter().map(|file| file.path.as_bytes()).filter(|path| wanted.contains(path)) {
                by_file.entry(file).or_default().push(at);
            }
        }
        Self { packages, by_name, by_file }
    }

    fn relate(
        &self,
        at: usize,
        package: &Package,
        capability: &Capability,
        weight: Weight,
        out: &mut Vec<Relation>,
        depth: usize,
    ) {
        let flags = capability.flags;
        if flags.any(UNORDERED) && !flags.any(FOR_SCRIPTLETS) || depth > DEEPEST {
            return;
        }
        if capability.is_rich() {
            for part in parts(capability) {
                self.relate(at, package, &part, weight, out, depth + 1);
            }
            return;
        }
        let urgent = flags.any(URGENT);
        let for_scriptlet = match weight {
            Weight::Need => urgent,
            Weight::Wish if urgent => false,
            Weight::Wish => return,
        };
        if let Some(needs) = self.provider(package, capability)
            && needs != at
        {
            out.push(Relation { package: at, needs, for_scriptlet });
        }
    }

    /// Itself, else the first of the same architecture, else the first.
    fn provider(&self, package: &Package, wanted: &Capability) -> Option<usize> {
        let files =
            wanted.name.strip_prefix('/').and_then(|path| self.by_file.get(path.as_bytes())).into_iter().flatten();
        let named = self.by_name.get(wanted.name.as_str()).into_iter().flatten();
        let named = named.filter(|(_, provided)| overlap(provided, wanted)).map(|(at, _)| at);
        let all: Vec<usize> = files.chain(named).copied().collect();
        let own = |at: &&usize| std::ptr::eq(&self.packages[**at], package);
        let same = |at: &&usize| self.packages[**at].arch == package.arch;
        all.iter().find(own).or_else(|| all.iter().find(same)).or_else(|| all.first()).copied()
    }
}

/// Whether two ranges of versions have one in common (`rpmdsCompareEVR`): no version is any, a release counts only
/// where both have one.
pub(super) fn overlap(a: &Capability, b: &Capability) -> bool {
    let (Some(left), Some(right)) = (a.evr(), b.evr()) else { return true };
    if a.flags.operator().is_none() || b.flags.operator().is_none() {
        return true;
    }
    let short = |evr: &Evr| Evr { release: String::new(), ..evr.clone() };
    let order = if left.release.is_empty() || right.release.is_empty() {
        short(&left).cmp(&short(&right))
    } else {
        left.cmp(&right)
    };
    match order {
        Ordering::Less => a.flags.any(Sense::GREATER) || b.flags.any(Sense::LESS),
        Ordering::Greater => a.flags.any(Sense::LESS) || b.flags.any(Sense::GREATER),
        Ordering::Equal => {
            let both = |bit| a.flags.any(bit) && b.flags.any(bit);
            both(Sense::EQUAL) || both(Sense::LESS) || both(Sense::GREATER)
        }
    }
}

/// The operands of a rich dependency that say something of order: both of `and` and `or`, the first of `if`, `unless`,
/// `with` and `without`, and what follows `else`.
fn parts(capability: &Capability) -> Vec<Capability> {
    let inner = capability.name.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or("");
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut skip = false;
    let mut flush = |words: &mut Vec<String>, skip: bool| {
        if let (Some(name), false) = (words.first(), skip) {
            let operator = words.get(1).map_or("", String::as_str);
            let bits = [('<', Sense::LESS), ('>', Sense::GREATER), ('=', Sense::EQUAL)];
            let sense = bits.iter().filter(|(sign, _)| operator.contains(*sign)).map(|(_, bit)| bit).sum::<u32>();
            let version = words.get(2).cloned().unwrap_or_default();
            let flags = Sense(capability.flags.0 & !(Sense::LESS | Sense::GREATER | Sense::EQUAL) | sense);
            found.push(Capability { name: name.clone(), flags, version });
        }
        words.clear();
    };
    for word in split(inner) {
        match word.as_str() {
            "and" | "or" | "else" | "if" | "unless" | "with" | "without" => {
                flush(&mut words, skip);
                skip = !matches!(word.as_str(), "and" | "or" | "else");
            }
            _ => words.push(word),
        }
    }
    flush(&mut words, skip);
    found
}

/// Words between blanks, parentheses kept together.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut depth) = (Vec::new(), String::new(), 0usize);
    for c in text.chars() {
        match c {
            ' ' if depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(name: &str, flags: u32, version: &str) -> Capability {
        Capability { name: name.into(), flags: Sense(flags), version: version.into() }
    }

    #[test]
    fn ranges_overlap_as_rpm_has_it() {
        let (lt, gt, eq) = (Sense::LESS, Sense::GREATER, Sense::EQUAL);
        for (a, b, expected) in [
            ((eq, "1-1"), (gt | eq, "1"), true),
            ((eq, "1-1"), (gt, "1"), false),
            ((eq, "2-1"), (gt, "1"), true),
            ((eq, "1-1"), (eq, "1-2"), false),
            ((eq, "1"), (0, ""), true),
            ((lt, "2"), (gt, "1"), true),
            ((eq, "1:1"), (lt, "2"), false),
        ] {
            assert_eq!(overlap(&capability("x", a.0, a.1), &capability("x", b.0, b.1)), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn rich_dependencies_fall_apart_into_what_orders() {
        let names = |text: &str| parts(&capability(text, 0, "")).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("(a or b >= 2)"), ["a", "b >= 2"]);
        assert_eq!(names("(a if (b and c))"), ["a"]);
        assert_eq!(names("((a and b) or lib(x))"), ["(a and b)", "lib(x)"]);
        assert_eq!(names("(a if b else c)"), ["a", "c"]);
    }
}
