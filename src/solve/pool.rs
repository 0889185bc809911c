//! The safe layer over libsolv: the only unsafe code of the solver.
//!
//! libsolv keeps everything in one pool and hands out numbers. A [`Pool`] owns its C structure; numbers of one pool
//! mean nothing in another and never leave this module's users.

#![expect(unsafe_code, reason = "libsolv is C")]

use std::{
    ffi::{CStr, CString, c_int, c_void},
    ptr,
};

use rattler_libsolv_c as ffi;

/// A text, a dependency or a package in libsolv's pool.
pub(super) type Id = ffi::Id;

/// How dependencies are combined or compared; `REL_*` of libsolv's `pool.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Operator {
    Greater = ffi::REL_GT,
    Equal = ffi::REL_EQ,
    GreaterEqual = ffi::REL_GT | ffi::REL_EQ,
    Less = ffi::REL_LT,
    LessEqual = ffi::REL_LT | ffi::REL_EQ,
    And = ffi::REL_AND,
    Or = ffi::REL_OR,
    With = ffi::REL_WITH,
    Without = ffi::REL_WITHOUT,
    If = ffi::REL_COND,
    Unless = ffi::REL_UNLESS,
    Else = ffi::REL_ELSE,
}

/// A package's dependencies, as numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Solvable {
    pub(super) name: Id,
    pub(super) arch: Id,
    pub(super) evr: Id,
    pub(super) provides: Vec<Id>,
    pub(super) requires: Vec<Id>,
    pub(super) conflicts: Vec<Id>,
    pub(super) obsoletes: Vec<Id>,
    pub(super) recommends: Vec<Id>,
    pub(super) suggests: Vec<Id>,
    pub(super) supplements: Vec<Id>,
    pub(super) enhances: Vec<Id>,
}

/// What the solver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Install one of the packages of that name, or with that name and version.
    InstallName(Id),
    /// Install one of those that provide it.
    InstallProvider(Id),
    /// Install none of that name, or with that name and version.
    ForbidName(Id),
    /// Install none of those that provide it.
    ForbidProvider(Id),
    /// Do not install this one.
    ForbidPackage(Id),
}

impl Job {
    fn numbers(self) -> [Id; 2] {
        let (how, what) = match self {
            Self::InstallName(id) => (ffi::SOLVER_INSTALL | ffi::SOLVER_SOLVABLE_NAME, id),
            Self::InstallProvider(id) => (ffi::SOLVER_INSTALL | ffi::SOLVER_SOLVABLE_PROVIDES, id),
            Self::ForbidName(id) => (ffi::SOLVER_LOCK | ffi::SOLVER_SOLVABLE_NAME, id),
            Self::ForbidProvider(id) => (ffi::SOLVER_LOCK | ffi::SOLVER_SOLVABLE_PROVIDES, id),
            Self::ForbidPackage(id) => (ffi::SOLVER_LOCK | ffi::SOLVER_SOLVABLE, id),
        };
        [how as Id, what]
    }
}

/// Why something cannot be: one rule of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) kind: RuleKind,
    /// The package that the rule is about; 0 is none.
    pub(super) from: Id,
    /// The other package; 0 is none.
    pub(super) to: Id,
    /// The dependency; 0 is none.
    pub(super) dependency: Id,
    /// Which job it comes from, counted from 0.
    pub(super) job: Option<usize>,
}

/// Kinds of rules, `SOLVER_RULE_*` of libsolv's `solver.h`; those that only occur with installed packages are `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleKind {
    Job,
    NothingProvidesJob,
    UnknownPackage,
    Requires,
    NothingProvides,
    NotInstallable,
    Conflicts,
    SelfConflict,
    Obsoletes,
    SameName,
    InferiorArch,
    Other,
}

/// libsolv's pool of packages and dependencies.
#[derive(Debug)]
pub(super) struct Pool {
    raw: *mut ffi::Pool,
    /// Ids of the languages that `namespace:language()` is true for; libsolv holds a pointer to it.
    languages: *mut Vec<Id>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: both came from `new`, nothing else owns them, and libsolv uses the callback's data until it is freed.
        unsafe {
            ffi::pool_free(self.raw);
            drop(Box::from_raw(self.languages));
        }
    }
}

/// Answers `namespace:`: 1 is true, 0 is false. Only languages are known (`ENGINEERING` II.28).
unsafe extern "C" fn namespace(pool: *mut ffi::Pool, data: *mut c_void, name: Id, value: Id) -> Id {
    // SAFETY: libsolv passes the pool it was called with and the pointer that `new` gave it, which lives as long as
    // the pool; `pool_id2str` gives a string for every id of the pool.
    unsafe {
        let languages = &*data.cast::<Vec<Id>>();
        let name = CStr::from_ptr(ffi::pool_id2str(pool, name));
        Id::from(name == c"namespace:language" && languages.contains(&value))
    }
}

