//! What people type and what they read: whole outputs, with paths and times filtered.

use std::path::Path;

use assert_cmd::Command;
use insta::assert_snapshot;

use crate::desk::Desk;

const VERBS: [&str; 13] = [
    "build",
    "plan",
    "lock",
    "why",
    "profiles",
    "init",
    "schema",
    "verify",
    "boot",
    "doctor",
    "cache",
    "completions",
    "man",
];

#[test]
fn help_says_what_there_is() {
    let said = Desk::new().run(&["--help"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let trimmed: Vec<&str> = said.stdout.lines().map(str::trim_end).collect();
    assert_snapshot!(trimmed.join("\n"), @r"
    Builds immutable, transactional openSUSE-style images from profiles

    Without root, without loop devices, without mounting anything; the same input gives the same bytes.

    Usage: rowi [OPTIONS] <COMMAND>

    Commands:
      build        Build an image
      plan         Show what `build` would do
      lock         Pin the packages of a profile in its lock file
      why          Say what pulled a package in
      shell        Open a shell in a profile's tree, or in one that a failed build kept
      profiles     List the profiles, platforms and distributions that there are, and where each comes
                   from
      init         Write a commented profile to begin with
      schema       Print the JSON Schema of profiles, platforms and distributions
      verify       Check every promise of the layout on an image's bytes
      boot         Run an image in QEMU on a throw-away layer, or check it from inside
      doctor       Say what this machine lacks for building, and what to change
      cache        Look after the cache of packages, metadata and stages
      completions  Print completions for a shell
      man          Write man pages
      help         Print this message or the help of the given subcommand(s)

    Options:
      -q, --quiet
              Show results, warnings and errors only

          --progress <HOW>
              Show progress as bars, plain lines or JSON lines

              [default: auto]
              [possible values: auto, bar, plain, json]

          --color <WHEN>
              Colour messages (`NO_COLOR` is heard too)

              [default: auto]
              [possible values: auto, always, never]

          --cache <DIR>
              Keep downloads and stages in DIR instead of `$XDG_CACHE_HOME/rowi`

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes: 0 done, 1 build failed, 2 bad arguments or profile, 3 packages unsatisfiable,
    4 the host cannot do it (tool, privilege, space, network), 5 verification failed, 130 interrupted

    First image: rowi build --profile kubic && rowi boot
    ");
}

#[test]
fn help_of_build_has_every_option() {
    let said = Desk::new().run(&["build", "-h"]);
    assert_eq!(said.code, 0);
    for option in [
        "profile",
        "platform",
        "arch",
        "distribution",
        "format",
        "output",
        "locked",
        "offline",
        "repo",
        "package",
        "set",
        "mirror",
        "secret",
        "work-dir",
        "no-signatures",
        "strict",
        "strict-scriptlets",
        "no-verify",
        "jobs",
        "quiet",
        "progress",
        "color",
        "cache",
    ] {
        assert!(
            said.stdout.contains(&format!("--{option} ")) || said.stdout.contains(&format!("--{option}\n")),
            "{option}"
        );
    }
    // Options of later versions are not there at all.
    assert!(!said.stdout.contains("--description") && !said.stdout.contains("--sign"));
}

#[test]
fn completions_and_man_pages_know_every_verb() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = desk.run(&["completions", shell]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert!(VERBS.iter().all(|verb| said.stdout.contains(verb)), "{shell}");
    }
    assert_eq!(desk.run(&["man", "pages"]).code, 0);
    let main = fs_err::read_to_string(desk.folder().join("pages/rowi.1")).unwrap();
    for verb in VERBS {
        let page = fs_err::read_to_string(desk.folder().join(format!("pages/rowi-{verb}.1"))).unwrap();
        assert!(page.contains(verb) && main.contains(verb), "{verb}");
    }
}

#[test]
fn doctors_exit_code_is_that_of_the_sandbox() {
    let said = Desk::new().run(&["doctor"]);
    let works = said.stdout.lines().last().unwrap().starts_with("ok");
    assert_eq!(said.code, if works { 0 } else { 4 }, "{}{}", said.stdout, said.stderr);
}

#[test]
fn the_cache_is_where_it_was_asked_for() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["cache", "path"]).stdout, "/home/operator/.cache/rowi\n");
    assert_eq!(desk.run(&["cache", "path", "--cache", "/var/here"]).stdout, "/var/here\n");
    let said = desk.said(desk.command().env("XDG_CACHE_HOME", "/var/cache").args(["cache", "path"]));
    assert_eq!(said.stdout, "/var/cache/rowi\n");
    assert_eq!(desk.run(&["cache", "verify"]).stdout, "0 objects are sound, 0 were damaged and are gone\n");
    assert!(desk.folder().join(".cache/rowi/objects").is_dir());
    assert_eq!(desk.run(&["cache", "clear", "--keep", "packages,metadata"]).code, 0);
}

