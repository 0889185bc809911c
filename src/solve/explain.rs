//! Why the packages cannot be had together, in sentences.

use std::collections::BTreeSet;

use super::{
    Problem, Wish,
    pool::{Id, Rule, RuleKind},
    request::Ask,
    universe::Universe,
};
use crate::{profile::Request, repo::Packages};

/// Sentences that one problem may have.
const MAX_SENTENCES: usize = 12;
/// Names that are suggested for an unknown one.
const MAX_SUGGESTIONS: usize = 3;

/// Tells problems.
pub(super) struct Teller<'a, 'b> {
    pub(super) universe: &'a mut Universe<'b>,
    pub(super) packages: &'a Packages,
    pub(super) wish: &'a Wish,
    /// The request of each job; pins have none.
    pub(super) requests: &'a [Option<&'a Request>],
}

impl Teller<'_, '_> {
    /// One problem: what is asked for, what that needs, and where it ends.
    pub(super) fn tell(&mut self, rules: Vec<Rule>) -> Problem {
        let mut problem = Problem::default();
        for rule in self.in_order(rules) {
            let request = rule.job.and_then(|job| *self.requests.get(job)?);
            if let Some(request) = request
                && problem.place.is_none()
            {
                problem.place = Some(request.place.clone());
            }
            let forbids = rule.job.is_some_and(|job| job >= self.wish.install.len());
            let sentence = self.sentence(&rule, request, forbids, &mut problem.hints);
            if matches!(rule.kind, RuleKind::NothingProvides | RuleKind::NothingProvidesJob) {
                // A rich dependency may have paths too, in its middle.
                let missing = self.universe.pool.show(rule.dependency);
                problem.paths.extend(missing.contains('/').then_some(missing));
            }
            if !problem.sentences.contains(&sentence) {
                problem.sentences.push(sentence);
            }
        }
        problem.hints.dedup();
        let more = problem.sentences.len().saturating_sub(MAX_SENTENCES);
        if more > 0 {
            // The end of the story is what matters, and its beginning.
            problem.sentences.drain(MAX_SENTENCES / 2..MAX_SENTENCES / 2 + more);
            problem.sentences.insert(MAX_SENTENCES / 2, format!("… and {more} more steps"));
        }
        problem
    }

    /// Requests first, then each requirement after the package that has it, then what makes it impossible.
    fn in_order(&mut self, rules: Vec<Rule>) -> Vec<Rule> {
        let (mut chain, mut rest): (Vec<Rule>, Vec<Rule>) =
            rules.into_iter().partition(|rule| rule.kind == RuleKind::Requires);
        rest.sort_by_key(|rule| (rule.kind, rule.job, rule.from, rule.to, rule.dependency));
        let jobs = rest.partition_point(|rule| rule.kind < RuleKind::Requires);
        let mut story: Vec<Rule> = rest.drain(..jobs).collect();
        let mut reached: BTreeSet<Id> = BTreeSet::new();
        for rule in story.iter().filter(|rule| rule.dependency != 0) {
            reached.extend(self.universe.pool.packages(super::pool::Job::InstallProvider(rule.dependency)));
        }
        while !chain.is_empty() {
            let next = chain.iter().position(|rule| reached.contains(&rule.from)).unwrap_or(0);
            let rule = chain.remove(next);
            reached.extend(self.universe.pool.packages(super::pool::Job::InstallProvider(rule.dependency)));
            story.push(rule);
        }
        story.extend(rest);
        story
    }