impl Pool {
    /// An empty pool for packages of one processor and what it can run, as rpm sees them.
    pub(super) fn new(arch: &str, languages: &[String]) -> Self {
        // SAFETY: `pool_create` never gives null (libsolv ends the program without memory); the settings take plain
        // numbers and a string that is copied.
        let raw = unsafe {
            let raw = ffi::pool_create();
            ffi::pool_setdisttype(raw, ffi::DISTTYPE_RPM as c_int);
            ffi::pool_setdebuglevel(raw, -1);
            ffi::pool_setarch(raw, c_text(arch).as_ptr());
            raw
        };
        let mut pool = Self { raw, languages: ptr::null_mut() };
        let known = languages.iter().map(|language| pool.text(language)).collect();
        pool.languages = Box::into_raw(Box::new(known));
        // SAFETY: the data lives until `drop` has freed the pool.
        unsafe { ffi::pool_setnamespacecallback(raw, Some(namespace), pool.languages.cast()) };
        pool
    }

    /// The id of a text.
    pub(super) fn text(&mut self, text: &str) -> Id {
        // A C string cannot hold a NUL; what stands before it is taken, as rpm does.
        let text = text.split('\0').next().unwrap_or_default();
        // SAFETY: the pointer and length are those of a live string; libsolv copies it.
        unsafe { ffi::pool_strn2id(self.raw, text.as_ptr().cast(), text.len() as u32, 1) }
    }

    /// The id of two ids with an operator between them.
    pub(super) fn relation(&mut self, left: Id, operator: Operator, right: Id) -> Id {
        // SAFETY: ids are this pool's.
        unsafe { ffi::pool_rel2id(self.raw, left, right, operator as c_int, 1) }
    }

    /// A text or dependency for people.
    pub(super) fn show(&self, id: Id) -> String {
        // SAFETY: the id is this pool's; the string is valid until libsolv reuses its buffer, and is copied here.
        unsafe { CStr::from_ptr(ffi::pool_dep2str(self.raw, id)).to_string_lossy().into_owned() }
    }

    /// Adds a repository; a higher priority goes first.
    pub(super) fn add_repository(&mut self, alias: &str, priority: i32) -> Repository {
        // SAFETY: the name is copied; `repo_create` never gives null and the repository lives as long as the pool.
        unsafe {
            let repository = ffi::repo_create(self.raw, c_text(alias).as_ptr());
            (*repository).priority = priority;
            Repository(repository)
        }
    }

    /// Adds a package.
    pub(super) fn add(&mut self, repository: Repository, package: &Solvable) -> Id {
        let add_all = |ids: &[Id]| {
            // SAFETY: the repository is this pool's; each list is filled in one go, as `repo_addid` wants it.
            ids.iter().fold(0, |list, id| unsafe { ffi::repo_addid(repository.0, list, *id) })
        };
        let lists = [
            add_all(&package.provides),
            add_all(&package.requires),
            add_all(&package.conflicts),
            add_all(&package.obsoletes),
            add_all(&package.recommends),
            add_all(&package.suggests),
            add_all(&package.supplements),
            add_all(&package.enhances),
        ];
        // SAFETY: `repo_add_solvable` gives an index into the pool's packages; the pointer is used before anything
        // can move them, and `repo_rewrite_suse_deps` wants a package with its lists.
        unsafe {
            let id = ffi::repo_add_solvable(repository.0);
            let solvable = (*self.raw).solvables.add(id as usize);
            (*solvable).name = package.name;
            (*solvable).arch = package.arch;
            (*solvable).evr = package.evr;
            [
                (*solvable).provides,
                (*solvable).requires,
                (*solvable).conflicts,
                (*solvable).obsoletes,
                (*solvable).recommends,
                (*solvable).suggests,
                (*solvable).supplements,
                (*solvable).enhances,
            ] = lists;
            // `packageand()`, `locale()`, `modalias()`, `otherproviders()` become what they mean.
            ffi::repo_rewrite_suse_deps(solvable, 0);
            id
        }
    }

    /// Ends the adding of packages.
    pub(super) fn finish(&mut self) {
        // SAFETY: no argument but the pool.
        unsafe { ffi::pool_createwhatprovides(self.raw) };
    }

    /// Which packages a job is about.
    pub(super) fn packages(&mut self, job: Job) -> Vec<Id> {
        let [how, what] = job.numbers();
        let mut queue = Queue::default();
        // SAFETY: the queue is initialised, `what` is this pool's.
        unsafe { ffi::pool_job2solvables(self.raw, &mut queue.0, how, what) };
        queue.to_vec()
    }

