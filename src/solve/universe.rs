//! All packages of all repositories in libsolv's pool, and the way back from its numbers.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    capability::{self, Rich},
    pool::{Id, Job, Pool, Solvable},
};
use crate::repo::{Capability, Offer, Package, Packages, Relation, Word};

/// The pool with what it was made of.
pub(super) struct Universe<'a> {
    pub(super) pool: Pool,
    offers: &'a [Offer],
    /// For each offer, the ids of its words as dependency names; 0 is not known yet.
    names: Vec<Vec<Id>>,
    /// By package id, the offer and the package in it.
    places: HashMap<Id, (usize, usize)>,
    providers: HashMap<Id, Vec<Id>>,
}

impl<'a> Universe<'a> {
    /// Takes in all packages; `paths` are those that requests name.
    pub(super) fn new(packages: &'a Packages, arch: &str, languages: &[String], paths: &[&str]) -> Self {
        let offers = packages.offers.as_slice();
        let names = offers.iter().map(|offer| vec![0; offer.words.len()]).collect();
        let pool = Pool::new(arch, languages);
        let mut universe = Self { pool, offers, names, places: HashMap::new(), providers: HashMap::new() };
        let wanted = wanted_paths(offers, paths);
        for (at, offer) in offers.iter().enumerate() {
            // zypper's 1 goes before 99, libsolv's higher number goes first.
            let priority = -i32::try_from(offer.priority).unwrap_or(i32::MAX);
            let repository = universe.pool.add_repository(&offer.alias, priority);
            for (index, package) in offer.packages.iter().enumerate() {
                let solvable = universe.solvable(at, package, &wanted);
                let id = universe.pool.add(repository, &solvable);
                universe.places.insert(id, (at, index));
            }
        }
        universe.pool.finish();
        universe
    }

    /// A package and its repository.
    pub(super) fn package(&self, id: Id) -> Option<(&'a Offer, &'a Package)> {
        let (offer, index) = *self.places.get(&id)?;
        let offer = &self.offers[offer];
        Some((offer, &offer.packages[index]))
    }

    /// `name-version-release.arch`.
    pub(super) fn show(&self, id: Id) -> String {
        match self.package(id) {
            Some((offer, package)) => {
                let word = |word| offer.words.get(word);
                format!("{}-{}.{}", word(package.name), word(package.evr), word(package.arch))
            }
            None => "the system".into(),
        }
    }

    /// Who provides one of a package's dependencies, rich ones by any of their parts; in the pool's order.
    pub(super) fn providers_of(&mut self, package: Id, dependency: Capability) -> Vec<Id> {
        let Some((offer, _)) = self.places.get(&package).copied() else { return Vec::new() };
        let ids = match Rich::parse(self.offers[offer].words.get(dependency.name)) {
            Some(rich) => rich.leaves().into_iter().map(|leaf| leaf.id(&mut self.pool)).collect(),
            None => vec![self.dependency(offer, dependency)],
        };
        let mut found = BTreeSet::new();
        for id in ids {
            let pool = &mut self.pool;
            found.extend(self.providers.entry(id).or_insert_with(|| pool.packages(Job::InstallProvider(id))).iter());
        }
        found.into_iter().collect()
    }

    fn solvable(&mut self, at: usize, package: &Package, wanted: &[Vec<bool>]) -> Solvable {
        let offer = &self.offers[at];
        let mut text = |word| self.pool.text(offer.words.get(word));
        let (name, arch, evr) = (text(package.name), text(package.arch), text(package.evr));
        let dependencies = &package.dependencies;
        let mut all = |list: &[Capability]| list.iter().map(|one| self.dependency(at, *one)).collect::<Vec<_>>();
        let mut solvable = Solvable {
            name,
            arch,
            evr,
            provides: all(&dependencies.provides),
            requires: all(&dependencies.requires),
            conflicts: all(&dependencies.conflicts),
            obsoletes: all(&dependencies.obsoletes),
            recommends: all(&dependencies.recommends),
            suggests: all(&dependencies.suggests),
            supplements: all(&dependencies.supplements),
            enhances: all(&dependencies.enhances),
        };
        let itself = Capability { name: package.name, relation: Relation::Equal, version: package.evr };
        let itself = self.dependency(at, itself);
        if !solvable.provides.contains(&itself) {
            solvable.provides.push(itself);
        }
        for kind in dependencies.provides.iter().filter(|provide| provide.relation == Relation::Equal) {
            if let Some(prefix) = self.offers[at].words.get(kind.name).strip_suffix("()")
                && KINDS.contains(&prefix)
            {
                let alias = format!("{prefix}:{}", decode(self.offers[at].words.get(kind.version)));
                solvable.provides.push(self.pool.text(&alias));
            }
        }
        for file in package.files.iter().filter(|file| wanted[at][file.index()]) {
            solvable.provides.push(self.name(at, *file));
        }
        solvable
    }

