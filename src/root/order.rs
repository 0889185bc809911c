//! Requirements between packages become the order in which they appear in the root.
//!
//! The relation and its metric are rpm's (`rpmtsOrder` in lib/order.cc, rpm 4.18 to 6.0): packages that need nothing
//! come first, the ones that most others need before the rest; a loop is entered at the package that is farthest from
//! a requirement of a scriptlet. rpm breaks ties by the order of its arguments, this by the order of its input: give
//! both the same list and they agree. rpm's preference for one file colour is left out: a root has one architecture.

use std::collections::{BTreeMap, VecDeque};

/// One package needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Index of the package that needs something.
    pub package: usize,
    /// Index of the package that provides it.
    pub needs: usize,
    /// Whether a scriptlet of the package needs it: `Requires(pre)`, `Requires(post)`, an interpreter.
    pub for_scriptlet: bool,
}

/// Orders `count` packages; every index from 0 occurs once. Relations whose index is too large, and those of a
/// package with itself, are ignored. Linear in the relations but for the queue, which is short.
pub fn order(count: usize, relations: &[Relation]) -> Vec<usize> {
    let mut graph = Graph::new(count, relations);
    graph.find_loops();
    graph.collect()
}

/// A neighbour and whether a scriptlet makes it one.
type Edge = (usize, bool);

#[derive(Default)]
struct Package {
    /// Packages that need this one, the latest recorded first.
    needed_by: Vec<Edge>,
    /// Packages that this one needs, the latest recorded first.
    needs: Vec<Edge>,
    /// Packages that have to come first and have not come yet.
    waits_for: usize,
    /// Which loop it is in.
    place: Place,
    /// Distance from a requirement of a scriptlet within its loop.
    distance: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// In no loop.
    #[default]
    Alone,
    /// In the loop with this index.
    Loop(usize),
    /// In the result already.
    Collected,
}

#[derive(Default)]
struct Loop {
    members: Vec<usize>,
    /// Requirements of its members on packages outside of it that have not come yet.
    waits_for: usize,
}

struct Graph {
    packages: Vec<Package>,
    loops: Vec<Loop>,
}

impl Graph {
    fn new(count: usize, relations: &[Relation]) -> Self {
        let mut packages: Vec<Package> = (0..count).map(|_| Package::default()).collect();
        let mut known: BTreeMap<(usize, usize), bool> = BTreeMap::new();
        let mut recorded = Vec::new();
        for relation in relations {
            let pair = (relation.package, relation.needs);
            if pair.0 >= count || pair.1 >= count || pair.0 == pair.1 {
                continue;
            }
            *known.entry(pair).or_insert_with(|| {
                recorded.push(pair);
                false
            }) |= relation.for_scriptlet;
        }
        for pair in recorded.into_iter().rev() {
            let for_scriptlet = known[&pair];
            packages[pair.0].needs.push((pair.1, for_scriptlet));
            packages[pair.0].waits_for += 1;
            packages[pair.1].needed_by.push((pair.0, for_scriptlet));
        }
        Self { packages, loops: Vec::new() }
    }

    /// Tarjan's strongly connected components along `needed_by`, with a stack of its own: a chain of requirements is
    /// as long as whoever wrote the packages likes.
    fn find_loops(&mut self) {
        let count = self.packages.len();
        let (mut index, mut low) = (vec![0usize; count], vec![0usize; count]);
        let (mut done, mut stack, mut next) = (vec![false; count], Vec::new(), 0);
        for start in 0..count {
            if index[start] != 0 {
                continue;
            }
            let mut walk = vec![(start, 0usize)];
            while let Some((at, edge)) = walk.pop() {
                if edge == 0 {
                    next += 1;
                    (index[at], low[at]) = (next, next);
                    stack.push(at);
                }
                if let Some(&(to, _)) = self.packages[at].needed_by.get(edge) {
                    walk.push((at, edge + 1));
                    if index[to] == 0 {
                        walk.push((to, 0));
                    } else if !done[to] {
                        low[at] = low[at].min(index[to]);
                    }
                    continue;
                }
                if let Some(&(above, _)) = walk.last() {
                    low[above] = low[above].min(low[at]);
                }
                if low[at] == index[at] {
                    self.close_loop(at, &mut stack, &mut done);
                }
            }
        }
    }

    fn close_loop(&mut self, root: usize, stack: &mut Vec<usize>, done: &mut [bool]) {
        let mut members = Vec::new();
        while let Some(member) = stack.pop() {
            done[member] = true;
            members.push(member);
            if member == root {
                break;
            }
        }
        if members.len() < 2 {
            return;
        }
        // As rpm 4.20 has them: the first that was visited comes first.
        members.reverse();
        let place = Place::Loop(self.loops.len());
        for &member in &members {
            self.packages[member].place = place;
        }
        let waits_for = members
            .iter()
            .flat_map(|&member| &self.packages[member].needs)
            .filter(|(needed, _)| self.packages[*needed].place != place)
            .count();
        self.loops.push(Loop { members, waits_for });
    }