#[test]
fn wrong_arguments_end_with_2() {
    let desk = Desk::new();
    for args in [
        &["build"][..],
        &["biuld"],
        &["build", "--profile", "kubic", "--jobs", "0"],
        &["build", "--profile", "kubic", "--format", "iso"],
        &["build", "--profile", "kubic", "--set", "hostname"],
        &["build", "--profile", "kubic", "--arch", "riscv64"],
        &["build", "--profile", "kubic", "--secret", "WIFI=hunter2"],
        &["build", "--profile", "kubic", "--secret", "WIFI=env:NOT_SET"],
        &["inspect", "x.raw"],
    ] {
        let said = desk.run(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.stderr);
        assert!(said.stdout.is_empty() && !said.stderr.contains("hunter2"), "{args:?}: {}", said.stderr);
    }
    let said = desk.said(desk.command().env("SOURCE_DATE_EPOCH", "yesterday").args(["build", "--profile", "kubic"]));
    assert_eq!(said.code, 2);
    assert_snapshot!(said.stderr, @r"
    error: `SOURCE_DATE_EPOCH` is not a number of seconds since 1970
    ");
}

#[test]
fn a_file_that_is_no_image_is_refused() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["verify", "not-there.raw"]).code, 4);
    fs_err::write(desk.folder().join("broken.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    let said = desk.run(&["verify", "broken.qcow2"]);
    assert_eq!(said.code, 5, "{}", said.stderr);
    let json = desk.run(&["verify", "--progress", "json", "broken.qcow2"]);
    let last: serde_json::Value = serde_json::from_str(json.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exit"]), (&"error".into(), &5.into()));
    let coloured = desk.run(&["verify", "--color", "always", "broken.qcow2"]);
    assert!(coloured.stderr.contains('\x1b') && !said.stderr.contains('\x1b'));
}

#[test]
fn profiles_are_listed_copied_and_begun() {
    let desk = Desk::new();
    let said = desk.run(&["profiles"]);
    for (kind, name) in
        [("profile", "kubic"), ("profile", "microos"), ("platform", "vm"), ("distribution", "debian-rpm")]
    {
        let row = |line: &str| line.split_whitespace().take(2).eq([kind, name]);
        assert!(said.stdout.lines().any(row), "{name}: {}", said.stdout);
    }
    assert_eq!(desk.run(&["profiles", "--copy", "kubic"]).code, 0);
    let copy = desk.folder().join("kubic.yaml");
    assert!(fs_err::read_to_string(&copy).unwrap().contains("name: kubic"));
    let said = desk.run(&["profiles", "--copy", "kubic"]);
    assert_eq!((said.code, said.stderr.as_str()), (2, "error: `kubic.yaml` exists already\n"));
    assert_eq!(desk.run(&["profiles", "--copy", "kubik"]).code, 2);

    // A file in `./profiles` wins over what is built in, and that is said.
    fs_err::create_dir(desk.folder().join("profiles")).unwrap();
    fs_err::rename(&copy, desk.folder().join("profiles/kubic.yaml")).unwrap();
    assert!(desk.run(&["profiles"]).stdout.contains("profiles/kubic.yaml (hides built in)"));
    let json: serde_json::Value = serde_json::from_str(&desk.run(&["profiles", "--json"]).stdout).unwrap();
    assert!(json.as_array().unwrap().iter().any(|it| it["name"] == "kubic" && it["kind"] == "profile"));
}

#[test]
fn a_begun_profile_can_be_explained() {
    let desk = Desk::new();
    let said = desk.run(&["init", "my-node", "--extends", "kubic"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "/home/operator/my-node.yaml\n"), "{}", said.stderr);
    let explain = |key: &str, more: &[&str]| {
        let args = ["plan", "--profile", "./my-node.yaml", "--explain", key];
        desk.run(&[&args, more].concat())
    };
    let said = explain("hostname", &["--set", "hostname=cupboard"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.starts_with("hostname: cupboard\n  set by --set\n"), "{}", said.stdout);
    assert_eq!(explain("no.such.key", &[]).code, 2);

    assert_eq!(desk.run(&["init", "my-node"]).code, 2, "it exists");
    assert_eq!(desk.run(&["init", "other", "--extends", "kubik"]).code, 2, "no such parent");
    assert_eq!(desk.run(&["init", "../other"]).code, 2, "a name is no path");
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let said = Desk::new().run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let keys = &schema["$defs"]["profile"]["properties"];
    assert!(["packages", "users", "network", "update"].iter().all(|key| keys[key].is_object()), "{keys}");
}

#[test]
fn an_unknown_profile_is_told_with_the_nearest_name() {
    let desk = Desk::new();
    let said = desk.run(&["plan", "--profile", "kubik", "--explain", "hostname"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert_snapshot!(said.stderr, @r"
    error: no profile is named `kubik`
      --> --profile
    hint: did you mean `kubic`?
    hint: searched profiles/, /home/operator/.config/rowi/profiles/, /usr/share/rowi/profiles/ and those built in; a value with `/` or ending in `.yaml` is a path
    ");
}

#[test]
fn faults_of_a_profile_are_told_all_at_once() {
    let desk = Desk::new();
    let profile = "kind: profile\nname: wrong\nextends: [microos]\npackges: {install: [htop]}\nhostname: [a, b]\n";
    fs_err::write(desk.folder().join("wrong.yaml"), profile).unwrap();
    let said = desk.run(&["build", "--profile", "./wrong.yaml"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert_snapshot!(said.stderr, @r"
    error: unknown key `packges`
     --> wrong.yaml:4:1
      |
    4 | packges: {install: [htop]}
      | ^^^^^^^
    hint: did you mean `packages`?
    error: `hostname`: expected a text, found a list
     --> wrong.yaml:5:11
      |
    5 | hostname: [a, b]
      |           ^^
    ");

    let github = desk.said(desk.command().env("GITHUB_ACTIONS", "true").args(["build", "--profile", "./wrong.yaml"]));
    assert_eq!(github.stderr.matches("::error file=wrong.yaml,line=").count(), 2, "{}", github.stderr);
}

/// A repository of the corpus, so that what is chosen can be told without a network.
fn fixtures() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/solver/ci-dnf-stack-2019/fixtures/repos");
    folder.exists().then(|| format!("dir:{}", folder.canonicalize().unwrap().join("dnf-ci-fedora").display()))
}

/// A distribution and a profile that are made of it.
fn small(desk: &Desk, url: &str) {
    let distribution = format!(
        "kind: distribution\nname: small\nrepositories:\n  - {{alias: oss, url: \"{url}\", build: true, on_image: absent, verify: checksums}}\nroles: {{base: [filesystem], guest.vm: [], bootloader.grub2-efi: [], bootloader.grub2-bios: []}}\n"
    );
    fs_err::write(desk.folder().join("small.yaml"), distribution).unwrap();
    let profile = "kind: profile\nname: tiny\ndistribution: ./small.yaml\nplatform: vm\naccess: none\npackages: {roles: [base], install: [webclient]}\n";
    fs_err::write(desk.folder().join("tiny.yaml"), profile).unwrap();
}

#[test]
fn what_is_chosen_is_locked_explained_and_planned() {
    let (desk, Some(url)) = (Desk::new(), fixtures()) else { return };
    small(&desk, &url);
    let verb = |verb: &[&str], more: &[&str]| desk.run(&[verb, &["--profile", "./tiny.yaml"], more].concat());
    let said = verb(&["why", "wget"], &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(said.stdout, "wget 1.19.5-5.fc29: asked for by tiny.yaml:6:37\n");
    assert_eq!(verb(&["why", "emacs"], &[]).code, 2);
    assert_eq!(verb(&["why", "glibc"], &["--package", "glibc"]).code, 0, "--package has an effect");

    let unlocked = verb(&["why", "wget"], &["--locked"]);
    assert_eq!(unlocked.code, 2, "nothing is locked yet: {}", unlocked.stderr);
    let said = verb(&["lock"], &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(desk.folder().join("tiny.lock").exists(), "{}", said.stdout);
    assert_eq!(verb(&["why", "wget"], &["--locked", "--offline"]).code, 0);
    assert_eq!(verb(&["why", "wget"], &["--locked", "--package", "glibc"]).code, 2, "the lock is for other requests");

    let plan = verb(&["plan"], &["--json", "--locked"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert!(plan["packages"].as_array().unwrap().iter().any(|package| package["name"] == "wget"));
    let epoch = desk.said(desk.command().env("SOURCE_DATE_EPOCH", "86400").args([
        "plan",
        "--json",
        "--profile",
        "./tiny.yaml",
        "--no-signatures",
    ]));
    assert!(epoch.stdout.contains("\"epoch\": 86400"), "{}", epoch.stderr);
    assert!(epoch.stderr.contains("warning: signatures are not looked at"), "{}", epoch.stderr);
    assert!(verb(&["plan"], &[]).stdout.contains("values that were set:"));

    // An address that leads nowhere, and a mirror that stands for it.
    let elsewhere = ["--repo", "oss=dir:/nowhere/at/all"];
    let said = verb(&["plan"], &elsewhere);
    assert!(said.code != 0 && said.stderr.contains("/nowhere/at/all"), "--repo has an effect: {}", said.stderr);
    let mirror = format!("dir:/nowhere/at/all={url}");
    assert_eq!(verb(&["plan"], &[&elsewhere[..], &["--mirror", &mirror]].concat()).code, 0, "--mirror has an effect");
}

/// A server that accepts and never answers: a build that waits for it is stopped.
#[test]
fn an_interrupted_command_ends_with_130_and_leaves_nothing() {
    let desk = Desk::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    small(&desk, &format!("http://{}", server.local_addr().unwrap()));
    let file = desk.folder().join("small.yaml");
    let text = fs_err::read_to_string(&file).unwrap().replace("verify: checksums", "verify: repository");
    fs_err::write(&file, text).unwrap();
    let mut command = Command::new("timeout");
    command.args(["--signal=INT", "--preserve-status", "--kill-after=30", "1", env!("CARGO_BIN_EXE_rowi")]);
    command.args(["build", "--profile", "./tiny.yaml", "--output", "results"]);
    command.current_dir(desk.folder()).env("HOME", desk.folder()).env_remove("XDG_CACHE_HOME");
    let said = desk.said(&mut command);
    assert_eq!(said.code, 130, "{}", said.stderr);
    assert!(!desk.folder().join("results").exists());
    // The work folder of a command that could not wait is removed by the next.
    assert_eq!(desk.run(&["cache", "verify"]).code, 0);
    assert_eq!(fs_err::read_dir(desk.folder().join(".cache/rowi/work")).unwrap().count(), 0);
}