    fn dependency(&mut self, at: usize, dependency: Capability) -> Id {
        let name = self.name(at, dependency.name);
        match dependency.relation.into() {
            Some(operator) => {
                let version = self.pool.text(self.offers[at].words.get(dependency.version));
                self.pool.relation(name, operator, version)
            }
            None => name,
        }
    }

    fn name(&mut self, at: usize, word: Word) -> Id {
        if self.names[at][word.index()] == 0 {
            self.names[at][word.index()] = capability::name(&mut self.pool, self.offers[at].words.get(word));
        }
        self.names[at][word.index()]
    }
}

/// What `pattern:NAME` and `product:NAME` ask for: packages that provide `pattern() = NAME`. The name is no version
/// (`base` must not be fulfilled by `base-32bit`), so it becomes part of a capability's name.
pub(super) const KINDS: [&str; 2] = ["pattern", "product"];

/// `base%2d32bit` is `base-32bit`: rpm's versions cannot hold a dash.
fn decode(name: &str) -> String {
    let mut parts = name.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits.filter(u8::is_ascii_graphic) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(&part[2..]);
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

/// Every path that a dependency or a request names.
fn paths_asked<'a>(offers: &'a [Offer], requests: &[&'a str]) -> HashSet<&'a str> {
    let mut asked: HashSet<&str> = requests.iter().copied().collect();
    for offer in offers {
        let mut seen = vec![false; offer.words.len()];
        let wants = offer.packages.iter().flat_map(|package| package.dependencies.wants());
        for name in wants.map(|want| want.name) {
            if std::mem::replace(&mut seen[name.index()], true) {
                continue;
            }
            let text = offer.words.get(name);
            if text.starts_with('/') {
                asked.insert(text);
            } else if let Some(rich) = text.contains('/').then(|| Rich::parse(text)).flatten() {
                for leaf in rich.leaves() {
                    if let Rich::Plain(path, ..) = leaf
                        && path.starts_with('/')
                    {
                        asked.insert(*path);
                    }
                }
            }
        }
    }
    asked
}

/// For each offer, which of its words are such paths: only those become provides.
fn wanted_paths(offers: &[Offer], requests: &[&str]) -> Vec<Vec<bool>> {
    let asked = paths_asked(offers, requests);
    offers.iter().map(|offer| offer.words.iter().map(|word| asked.contains(word)).collect()).collect()
}

/// Paths that something asks for and no package lists or provides; the file lists may know them.
pub(super) fn unknown_paths(packages: &Packages, requests: &[&str]) -> Vec<String> {
    let mut asked = paths_asked(&packages.offers, requests);
    for offer in &packages.offers {
        for package in &offer.packages {
            let provided = package.dependencies.provides.iter().map(|provide| provide.name);
            for word in provided.chain(package.files.iter().copied()) {
                asked.remove(offer.words.get(word));
            }
        }
    }
    let mut unknown: Vec<String> = asked.into_iter().map(str::to_owned).collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_patterns_are_decoded() {
        for (encoded, decoded) in
            [("base", "base"), ("base%2d32bit", "base-32bit"), ("a%", "a%"), ("a%0a", "a%0a"), ("%é", "%é")]
        {
            assert_eq!(super::decode(encoded), decoded);
        }
    }
}