    /// One step; `forbids`: the rule's job is a prohibition.
    fn sentence(&mut self, rule: &Rule, request: Option<&Request>, forbids: bool, hints: &mut Vec<String>) -> String {
        let (from, to) = (self.universe.show(rule.from), self.universe.show(rule.to));
        let dependency = if rule.dependency == 0 { String::new() } else { self.universe.pool.show(rule.dependency) };
        let asked = request.map_or(dependency.as_str(), |request| request.what.as_str());
        match rule.kind {
            RuleKind::Job if request.is_some() && forbids => {
                hints.push(format!("take `{asked}` off `packages.forbid`, or leave out what needs it"));
                format!("`{asked}` is forbidden{}", by(request))
            }
            RuleKind::Job if request.is_none() => {
                hints.push("without the lock another version may do".into());
                "another version is locked".into()
            }
            RuleKind::Job => format!("`{asked}` is asked for{}", by(request)),
            RuleKind::NothingProvidesJob | RuleKind::UnknownPackage => {
                hints.extend(self.alternatives(asked));
                format!("no repository has `{asked}`, which is asked for{}", by(request))
            }
            RuleKind::Requires => format!("`{from}` requires `{dependency}`"),
            RuleKind::NothingProvides => format!("`{from}` requires `{dependency}`, which no repository has"),
            RuleKind::NotInstallable => format!("`{from}` is not for this architecture"),
            RuleKind::Conflicts if rule.to == 0 => format!("`{from}` conflicts with `{dependency}`"),
            RuleKind::Conflicts => format!("`{from}` conflicts with `{dependency}`, which is `{to}`"),
            RuleKind::SelfConflict => format!("`{from}` conflicts with `{dependency}`, which it provides itself"),
            RuleKind::Obsoletes => format!("`{from}` replaces `{dependency}`, which is `{to}`"),
            RuleKind::SameName => format!("`{from}` and `{to}` cannot both be installed"),
            RuleKind::InferiorArch => format!("`{from}` is there for a better architecture"),
            RuleKind::Other => "the rest cannot be fulfilled together".into(),
        }
    }

    /// What the user may have meant.
    fn alternatives(&self, asked: &str) -> Vec<String> {
        let name = match Ask::parse(asked) {
            Some(Ask::Name(name, ..) | Ask::Capability(name, ..)) => name,
            Some(Ask::Kind(name)) => return self.kinds(name),
            _ => return Vec::new(),
        };
        let mut there = BTreeSet::new();
        let mut near = BTreeSet::new();
        for offer in &self.packages.offers {
            for package in &offer.packages {
                let known = offer.words.get(package.name);
                if known == name {
                    let (evr, arch) = (offer.words.get(package.evr), offer.words.get(package.arch));
                    there.insert(format!("`{}` has `{known}` {evr} for {arch}", offer.alias));
                } else if let Some(distance) = distance(known, name, 2) {
                    near.insert((distance, known));
                }
            }
        }
        if there.is_empty() {
            let names: Vec<String> =
                near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| format!("`{name}`")).collect();
            if names.is_empty() { Vec::new() } else { vec![format!("did you mean {}?", names.join(" or "))] }
        } else {
            there.into_iter().take(MAX_SUGGESTIONS).collect()
        }
    }
}

impl Teller<'_, '_> {
    /// Patterns with nearly that name.
    fn kinds(&self, asked: &str) -> Vec<String> {
        let Some((kind, name)) = asked.split_once(':') else { return Vec::new() };
        let mut near = BTreeSet::new();
        for offer in &self.packages.offers {
            let Some(word) = offer.words.find(&format!("{kind}()")) else { continue };
            let provides = offer.packages.iter().flat_map(|package| &package.dependencies.provides);
            for provide in provides.filter(|provide| provide.name == word) {
                let known = offer.words.get(provide.version);
                near.extend(distance(known, name, 2).map(|distance| (distance, known)));
            }
        }
        let names: Vec<String> =
            near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| format!("`{kind}:{name}`")).collect();
        if names.is_empty() { Vec::new() } else { vec![format!("did you mean {}?", names.join(" or "))] }
    }
}

fn by(request: Option<&Request>) -> String {
    match request {
        Some(Request { role: Some(role), place, .. }) => format!(" by role `{role}` at {place}"),
        Some(request) => format!(" at {}", request.place),
        None => String::new(),
    }
}

/// Levenshtein's distance, if it is at most `limit`.
fn distance(one: &str, other: &str, limit: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > limit || one.len() > 100 {
        return None;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn distances_are_small_or_nothing() {
        for (one, other, distance) in [
            ("podman", "podman", Some(0)),
            ("podmann", "podman", Some(1)),
            ("pdoman", "podman", Some(2)),
            ("vim", "bash", None),
        ] {
            assert_eq!(super::distance(one, other, 2), distance);
        }
    }
}
