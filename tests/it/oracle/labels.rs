//! SELinux's labels of a whole image, held against what Debian's setfiles gives with Debian's policy.

use std::path::Path;

use assert_cmd::Command;

use super::apart::{apart, mount_image};
use crate::{
    busybox,
    image::{BENCH, Who, run, text},
    place::skip,
};

/// The policy of the testing machine (package `selinux-policy-default`).
const POLICY: &str = "/etc/selinux/default/contexts/files/file_contexts";

/// A package that brings that policy's labels, and the configuration that names it.
const SPEC: &str = "Name: policy
Version: 1
Release: 1
Summary: The labels of Debian's policy
License: MIT
BuildArch: noarch
%description
%{summary}.
%install
mkdir -p %{buildroot}/etc/selinux/default/contexts/files
printf 'SELINUX=permissive\\nSELINUXTYPE=default\\n' > %{buildroot}/etc/selinux/config
cp /etc/selinux/default/contexts/files/file_contexts* %{buildroot}/etc/selinux/default/contexts/files
rm -f %{buildroot}/etc/selinux/default/contexts/files/*.bin
%files
/etc/selinux
";

#[test]
fn every_file_has_the_label_that_setfiles_gives_it() {
    let Some(bench) = &*BENCH else { return };
    if !Path::new(POLICY).exists() {
        return skip("selinux-policy-default is not installed").unwrap_or_default();
    }
    let work = tempfile::tempdir_in(&bench.folder).unwrap();
    let [repository, labelled, image, files, contexts] =
        ["repository", "labelled.yaml", "image", "files", "contexts"].map(|name| work.path().join(name));
    for folder in [&repository, &image, &files, &contexts] {
        fs_err::create_dir(folder).unwrap();
    }
    let spec = repository.join("policy.spec");
    fs_err::write(&spec, SPEC).unwrap();
    let [top, packages] = ["_topdir", "_rpmdir"].map(|name| format!("{name} {}", repository.display()));
    run("rpmbuild", &["-bb", "--quiet", "--define", &top, "--define", &packages, text(&spec)]);
    run("createrepo_c", &["--quiet", text(&repository)]);
    // The test distribution, with a policy.
    let distribution = fs_err::read_to_string("profiles/distributions/debian-rpm.yaml").unwrap();
    let named = distribution.replace("name: debian-rpm\n", "name: labelled\n");
    let (before, after) = named.split_once("  selinux: {absent").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    fs_err::write(&labelled, format!("{before}  selinux: [policy]\n{after}")).unwrap();
    let address = format!("policy=dir:{}", repository.display());
    let output = work.path().join("out");
    // Images come with it: podman's own folder, elsewhere.
    let preload = format!("preload=[\"oci:{}\"]", text(&busybox::layout(bench)));
    let mut args = bench.arguments("container-host");
    args.iter_mut().filter(|word| *word == "debian-rpm").for_each(|word| text(&labelled).clone_into(word));
    args.extend(
        ["--repo", &address, "--no-signatures", "--set", &preload, "--set", "users={root: {password: locked}}"]
            .map(str::to_owned),
    );
    let mut build = bench.command(Who::Root, &["build", "--quiet", "--format", "raw", "--output", text(&output)]);
    let built = build.args(&args).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let raw = String::from_utf8(built.stdout).unwrap();
    let raw = Path::new(raw.lines().find(|line| line.ends_with(".raw")).unwrap());

    apart(|| {
        mount_image(raw, &image);
        // setfiles leaves out what is mounted: the names and their attributes are enough for it. The root snapshot is
        // seen a second time below /.snapshots, which is the one thing that cp refuses.
        let from = format!("{}/.", image.display());
        let copied = Command::new("cp").args(["-a", "--attributes-only", &from, text(&files)]).output().unwrap();
        let copied = String::from_utf8_lossy(&copied.stderr).into_owned();
        assert!(copied.lines().all(|line| line.contains("will not create hard link")), "{copied}");
        let own = image.join("etc/selinux/default/contexts/files/file_contexts.subs");
        run("cp", &[text(&own), text(&contexts)]);
    });
    // The machine's policy judges, with what the image adds to it.
    run("sh", &["-c", "cp \"$1\"* \"$2\" && rm -f \"$2\"/*.bin", "sh", POLICY, text(&contexts)]);
    let equivalences = fs_err::read_to_string(contexts.join("file_contexts.subs")).unwrap();
    assert!(equivalences.contains("/usr/lib/containers/storage /var/lib/containers/storage\n"), "{equivalences}");
    let policy = contexts.join("file_contexts");
    let judge = || run("setfiles", &["-n", "-v", "-F", "-r", text(&files), text(&policy), text(&files)]);
    assert_eq!(judge(), "");
    // It does look: one other label is one difference.
    let changed = fs_err::read_to_string(&policy).unwrap() + "/etc/fstab -- system_u:object_r:other_t:s0\n";
    fs_err::write(&policy, changed).unwrap();
    let told = judge();
    assert!(told.lines().count() == 1 && told.contains("/etc/fstab from system_u:object_r:etc_t:s0"), "{told}");
}
