//! The image's own zypper works on what rowi installed: it reads the database, adds to it and takes from it.

use std::path::Path;

use crate::{
    image::{BENCH, all_well, run, text},
    place::is_all,
};

/// What zypper is to install, with what that needs; `kubic` has none of them.
const PACKAGES: [&str; 5] = ["jq", "libjq1", "libonig5", "sgml-base", "xml-core"];

/// `kubic` with a small repository in it. The layer that `rowi boot` writes to is thrown away, so the root may be changed.
const PROFILE: &str = r#"
kind: profile
name: zypper
extends: [kubic]
overlays: [repository]
checks:
  - name: the root is made writable
    run: mount -o remount,rw / && btrfs property set -ts / ro false && rm -f /etc/zypp/repos.d/* &&
      zypper -n addrepo --no-gpgcheck dir:/srv/repository test && rpm -qa | sort > /run/before
  - name: zypper installs, with what is needed
    run: zypper -n install jq xml-core && rpm -q jq libjq1 libonig5 sgml-base xml-core && [ "$(echo '{"a":[1,2]}' | jq -c .a)" = '[1,2]' ]
  - name: rpm finds no fault in what was installed
    run: rpm -V jq libjq1 libonig5 && rpmdb --verifydb && [ "$(rpm -qf --qf '%{NAME}' /usr/bin/jq)" = jq ]
  - name: zypper removes
    run: zypper -n remove --clean-deps jq xml-core && [ ! -e /usr/bin/jq ] && rpm -qa | sort | cmp - /run/before && rpmdb --verifydb
"#;

#[test]
fn zypper_installs_and_removes_in_the_machine() {
    if !is_all() {
        return;
    }
    let Some(bench) = &*BENCH else { return };
    let folder = bench.folder.join("zypper");
    let repository = folder.join("overlays/repository/srv/repository");
    fs_err::create_dir_all(&repository).unwrap();
    for name in PACKAGES {
        let package = package(&bench.repository, name);
        fs_err::copy(&package, repository.join(package.file_name().unwrap())).unwrap();
    }
    run("createrepo_c", &["--quiet", text(&repository)]);
    let profile = folder.join("zypper.yaml");
    fs_err::write(&profile, PROFILE).unwrap();
    let images = bench.image(text(&profile), "zypper-image", &[]);
    let table = bench.boot_check(&images, &["--firmware", "uefi"]);
    all_well(&table, &["zypper installs, with what is needed", "rpm finds no fault", "zypper removes"]);
}

/// A package's file, by its name.
fn package(repository: &Path, name: &str) -> std::path::PathBuf {
    let query = "exec rpm -qp --nosignature --qf '%{NAME} ' \"$1\"";
    let is_it = |path: &Path| run("sh", &["-c", query, "sh", text(path)]) == format!("{name} ");
    let files = ["x86_64", "noarch"].map(|arch| fs_err::read_dir(repository.join(arch)).into_iter().flatten());
    let mut files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let begins =
        |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-"));
    files.find(|path| begins(path) && is_it(path)).unwrap_or_else(|| panic!("there is no {name}"))
}
