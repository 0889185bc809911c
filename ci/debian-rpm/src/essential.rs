//! The essential set: what Debian's packages may use in their scripts without saying so.
//!
//! Its scripts can't run one by one, as each needs the others. One package, `debian-essential`, requires the set and
//! runs its postinsts in the order of a bootstrap; every other package with a script requires that package first.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::{Control, Evr};
use crate::error::Result;
use crate::script;
use crate::spec::Spec;

/// The package that stands for the set.
pub(crate) const NAME: &str = "debian-essential";

/// What a bootstrap configures first, before everything else in the order of the alphabet.
const FIRST: [&str; 7] = ["base-passwd", "base-files", "libc6", "libc-bin", "dpkg", "perl-base", "debconf"];

/// The names of the essential packages and of all that they depend on.
pub(crate) fn closure(packages: &BTreeMap<String, Control>) -> Result<BTreeSet<String>> {
    let providers = providers(packages)?;
    let find = |name: &str| match packages.contains_key(name) {
        true => Some(name.to_owned()),
        false => providers.get(name).cloned(),
    };
    let is_essential = |control: &Control| control.get("Essential") == Some("yes");
    let mut waiting: Vec<String> =
        packages.iter().filter(|(_, control)| is_essential(control)).map(|(name, _)| name.clone()).collect();
    let mut set = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !set.insert(name.clone()) {
            continue;
        }
        for field in ["Depends", "Pre-Depends"] {
            for alternatives in packages[&name].relations(field)? {
                waiting.extend(alternatives.0.iter().find_map(|relation| find(&relation.name)));
            }
        }
    }
    Ok(set)
}

/// What is provided, by the first package of the alphabet that provides it.
fn providers(packages: &BTreeMap<String, Control>) -> Result<BTreeMap<String, String>> {
    let mut providers = BTreeMap::new();
    for (name, control) in packages {
        for relation in control.relations("Provides")?.into_iter().flat_map(|alternatives| alternatives.0) {
            providers.entry(relation.name).or_insert_with(|| name.clone());
        }
    }
    Ok(providers)
}

/// The package that stands for the set.
pub(crate) fn spec(packages: &BTreeMap<String, Control>, set: &BTreeSet<String>) -> Result<Spec> {
    let first = FIRST.iter().filter(|name| set.contains(**name)).map(|name| (*name).to_owned());
    let rest = set.iter().filter(|name| !FIRST.contains(&name.as_str())).cloned();
    let order: Vec<_> = first.chain(rest).map(|name| &packages[&name]).collect();
    let mut relations = Vec::new();
    for name in set.iter().map(String::as_str).chain([crate::release::NAME]) {
        relations.push(("Requires(post)", name.to_owned()));
        relations.push(("Requires", name.to_owned()));
    }
    Ok(Spec {
        name: NAME.to_owned(),
        evr: Evr { epoch: None, version: "13".to_owned(), release: "1".to_owned() },
        arch: "noarch",
        summary: "Debian's essential packages, configured".to_owned(),
        description: "Requires the packages that Debian's maintainer scripts take for granted, and runs theirs."
            .to_owned(),
        url: None,
        relations,
        scriptlets: vec![("%post", script::essential(&order)?), ("%posttrans", script::settled())],
        conffiles: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_closed_over_provides_and_first_alternatives() {
        let texts = [
            "Package: base\nEssential: yes\nPre-Depends: awk\nDepends: a | b",
            "Package: mawk\nProvides: awk",
            "Package: b\nDepends: c",
            "Package: c",
            "Package: d",
        ];
        let parse = |text: &str| Control::parse(text).unwrap();
        let packages: BTreeMap<_, _> =
            texts.iter().map(|text| (parse(text).need("Package").unwrap().to_owned(), parse(text))).collect();
        let set: Vec<_> = closure(&packages).unwrap().into_iter().collect();
        assert_eq!(set, ["b", "base", "c", "mawk"]);
    }
}