    /// Solves the jobs from nothing installed: the chosen packages, or for each problem its rules.
    pub(super) fn solve(&mut self, jobs: &[Job], recommends: bool) -> Result<Vec<Id>, Vec<Vec<Rule>>> {
        let mut queue = Queue::default();
        jobs.iter().flat_map(|job| job.numbers()).for_each(|number| queue.push(number));
        // SAFETY: the solver is freed before the pool that it belongs to, queues are initialised, and `rules` gets
        // problem numbers from 1 to the count only.
        unsafe {
            let solver = ffi::solver_create(self.raw);
            let guard = Solver(solver);
            ffi::solver_set_flag(solver, ffi::SOLVER_FLAG_IGNORE_RECOMMENDED as c_int, c_int::from(!recommends));
            let problems = ffi::solver_solve(guard.0, &mut queue.0);
            if problems != 0 {
                let count = ffi::solver_problem_count(guard.0) as Id;
                return Err((1..=count).map(|problem| guard.rules(problem)).collect());
            }
            let mut decisions = Queue::default();
            ffi::solver_get_decisionqueue(guard.0, &mut decisions.0);
            // 1 is the system itself; what is decided against is negative.
            let mut chosen: Vec<Id> = decisions.to_vec().into_iter().filter(|id| *id > 1).collect();
            chosen.sort_unstable();
            Ok(chosen)
        }
    }
}

/// A repository of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repository(*mut ffi::Repo);

struct Solver(*mut ffi::Solver);

impl Drop for Solver {
    fn drop(&mut self) {
        // SAFETY: it came from `solver_create` and is freed once.
        unsafe { ffi::solver_free(self.0) };
    }
}

impl Solver {
    /// All rules of one problem's proof.
    ///
    /// # Safety
    ///
    /// The problem must be one of the solver's.
    unsafe fn rules(&self, problem: Id) -> Vec<Rule> {
        let mut numbers = Queue::default();
        // SAFETY: the caller vouches for the problem; rule numbers are libsolv's own.
        unsafe {
            ffi::solver_findallproblemrules(self.0, problem, &mut numbers.0);
            numbers.to_vec().into_iter().flat_map(|rule| self.infos(rule)).collect()
        }
    }

    /// What one rule says; one rule may stand for several dependencies.
    ///
    /// # Safety
    ///
    /// The rule must be one of the solver's.
    unsafe fn infos(&self, number: Id) -> Vec<Rule> {
        let mut infos = Queue::default();
        // SAFETY: the caller vouches for the rule; `solver_allruleinfos` pushes four numbers an entry.
        unsafe {
            let job = usize::try_from(ffi::solver_rule2jobidx(self.0, number)).ok();
            ffi::solver_allruleinfos(self.0, number, &mut infos.0);
            let rule = |info: &[Id]| Rule {
                kind: RuleKind::from_number(info[0] as u32),
                from: info[1],
                to: info[2],
                dependency: info[3],
                // Two numbers a job, counted from 1.
                job: job.and_then(|index| index.checked_sub(1)).map(|index| index / 2),
            };
            infos.to_vec().chunks_exact(4).map(rule).collect()
        }
    }
}

impl RuleKind {
    fn from_number(number: u32) -> Self {
        match number {
            ffi::SolverRuleinfo_SOLVER_RULE_JOB => Self::Job,
            ffi::SolverRuleinfo_SOLVER_RULE_JOB_NOTHING_PROVIDES_DEP => Self::NothingProvidesJob,
            ffi::SolverRuleinfo_SOLVER_RULE_JOB_UNKNOWN_PACKAGE => Self::UnknownPackage,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_REQUIRES => Self::Requires,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP => Self::NothingProvides,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_NOT_INSTALLABLE => Self::NotInstallable,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_CONFLICTS => Self::Conflicts,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_SELF_CONFLICT => Self::SelfConflict,
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_OBSOLETES | ffi::SolverRuleinfo_SOLVER_RULE_PKG_IMPLICIT_OBSOLETES => {
                Self::Obsoletes
            }
            ffi::SolverRuleinfo_SOLVER_RULE_PKG_SAME_NAME => Self::SameName,
            ffi::SolverRuleinfo_SOLVER_RULE_INFARCH => Self::InferiorArch,
            _ => Self::Other,
        }
    }
}

/// A list of libsolv's.
struct Queue(ffi::Queue);

impl Default for Queue {
    fn default() -> Self {
        let mut queue = ffi::Queue { elements: ptr::null_mut(), count: 0, alloc: ptr::null_mut(), left: 0 };
        // SAFETY: `queue_init` sets every field.
        unsafe { ffi::queue_init(&mut queue) };
        Self(queue)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: it was initialised and is freed once.
        unsafe { ffi::queue_free(&mut self.0) };
    }
}

impl Queue {
    fn push(&mut self, number: Id) {
        // SAFETY: the queue is initialised; inserting at its end is what `queue_insert` allows.
        unsafe { ffi::queue_insert(&mut self.0, self.0.count, number) };
    }

    fn to_vec(&self) -> Vec<Id> {
        if self.0.count <= 0 {
            return Vec::new();
        }
        // SAFETY: libsolv keeps `count` ids at `elements`.
        unsafe { std::slice::from_raw_parts(self.0.elements, self.0.count as usize).to_vec() }
    }
}

/// A string for C; one with a NUL, which no name has, becomes empty.
fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
