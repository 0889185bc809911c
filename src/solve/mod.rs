//! 3. What will be installed: a [`Wish`] and the packages that exist become a [`Resolution`], or sentences.
//!
//! libsolv decides, as it does for zypper, dnf and KIWI. The result depends on nothing but the metadata and the wish.

mod capability;
mod explain;
mod pool;
mod request;
mod resolution;
mod universe;
mod why;

use crate::{
    profile::{Arch, Place, Profile, Request},
    repo::{self, Packages},
    report::{Diagnostic, Exit, Explain},
    units::{Bytes, Epoch},
};
use pool::{Id, Job};
use request::Ask;
use universe::{Universe, unknown_paths};

pub use resolution::{Chosen, Reason, Resolution, Source};

/// What is asked of the solver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The machine's processor; what rpm says it can run is chosen from.
    pub arch: Arch,
    /// What must be there.
    pub install: Vec<Request>,
    /// What must not, for anyone.
    pub forbid: Vec<Request>,
    /// Whether recommended and supplementing packages come along.
    pub recommends: bool,
    /// Languages that `locale()` is true for: `de`, `de_DE`.
    pub languages: Vec<String>,
    /// Packages that, when chosen, have exactly this version.
    pub locked: Vec<Pin>,
}

/// A package that may have one version only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Its architecture.
    pub arch: String,
}

impl Wish {
    /// What a profile asks for. Its languages are those that are installed, else that of the machine's locale.
    pub fn of(profile: &Profile) -> Self {
        let locales = match profile.packages.locales.as_slice() {
            [] => std::slice::from_ref(&profile.machine.locale),
            some => some,
        };
        Self {
            arch: profile.arch,
            install: profile.packages.install.clone(),
            forbid: profile.packages.forbid.clone(),
            recommends: profile.packages.recommends,
            languages: locales.iter().flat_map(|locale| languages(locale)).collect(),
            locked: Vec::new(),
        }
    }
}

/// `de_DE.UTF-8` is `de_DE` and `de`; `C` and `POSIX` are none.
fn languages(locale: &str) -> Vec<String> {
    let name = locale.split(['.', '@']).next().unwrap_or_default();
    let language = name.split('_').next().unwrap_or_default();
    match language {
        "" | "C" | "POSIX" => Vec::new(),
        _ if language == name => vec![name.to_owned()],
        _ => vec![name.to_owned(), language.to_owned()],
    }
}

/// Why there is no resolution.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request that is neither a name, a capability, a path nor a pattern.
    #[error("`{what}` is not a package request")]
    Request {
        /// As written.
        what: String,
        /// Where.
        place: Place,
    },
    /// What is asked for cannot be had.
    #[error("the packages that are asked for cannot be installed")]
    Unsatisfiable {
        /// Each by itself reason enough.
        problems: Vec<Problem>,
    },
    /// File lists that were needed cannot be had.
    #[error(transparent)]
    Repo(#[from] repo::Error),
}

/// One reason why there is no resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// From what is asked for to what makes it impossible.
    pub sentences: Vec<String>,
    /// The first line of the profile that has a part in it.
    pub place: Option<Place>,
    /// What may help.
    pub hints: Vec<String>,
    /// Paths that are required and that no package is known to have.
    pub paths: Vec<String>,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Request { .. } => Exit::Usage,
            Self::Unsatisfiable { .. } => Exit::Unsatisfiable,
            Self::Repo(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Request { .. } => {
                vec!["write a name, `name >= version`, `/path`, `capability(x)` or `pattern:NAME`".into()]
            }
            Self::Unsatisfiable { problems } => problems.iter().flat_map(|problem| problem.hints.clone()).collect(),
            Self::Repo(error) => error.hints(),
        }
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Request { place, .. } => {
                let mut diagnostic = Diagnostic::at(place.clone(), self.to_string());
                diagnostic.hints = self.hints();
                vec![diagnostic]
            }
            Self::Unsatisfiable { problems } => problems.iter().map(|problem| self.diagnostic(problem)).collect(),
            Self::Repo(error) => error.diagnostics(),
        }
    }
}

impl Error {
    fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let (message, because) = match problem.sentences.as_slice() {
            [only] => (only.clone(), Vec::new()),
            sentences => (self.to_string(), sentences.to_vec()),
        };
        Diagnostic { message, place: problem.place.clone(), because, hints: problem.hints.clone() }
    }
}

