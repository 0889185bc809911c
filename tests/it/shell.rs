//! A build that fails can be looked into: at the step, and afterwards in the tree that it keeps.

use std::process::Output;

use assert_cmd::Command;

use crate::image::{BENCH, Who, run, text};

const PROFILE: &str = "\
kind: profile
name: failing
extends: [microos]
distribution: debian-rpm
platform: vm
scripts:
  - at: packages
    run: fails.sh
";

/// What a command says to what is typed.
fn typed(command: &mut Command, input: &str) -> Output {
    command.write_stdin(input).output().unwrap()
}

fn looked_into(who: Who) {
    let Some(bench) = BENCH.as_ref() else { return };
    let home = bench.home(who).join("failing");
    fs_err::create_dir(&home).unwrap();
    fs_err::write(home.join("failing.yaml"), PROFILE).unwrap();
    fs_err::write(home.join("fails.sh"), "echo 40 > /root/before\nexit 3\n").unwrap();
    run("chown", &["-R", "--reference", text(home.parent().unwrap()), text(&home)]);
    let (profile, kept) = (home.join("failing.yaml"), home.join("kept"));
    let repository = format!("debian-rpm=dir:{}", bench.repository.display());
    let build = ["build", "--profile", text(&profile), "--repo", &repository, "--output", text(&home), "--keep-failed"];
    let shown = |output: &Output| String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();

    let mut args = [&build[..], &[text(&kept), "--shell"]].concat();
    let built = typed(&mut bench.command(who, &args), "echo $(($(cat /root/before) + 2)) of $(id -u)\n");
    let said = shown(&built);
    assert_eq!(built.status.code(), Some(1), "{said}");
    for phrase in ["a shell in the root: ", "42 of 0", "fails.sh", "the tree is kept"] {
        assert!(said.contains(phrase), "no `{phrase}` in {said}");
    }
    assert!(kept.join("root/usr").is_dir() && !said.contains(".qcow2"), "{said}");

    let looked = typed(&mut bench.command(who, &["shell", text(&kept)]), "rpm -q --qf '%{NAME} is here\\n' bash\n");
    assert!(looked.status.success() && shown(&looked).contains("bash is here"), "{}", shown(&looked));

    // It is never overwritten.
    args.pop();
    let again = bench.command(who, &args).output().unwrap();
    assert!(again.status.code() == Some(2) && shown(&again).contains("is not empty"), "{}", shown(&again));
    assert!(bench.command(who, &["shell", "--remove", text(&kept)]).output().unwrap().status.success());
    assert!(!kept.exists());
    let nothing = bench.command(who, &["shell", "--remove", text(&home)]).output().unwrap();
    assert!(nothing.status.code() == Some(2) && profile.exists(), "{}", shown(&nothing));
}

#[test]
fn root_looks_into_a_build_that_fails() {
    looked_into(Who::Root);
}

#[test]
fn a_user_looks_into_a_build_that_fails() {
    looked_into(Who::User);
}

#[test]
fn a_finished_tree_is_looked_into() {
    let Some(bench) = BENCH.as_ref() else { return };
    let arguments = bench.arguments("microos");
    let args: Vec<&str> = ["shell", "--quiet"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let looked =
        typed(&mut bench.command(Who::Root, &args), "ls /boot | sed -n 's/^initrd.*/an initrd/p'; rpm -q bash\n");
    let said = String::from_utf8_lossy(&looked.stdout);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    assert!(said.contains("\nan initrd") && said.contains("\nbash-5"), "{said}");
}
