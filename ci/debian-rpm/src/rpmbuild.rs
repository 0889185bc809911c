//! A spec file and a tree as a signed RPM whose bytes depend on nothing else.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sign::Signer;
use crate::spec::Spec;
use crate::tool;
use crate::tree::Tree;

/// What keeps rpmbuild from looking at the host, the clock and the files' contents.
const MACROS: [(&str, &str); 19] = [
    ("_buildhost", "debian-rpm"),
    ("use_source_date_epoch_as_buildtime", "1"),
    ("clamp_mtime_to_source_date_epoch", "1"),
    ("source_date_epoch_from_changelog", "0"),
    // Without a number of threads after `zstdio`: they would cut the payload into other frames.
    ("_binary_payload", "w3.zstdio"),
    ("_binary_filedigest_algorithm", "8"),
    ("_build_name_fmt", "package.rpm"),
    ("__spec_install_pre", "%{nil}"),
    ("__os_install_post", "%{nil}"),
    ("__spec_clean_post", "%{nil}"),
    ("debug_package", "%{nil}"),
    ("_build_id_links", "none"),
    ("_missing_build_ids_terminate_build", "0"),
    ("_use_internal_dependency_generator", "0"),
    ("__find_provides", "%{nil}"),
    ("__find_requires", "%{nil}"),
    // What is documentation is said file by file: rpm would take the licences for it, too.
    ("__docdir_path", "/none"),
    ("vendor", "debian-rpm"),
    ("_invalid_encoding_terminates_build", "0"),
];

/// Builds and signs the package in a work folder; the result is a file there.
pub(crate) fn build(spec: &Spec, tree: &Tree, epoch: u64, work: &Path, signer: &Signer) -> Result<PathBuf> {
    let text = spec.render(tree.members())?;
    let file = work.join("package.spec");
    fs_err::write(&file, text)?;
    tree.settle()?;
    let mut command = tool::command("rpmbuild");
    command.args(["-bb", "--quiet", "--nodeps", "--target"]).arg(format!("{}-linux", spec.arch));
    command.arg("--buildroot").arg(tree.root());
    // The user's own macros lie in his home.
    command.env("HOME", work).env("SOURCE_DATE_EPOCH", epoch.to_string());
    for (name, value) in MACROS {
        command.arg("-D").arg(format!("{name} {value}"));
    }
    for name in ["_topdir", "_rpmdir", "_tmppath", "_dbpath"] {
        command.arg("-D").arg(format!("{name} {}", folder(work)?));
    }
    tool::output(command.arg(&file))?;
    let rpm = work.join("package.rpm");
    signer.sign_package(&rpm, epoch)?;
    Ok(rpm)
}

/// A folder's name for a macro.
pub(crate) fn folder(path: &Path) -> Result<&str> {
    let text = path.to_str().filter(|text| !text.contains(['%', ' ', '\n']));
    text.ok_or_else(|| Error::malformed(format!("folder `{}`", path.display()), "has letters that rpm's macros read"))
}
