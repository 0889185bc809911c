//! A question to a program of the chosen packages, before there is a root: it and what it needs are unpacked, and it
//! runs in the sandbox.
//!
//! There is one such question: which images Kubernetes' control plane is. Only kubeadm knows; its versions differ, and
//! openSUSE's has the images at another registry than Kubernetes' own.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Error, Options,
    inside::{Failure, ROOT, STAGING, host, report as events},
    job::{Line, PACKAGES},
    outside::{self, Work},
};
use crate::{
    cache::Cache,
    profile::{Arch, Document, ImageSource, Loaded, Place, Preload, Reference},
    report::{Diagnostic, Exit, Explain, Report},
    root::{self, End, Package, Program, Runner},
    rpm::files::{FileEntry, FileKind},
    sandbox::{self, Inside, Server},
    system,
    tree::RelPath,
    units::Epoch,
};

/// The argument that makes the inner half answer a question.
pub(super) const ASK: &str = "ask";
/// More images than this are none of kubeadm's: it has seven.
const MOST: usize = 64;

/// What the inner half is asked. The question is its only descriptor; the packages lie where a build's do.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    /// How many packages there are.
    packages: usize,
    argv: Vec<String>,
    stdin: String,
    arch: Arch,
    epoch: Epoch,
}

/// The images of the control plane, where the profile asks for them: what the kubeadm in `files`, the chosen packages'
/// files, says without a network.
///
/// # Errors
/// None of them has kubeadm, it fails, or its answer is none.
pub(super) fn control_plane(
    loaded: &Loaded,
    files: &[PathBuf],
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Vec<Preload>, Error> {
    let profile = &loaded.profile;
    let Some(place) = &profile.control_plane else { return Ok(Vec::new()) };
    // What cannot be read, the installation says better.
    let opened = files.iter().filter_map(|file| Some((Package::open(file).ok()?, file)));
    let (packages, files): (Vec<Package>, Vec<&PathBuf>) = opened.unzip();
    let Some((at, kubeadm)) = packages.iter().enumerate().find_map(|(at, it)| Some((at, program(it)?))) else {
        return Err(wrong(place, "`preload: control-plane`: no chosen package has `kubeadm`", Vec::new()));
    };
    let documents = profile.machine.kubernetes.as_ref().map(|it| it.documents.as_slice()).unwrap_or_default();
    let skeleton = packages.iter().enumerate().filter(|(_, package)| is_skeleton(package)).map(|(at, _)| at);
    let needed = closure(skeleton.chain([at]), &root::relations(&packages));
    let question = Question {
        packages: needed.len(),
        argv: command(kubeadm, documents),
        stdin: system::kubeadm_configuration(documents),
        arch: profile.arch,
        epoch: options.epoch.unwrap_or_default(),
    };
    let means = sandbox::emulate(outside::means(report)?, profile.arch)?;
    let work = Work::make(&Options { keep_failed: None, ..options.clone() }, cache, &means)?;
    let needed: Vec<&Path> = needed.iter().map(|at| files[*at].as_path()).collect();
    let said = work.ask(&question, &needed, report)?;
    let references = references(&said);
    if references.is_empty() || references.len() > MOST {
        let message = "`kubeadm config images list` names no images that could be preloaded";
        return Err(wrong(place, message, outside::last_lines(&said)));
    }
    // What the profile names itself is what it says there.
    let is_named = |it: &Reference| profile.preload.iter().any(|own| own.what == it.to_string());
    let preload = |it: Reference| Preload {
        what: it.to_string(),
        source: ImageSource::Registry(it),
        name: None,
        digest: None,
        place: place.clone(),
    };
    Ok(references.into_iter().filter(|it| !is_named(it)).map(preload).collect())
}

fn wrong(place: &Place, message: &str, because: Vec<String>) -> Error {
    let hints = vec!["name the images one by one, instead of `control-plane`".to_owned()];
    Error::ControlPlane(Diagnostic { because, hints, ..Diagnostic::at(place.clone(), message) })
}

/// Where a package has kubeadm.
fn program(package: &Package) -> Option<&'static str> {
    let has = |path: &str| package.files.iter().any(|file| file.path.as_bytes() == &path.as_bytes()[1..]);
    ["/usr/bin/kubeadm", "/usr/sbin/kubeadm"].into_iter().find(|path| has(path))
}

/// Whether a package has `/bin`, `/lib64` and the like as links: where it is essential, nobody says that it is needed.
fn is_skeleton(package: &Package) -> bool {
    let is_link =
        |file: &FileEntry| matches!(file.kind, FileKind::Symlink { .. }) && file.path.parent() == Some(RelPath::ROOT);
    package.files.iter().any(is_link)
}

