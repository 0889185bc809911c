//! What is asked for, as jobs for the solver.

use super::{
    capability::{Rich, plain},
    pool::{Job, Pool},
    universe::KINDS,
};
use crate::repo::Relation;

/// A request's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask<'a> {
    /// `name`, `name >= version`: a package's name, else a capability.
    Name(&'a str, Relation, &'a str),
    /// `/path`, `name(x)`, …: only ever a capability.
    Capability(&'a str, Relation, &'a str),
    /// `pattern:NAME`, `product:NAME`.
    Kind(&'a str),
    /// `(a or b)`.
    Rich(Rich<'a>),
}

impl<'a> Ask<'a> {
    /// Reads it; nothing when it is none of these.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('(') {
            return Rich::parse(text).map(Self::Rich);
        }
        if let Some((kind, name)) = text.split_once(':')
            && KINDS.contains(&kind)
        {
            return (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(Self::Kind(text));
        }
        let (name, relation, version) = split(text)?;
        let only_capability = name.starts_with('/') || name.contains('(');
        Some(if only_capability {
            Self::Capability(name, relation, version)
        } else {
            Self::Name(name, relation, version)
        })
    }

    /// Install it.
    pub(super) fn install(&self, pool: &mut Pool) -> Job {
        match self {
            Self::Name(name, relation, version) => {
                let id = plain(pool, name, *relation, version);
                let job = Job::InstallName(id);
                if pool.packages(job).is_empty() { Job::InstallProvider(id) } else { job }
            }
            Self::Capability(name, relation, version) => Job::InstallProvider(plain(pool, name, *relation, version)),
            Self::Kind(text) => Job::InstallProvider(pool.text(text)),
            Self::Rich(rich) => Job::InstallProvider(rich.id(pool)),
        }
    }

    /// Install none of it. A name means packages of that name, never what else provides it.
    pub(super) fn forbid(&self, pool: &mut Pool) -> Job {
        match self {
            Self::Name(name, relation, version) => Job::ForbidName(plain(pool, name, *relation, version)),
            _ => match self.install(pool) {
                Job::InstallName(id) | Job::InstallProvider(id) => Job::ForbidProvider(id),
                other => other,
            },
        }
    }

    /// The path, if one is asked for.
    pub(super) fn path(&self) -> Option<&'a str> {
        match self {
            Self::Capability(name, ..) if name.starts_with('/') => Some(name),
            _ => None,
        }
    }
}

/// `name`, `name>=1`, `name >= 1`, `pattern() = base`.
fn split(text: &str) -> Option<(&str, Relation, &str)> {
    let Some(start) = text.find(['<', '>', '=']) else {
        return (!text.is_empty() && !text.contains(char::is_whitespace)).then_some((text, Relation::Any, ""));
    };
    let (name, rest) = text.split_at(start);
    let end = rest.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(rest.len());
    let (operator, version) = rest.split_at(end);
    let (name, version) = (name.trim(), version.trim());
    let sound = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
    let relation = Relation::from_operator(operator)?;
    (sound(name) && sound(version)).then_some((name, relation, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let name = |name, relation, version| Some(Ask::Name(name, relation, version));
        for (text, read) in [
            ("bash", name("bash", Relation::Any, "")),
            ("kernel-default >= 6.1", name("kernel-default", Relation::GreaterEqual, "6.1")),
            ("a=1:2-3", name("a", Relation::Equal, "1:2-3")),
            ("libstdc++6", name("libstdc++6", Relation::Any, "")),
            ("/usr/bin/vi", Some(Ask::Capability("/usr/bin/vi", Relation::Any, ""))),
            ("pkgconfig(x) < 2", Some(Ask::Capability("pkgconfig(x)", Relation::Less, "2"))),
            ("pattern:base", Some(Ask::Kind("pattern:base"))),
            ("", None),
            ("a b", None),
            ("a >", None),
            ("a >> 1", None),
            ("a >= 1 2", None),
            ("pattern:", None),
            ("(a or", None),
        ] {
            assert_eq!(Ask::parse(text), read, "{text}");
        }
        assert!(matches!(Ask::parse("(a or b)"), Some(Ask::Rich(_))));
    }
}
