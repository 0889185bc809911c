//! Who pulled a package in.

use std::collections::{BTreeMap, VecDeque};

use super::{Reason, pool::Id, universe::Universe};
use crate::repo::{Capability, Offer, Relation};

/// For each chosen package that no request names, the shortest way from one that is named.
///
/// The solver's own reasons are those of its proof; people ask for the dependency. A dependency that one package
/// alone fulfils counts before one that several do.
pub(super) fn reasons(
    universe: &mut Universe<'_>,
    chosen: &[Id],
    asked: &[Id],
    recommends: bool,
) -> BTreeMap<Id, Reason> {
    let mut search = Search { universe, chosen, reached: BTreeMap::new(), queue: VecDeque::new() };
    asked.iter().for_each(|id| search.reach(*id, None));
    search.spread("requires", true);
    search.spread("requires", false);
    if recommends {
        search.spread("recommends", false);
    }
    while search.supplement() {
        search.spread("requires", false);
        search.spread("recommends", false);
    }
    search.reached.into_iter().filter_map(|(id, reason)| Some((id, reason?))).collect()
}

struct Search<'a, 'b> {
    universe: &'a mut Universe<'b>,
    chosen: &'a [Id],
    reached: BTreeMap<Id, Option<Reason>>,
    queue: VecDeque<Id>,
}

impl Search<'_, '_> {
    fn reach(&mut self, id: Id, reason: Option<Reason>) {
        if self.chosen.contains(&id) && !self.reached.contains_key(&id) {
            self.reached.insert(id, reason);
            self.queue.push_back(id);
        }
    }

    /// Goes on from everything that was reached; `alone`: only where one chosen package fulfils a dependency.
    fn spread(&mut self, how: &str, alone: bool) {
        self.queue = self.reached.keys().copied().collect();
        while let Some(id) = self.queue.pop_front() {
            let Some((offer, package)) = self.universe.package(id) else { continue };
            let dependencies = &package.dependencies;
            let list = if how == "requires" { &dependencies.requires } else { &dependencies.recommends };
            for dependency in list {
                let providers = self.chosen_providers(id, *dependency);
                if providers.contains(&id) || (alone && providers.len() > 1) {
                    continue;
                }
                for provider in providers {
                    self.reach(provider, Some(reason(offer, offer.words.get(package.name), how, *dependency)));
                }
            }
        }
    }

    /// Reaches one more package that supplements what was reached.
    fn supplement(&mut self) -> bool {
        for id in self.chosen.iter().copied().filter(|id| !self.reached.contains_key(id)).collect::<Vec<_>>() {
            let Some((offer, package)) = self.universe.package(id) else { continue };
            for dependency in &package.dependencies.supplements {
                let providers = self.chosen_providers(id, *dependency);
                let Some(beside) = providers.into_iter().find(|other| self.reached.contains_key(other)) else {
                    continue;
                };
                let Some((other, supplemented)) = self.universe.package(beside) else { continue };
                let name = other.words.get(supplemented.name);
                self.reach(id, Some(reason(offer, name, "supplements", *dependency)));
                return true;
            }
        }
        false
    }

    fn chosen_providers(&mut self, id: Id, dependency: Capability) -> Vec<Id> {
        let mut providers = self.universe.providers_of(id, dependency);
        providers.retain(|provider| self.chosen.binary_search(provider).is_ok());
        providers
    }
}

fn reason(offer: &Offer, package: &str, how: &str, dependency: Capability) -> Reason {
    Reason { package: package.to_owned(), how: how.to_owned(), dependency: written(offer, dependency) }
}

/// A dependency as people write it.
fn written(offer: &Offer, dependency: Capability) -> String {
    let (name, version) = (offer.words.get(dependency.name), offer.words.get(dependency.version));
    let operator = match dependency.relation {
        Relation::Any => return name.to_owned(),
        Relation::Less => "<",
        Relation::LessEqual => "<=",
        Relation::Equal => "=",
        Relation::GreaterEqual => ">=",
        Relation::Greater => ">",
    };
    format!("{name} {operator} {version}")
}