/// Chooses packages. `complete` adds owners of paths that the primary metadata does not list
/// ([`repo::complete`]); it is called at most once, and only when there is no resolution without.
pub fn solve(
    wish: &Wish,
    packages: &mut Packages,
    complete: impl FnOnce(&mut Packages, &[&str]) -> Result<(), repo::Error>,
) -> Result<Resolution, Error> {
    let arch = wish.arch.as_str();
    let first = Attempt { wish, packages, arch }.run();
    let Err(Error::Unsatisfiable { problems }) = &first else { return first };
    if !packages.has_more_paths() || problems.iter().all(|problem| problem.paths.is_empty()) {
        return first;
    }
    let unknown = unknown_paths(packages, &paths(wish));
    complete(packages, &unknown.iter().map(String::as_str).collect::<Vec<_>>())?;
    Attempt { wish, packages, arch }.run()
}

/// Paths that requests name.
fn paths(wish: &Wish) -> Vec<&str> {
    let requests = wish.install.iter().chain(&wish.forbid);
    requests.filter_map(|request| Ask::parse(&request.what)?.path()).collect()
}

struct Attempt<'a> {
    wish: &'a Wish,
    packages: &'a Packages,
    arch: &'a str,
}

impl Attempt<'_> {
    fn run(&self) -> Result<Resolution, Error> {
        let wish = self.wish;
        let mut universe = Universe::new(self.packages, self.arch, &wish.languages, &paths(wish));
        let (jobs, requests) = self.jobs(&mut universe)?;
        match universe.pool.solve(&jobs, wish.recommends) {
            Ok(chosen) => Ok(self.resolution(&mut universe, &chosen, &jobs)),
            Err(problems) => {
                let universe = &mut universe;
                let mut teller = explain::Teller { universe, packages: self.packages, wish, requests: &requests };
                Err(Error::Unsatisfiable { problems: problems.into_iter().map(|rules| teller.tell(rules)).collect() })
            }
        }
    }

    /// A job for each request, installs first, and for each package that a pin rules out.
    fn jobs(&self, universe: &mut Universe<'_>) -> Result<(Vec<Job>, Vec<Option<&Request>>), Error> {
        let (mut jobs, mut requests) = (Vec::new(), Vec::new());
        let all = self.wish.install.iter().map(|request| (request, true));
        for (request, install) in all.chain(self.wish.forbid.iter().map(|request| (request, false))) {
            let wrong = || Error::Request { what: request.what.clone(), place: request.place.clone() };
            let ask = Ask::parse(&request.what).ok_or_else(wrong)?;
            jobs.push(if install { ask.install(&mut universe.pool) } else { ask.forbid(&mut universe.pool) });
            requests.push(Some(request));
        }
        for pin in &self.wish.locked {
            let name = universe.pool.text(&pin.name);
            for id in universe.pool.packages(Job::InstallName(name)) {
                let Some((offer, package)) = universe.package(id) else { continue };
                if offer.words.get(package.evr) != pin.evr || offer.words.get(package.arch) != pin.arch {
                    jobs.push(Job::ForbidPackage(id));
                    requests.push(None);
                }
            }
        }
        Ok((jobs, requests))
    }

    fn resolution(&self, universe: &mut Universe<'_>, chosen: &[Id], jobs: &[Job]) -> Resolution {
        let mut asked: Vec<(Id, &Request)> = Vec::new();
        for (request, job) in self.wish.install.iter().zip(jobs) {
            let fulfils = universe.pool.packages(*job).into_iter().find(|id| chosen.binary_search(id).is_ok());
            asked.extend(fulfils.map(|id| (id, request)));
        }
        let named: Vec<Id> = asked.iter().map(|(id, _)| *id).collect();
        let mut reasons = why::reasons(universe, chosen, &named, self.wish.recommends);
        let mut packages: Vec<Chosen> = chosen
            .iter()
            .filter_map(|id| {
                let (offer, package) = universe.package(*id)?;
                let word = |word| offer.words.get(word).to_owned();
                let places = asked.iter().filter(|(other, _)| other == id);
                Some(Chosen {
                    name: word(package.name),
                    evr: word(package.evr),
                    arch: word(package.arch),
                    repository: offer.alias.clone(),
                    location: package.location.to_string(),
                    size: Bytes(package.size),
                    checksum: package.checksum.clone(),
                    build_time: Epoch(package.build_time),
                    installed_size: Bytes(package.installed_size),
                    asked: places.map(|(_, request)| request.place.clone()).collect(),
                    reason: reasons.remove(id),
                })
            })
            .collect();
        packages.sort_by(|a, b| (&a.name, &a.evr, &a.arch).cmp(&(&b.name, &b.evr, &b.arch)));
        let state = |offer: &repo::Offer| Source { alias: offer.alias.clone(), state: offer.state.clone() };
        Resolution { packages, repositories: self.packages.offers.iter().map(state).collect() }
    }
}

#[cfg(test)]
mod tests;
