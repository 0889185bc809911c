//! A `.deb` as a spec file and a tree.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::script::{self, ADMIN};
use crate::spec::Spec;
use crate::tar;
use crate::tool;
use crate::tree::Tree;

/// Largest member of a control archive that is taken; the largest of Debian's are symbol files below 10 MiB.
const MAX_CONTROL: u64 = 32 << 20;

/// The members of a control archive.
#[derive(Debug)]
pub(crate) struct ControlArchive(BTreeMap<String, Vec<u8>>);

impl ControlArchive {
    /// Reads the control archive of a `.deb`.
    pub(crate) fn open(deb: &Path) -> Result<Self> {
        let mut members = BTreeMap::new();
        tool::stream(tool::command("dpkg-deb").arg("--ctrl-tarfile").arg(deb), |archive| {
            tar::read(archive, |member, contents| {
                let mut bytes = Vec::new();
                contents.take(MAX_CONTROL).read_to_end(&mut bytes)?;
                members.insert(member.path.trim_start_matches('/').to_owned(), bytes);
                Ok(())
            })
        })?;
        Ok(Self(members))
    }

    /// The control record.
    pub(crate) fn control(&self) -> Result<Control> {
        Control::parse(&self.text("control")?.unwrap_or_default())
    }

    fn text(&self, member: &str) -> Result<Option<String>> {
        let text = self.0.get(member).map(|bytes| String::from_utf8(bytes.clone())).transpose();
        text.map_err(|_| Error::malformed(format!("control archive: `{member}`"), "is not UTF-8"))
    }

    /// The packages' own configuration files; those that an upgrade removes are not in the package.
    fn conffiles(&self) -> Result<Vec<String>> {
        let text = self.text("conffiles")?.unwrap_or_default();
        Ok(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned).collect())
    }
}

/// What a `.deb` is as an RPM.
#[derive(Debug)]
pub(crate) struct Rewrapped {
    pub(crate) spec: Spec,
    pub(crate) tree: Tree,
    /// The newest time in its archive: when the package, and its signature, were made.
    pub(crate) epoch: u64,
}

/// Unpacks a `.deb` into an empty folder, and turns its record and scripts into RPM's.
pub(crate) fn rewrap(deb: &Path, archive: &ControlArchive, is_essential: bool, root: &Path) -> Result<Rewrapped> {
    let control = archive.control()?;
    let name = control.need("Package")?;
    let mut tree = Tree::new(root);
    tool::stream(tool::command("dpkg-deb").arg("--fsys-tarfile").arg(deb), |data| {
        tree.unpack(data, |path| place(name, path))
    })?;
    let epoch = tree.newest();
    let mut spec = Spec::from_control(&control)?;
    spec.conffiles = archive.conffiles()?.into_iter().filter_map(|path| place(name, &path)).collect();
    mend(name, &mut tree, &mut spec, epoch)?;
    administer(archive, &control, &mut tree, epoch)?;
    if is_essential {
        // Its script is run by `debian-essential`. rpm orders by weak relations, too, and those that lead out of the
        // set lead back to it through scripts.
        spec.relations.retain(|(tag, _)| !["Recommends", "Suggests"].contains(tag));
    } else {
        scriptlets(archive, &control, &mut spec)?;
    }
    if tree.members().any(|member| member.user != "root" || member.group != "root") && name != "base-passwd" {
        // The names must resolve when the files are put in place.
        spec.relations.push(("Requires(pre)", "base-passwd".to_owned()));
    }
    Ok(Rewrapped { spec, tree, epoch })
}

/// Where a path of a package goes; what the distribution's own package has goes nowhere.
fn place(package: &str, path: &str) -> Option<String> {
    const MOVED: [(&str, &str); 2] = [("/var/lib/dpkg", ADMIN), ("/var/lib/rpm", "/usr/lib/sysimage/rpm")];
    const LEFT_OUT: [(&str, &str); 6] = [
        ("base-files", "/usr/lib/os-release"),
        ("base-files", "/etc/os-release"),
        ("base-files", "/var/run"),
        ("base-files", "/var/lock"),
        // vim-runtime has them, too, and diverts these.
        ("vim-tiny", "/usr/share/vim/vim91/doc/help.txt"),
        ("vim-tiny", "/usr/share/vim/vim91/doc/tags"),
    ];
    if LEFT_OUT.contains(&(package, path)) {
        return None;
    }
    for (from, to) in MOVED {
        if let Some(rest) = path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Some(format!("{to}{rest}"));
        }
    }
    Some(path.to_owned())
}