    fn collect(&mut self) -> Vec<usize> {
        let mut out = Vec::with_capacity(self.packages.len());
        let mut queue = VecDeque::new();
        for at in 0..self.packages.len() {
            if self.packages[at].waits_for == 0 {
                self.enqueue(&mut queue, at);
            }
        }
        for at in 0..self.loops.len() {
            if self.loops[at].waits_for == 0 {
                let member = self.loops[at].members[0];
                self.enqueue(&mut queue, member);
            }
        }
        while let Some(at) = queue.pop_front() {
            match self.packages[at].place {
                Place::Loop(number) => self.collect_loop(number, &mut queue, &mut out),
                Place::Alone => {
                    let freed = self.take(at, &mut out);
                    for (package, _) in freed {
                        self.enqueue(&mut queue, package);
                    }
                }
                Place::Collected => {}
            }
        }
        out
    }

    /// Before the first package that no more others need.
    fn enqueue(&self, queue: &mut VecDeque<usize>, package: usize) {
        let needed = self.packages[package].needed_by.len();
        let at = queue.iter().position(|&other| self.packages[other].needed_by.len() <= needed);
        queue.insert(at.unwrap_or(queue.len()), package);
    }

    /// Puts one package into the result; gives what may follow, and whether it lies in the same loop.
    fn take(&mut self, package: usize, out: &mut Vec<usize>) -> Vec<(usize, bool)> {
        out.push(package);
        let place = self.packages[package].place;
        let mut freed = Vec::new();
        for (follower, _) in self.packages[package].needed_by.clone() {
            let other = &mut self.packages[follower];
            if other.place == Place::Collected {
                continue;
            }
            other.waits_for = other.waits_for.saturating_sub(1);
            if other.waits_for == 0 {
                freed.push((follower, other.place == place));
            }
            if let Place::Loop(number) = other.place
                && other.place != place
            {
                let entered = &mut self.loops[number].waits_for;
                *entered = entered.saturating_sub(1);
                if *entered == 0 {
                    freed.push((follower, false));
                }
            }
        }
        self.packages[package].place = Place::Collected;
        freed
    }

    fn collect_loop(&mut self, number: usize, outer: &mut VecDeque<usize>, out: &mut Vec<usize>) {
        self.measure(number);
        let members = self.loops[number].members.clone();
        loop {
            let left = members.iter().filter(|&&member| self.packages[member].place != Place::Collected);
            let Some(&best) = left.max_by_key(|&&member| self.packages[member].distance) else { return };
            let mut inner = VecDeque::from([best]);
            while let Some(at) = inner.pop_front() {
                for (package, inside) in self.take(at, out) {
                    let queue = if inside { &mut inner } else { &mut *outer };
                    self.enqueue(queue, package);
                }
            }
        }
    }

    /// How far each member of a loop is from a member whose scriptlet needs another member.
    fn measure(&mut self, number: usize) {
        let place = Place::Loop(number);
        let members = self.loops[number].members.clone();
        let mut queue = VecDeque::new();
        for &member in &members {
            let urgent =
                self.packages[member].needs.iter().any(|&(to, script)| script && self.packages[to].place == place);
            self.packages[member].distance = if urgent { 0 } else { usize::MAX };
            if urgent {
                queue.push_back(member);
            }
        }
        while let Some(at) = queue.pop_front() {
            let distance = self.packages[at].distance + 1;
            for (to, _) in self.packages[at].needs.clone() {
                let other = &mut self.packages[to];
                if other.place == place && other.distance > distance {
                    other.distance = distance;
                    queue.push_back(to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relations(list: &[(usize, usize, bool)]) -> Vec<Relation> {
        list.iter().map(|&(package, needs, for_scriptlet)| Relation { package, needs, for_scriptlet }).collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_the_most_needed_before_the_rest() {
        let list = relations(&[(0, 1, false), (1, 2, false), (3, 2, false), (0, 2, true), (9, 1, false)]);
        assert_eq!(order(5, &list), [2, 1, 0, 3, 4], "ties: the latest first, as rpm has it");
    }

    #[test]
    fn a_loop_is_cut_where_no_scriptlet_suffers() {
        // 0 needs 1 for a scriptlet, 1 needs 0 only to run.
        assert_eq!(order(2, &relations(&[(0, 1, true), (1, 0, false)])), [1, 0]);
        assert_eq!(order(2, &relations(&[(0, 1, false), (1, 0, true)])), [0, 1]);
        // What needs the loop comes after all of it.
        assert_eq!(order(3, &relations(&[(0, 1, true), (1, 0, false), (2, 0, false)])), [1, 0, 2]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let list: Vec<Relation> =
            (0..100_000).map(|n| Relation { package: n, needs: n + 1, for_scriptlet: false }).collect();
        let order = order(100_001, &list);
        assert_eq!((order[0], order[100_000]), (100_000, 0));
    }

    proptest! {
        #[test]
        fn every_package_comes_once_and_after_what_it_needs(
            pairs in prop::collection::vec((0usize..20, 0usize..20, any::<bool>()), 0..60),
            acyclic in any::<bool>(),
        ) {
            let list: Vec<_> = pairs.into_iter().filter(|(a, b, _)| !acyclic || a > b).collect();
            let order = order(20, &relations(&list));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..20).collect::<Vec<_>>());
            if acyclic {
                let at = |n: usize| order.iter().position(|&m| m == n).unwrap();
                for (package, needs, _) in list {
                    prop_assert!(at(needs) < at(package));
                }
            }
        }
    }
}