/// Packages and all that they need, in the order that they have.
fn closure(of: impl Iterator<Item = usize>, relations: &[root::Relation]) -> Vec<usize> {
    let mut found: BTreeSet<usize> = of.collect();
    let mut next: Vec<usize> = found.iter().copied().collect();
    while let Some(package) = next.pop() {
        let needs = relations.iter().filter(|relation| relation.package == package).map(|relation| relation.needs);
        next.extend(needs.filter(|needs| found.insert(*needs)).collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

/// kubeadm reads its configuration if there is one of a cluster: of other kinds alone it says that there is none.
fn command(kubeadm: &str, documents: &[Document]) -> Vec<String> {
    let mut argv = [kubeadm, "config", "images", "list"].map(str::to_owned).to_vec();
    if documents.iter().any(|it| matches!(it.kind.as_str(), "ClusterConfiguration" | "InitConfiguration")) {
        argv.extend(["--config".into(), "/proc/self/fd/0".into()]);
    }
    argv
}

/// The lines that are names of images: between them kubeadm says that it cannot ask the network for its version.
fn references(said: &str) -> Vec<Reference> {
    said.lines().map(str::trim).filter_map(Reference::parse).collect()
}

/// The inner half: unpacks the packages and runs the program.
pub(super) fn answer(inside: Inside) -> Result<Line, Failure> {
    let question =
        inside.kept.into_iter().next().ok_or_else(|| host("read the question")(io::ErrorKind::InvalidInput.into()))?;
    let question: Question = serde_json::from_reader(std::fs::File::from(question))
        .map_err(|error| host("read the question")(error.into()))?;
    for folder in [ROOT, STAGING] {
        fs_err::create_dir(folder).map_err(host("make the root's folder"))?;
    }
    let mut server = Server::for_scriptlets(Path::new(ROOT), inside.procfs, None, None)
        .map_err(host("enter the root in the sandbox"))?;
    root::lua::set_machine(question.arch.as_str());
    let packages: Vec<_> = (0..question.packages).map(|at| Path::new(PACKAGES).join(at.to_string())).collect();
    let settings = root::Settings { epoch: question.epoch, no_scriptlets: true, ..Default::default() };
    root::assemble(&packages, &settings, Path::new(ROOT), Path::new(STAGING), &mut server, &events())?;
    let name = question.argv.join(" ");
    let argv = question.argv.into_iter().map(String::into_bytes).collect();
    let job = root::Job {
        name: name.clone(),
        program: Program::Command { argv, script: None },
        args: Vec::new(),
        environment: root::scriptlet::environment(question.epoch, &[], &Default::default()),
        stdin: question.stdin.into_bytes(),
    };
    let outcome = Runner::run(&mut server, &job).map_err(host("run a program in the sandbox"))?;
    let said = String::from_utf8_lossy(&outcome.output).into_owned();
    match outcome.end {
        End::Success => Ok(Line::Said { said }),
        end => Err(Ended { name, end, said }.into()),
    }
}

/// The program failed.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` ended with {end}")]
struct Ended {
    name: String,
    end: End,
    said: String,
}

impl Explain for Ended {
    fn exit(&self) -> Exit {
        Exit::Build
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostic = Diagnostic::from_chain(self);
        diagnostic.because = outside::last_lines(&self.said);
        vec![diagnostic]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_needs_is_followed_to_the_end() {
        let relation = |package, needs| root::Relation { package, needs, for_scriptlet: false };
        let relations = [relation(3, 1), relation(1, 4), relation(4, 3), relation(0, 2), relation(2, 3)];
        assert_eq!(closure([3].into_iter(), &relations), [1, 3, 4]);
        assert_eq!(closure([5, 2].into_iter(), &relations), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn between_names_of_images_kubeadm_says_other_things() {
        let said = "W1127 10:00:00.000000       9 version.go:109] could not fetch a Kubernetes version from the internet: lookup dl.k8s.io: no such host\n\
            registry.opensuse.org/kubic/kube-apiserver:v1.31.1\n  registry.opensuse.org/kubic/pause:3.10\n\n";
        let names: Vec<String> = references(said).iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            ["registry.opensuse.org/kubic/kube-apiserver:v1.31.1", "registry.opensuse.org/kubic/pause:3.10"]
        );
    }

    #[test]
    fn only_a_clusters_configuration_is_handed_to_kubeadm() {
        let of = |kind: &str| Document { api_version: "v1".into(), kind: kind.into(), fields: Default::default() };
        assert_eq!(command("/usr/bin/kubeadm", &[of("KubeletConfiguration")]).len(), 4);
        let argv = command("/usr/bin/kubeadm", &[of("KubeletConfiguration"), of("ClusterConfiguration")]);
        assert_eq!(argv[4..], ["--config", "/proc/self/fd/0"]);
    }
}