/// What a package lacks as an RPM.
fn mend(name: &str, tree: &mut Tree, spec: &mut Spec, epoch: u64) -> Result<()> {
    let mut provide = |paths: &[&str]| {
        spec.relations.extend(paths.iter().map(|path| ("Provides", (*path).to_owned())));
    };
    match name {
        "dash" => provide(&["/bin/sh", "/usr/bin/sh"]),
        "bash" => provide(&["/bin/bash", "/usr/bin/bash"]),
        "perl-base" => provide(&["/usr/bin/perl"]),
        // Its postinst turns these folders into links; a package that owns a folder would own something else then.
        "base-files" => {
            tree.link("/var/run", "/run", epoch)?;
            tree.link("/var/lock", "/run/lock", epoch)?;
        }
        // Its postinst copies them; owners of files have to have names before any script runs.
        "base-passwd" => {
            for file in ["passwd", "group"] {
                let master = tree.read(&format!("/usr/share/base-passwd/{file}.master"))?;
                tree.file(&format!("/etc/{file}"), 0o644, epoch, &master)?;
                spec.conffiles.insert(format!("/etc/{file}"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Adds what dpkg would keep about the package.
fn administer(archive: &ControlArchive, control: &Control, tree: &mut Tree, epoch: u64) -> Result<()> {
    let stem = script::stem(control)?;
    let mut list = String::from("/.\n");
    for member in tree.members() {
        list.push_str(&member.path);
        list.push('\n');
    }
    tree.file(&format!("{ADMIN}/status.d/{stem}"), 0o644, epoch, control.to_status().as_bytes())?;
    tree.file(&format!("{ADMIN}/info/{stem}.list"), 0o644, epoch, list.as_bytes())?;
    for kind in script::SHIPPED {
        if let Some(bytes) = archive.0.get(kind) {
            let mode = if ["postinst", "prerm", "postrm", "config"].contains(&kind) { 0o755 } else { 0o644 };
            tree.file(&format!("{ADMIN}/info/{stem}.{kind}"), mode, epoch, bytes)?;
        }
    }
    Ok(())
}

fn scriptlets(archive: &ControlArchive, control: &Control, spec: &mut Spec) -> Result<()> {
    if let Some(preinst) = archive.text("preinst")? {
        spec.scriptlets.push(("%pre", script::pre(control, preinst.trim_end())?));
        spec.relations.push(("Requires(pre)", crate::essential::NAME.to_owned()));
    }
    if archive.0.contains_key("postinst") {
        spec.scriptlets.push(("%post", script::post(control)?));
        // dpkg configures a package behind its dependencies. In a cycle, which a recommendation is enough for, rpm
        // keeps this order only where it says so.
        let depends: Vec<_> = spec.relations.iter().filter(|(tag, _)| *tag == "Requires").cloned().collect();
        spec.relations.extend(depends.into_iter().map(|(_, relation)| ("Requires(post)", relation)));
        spec.relations.push(("Requires(post)", crate::essential::NAME.to_owned()));
    }
    if !spec.scriptlets.is_empty() {
        spec.relations.push(("Requires", crate::essential::NAME.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrative_folders_leave_var() {
        let table = [
            ("dpkg", "/var/lib/dpkg/info", Some("/usr/lib/sysimage/dpkg/info")),
            ("rpm", "/var/lib/rpm", Some("/usr/lib/sysimage/rpm")),
            ("x", "/var/lib/dpkg-x", Some("/var/lib/dpkg-x")),
            ("base-files", "/etc/os-release", None),
            ("x", "/etc/os-release", Some("/etc/os-release")),
        ];
        for (package, path, expected) in table {
            assert_eq!(place(package, path).as_deref(), expected, "{package} {path}");
        }
    }
}
