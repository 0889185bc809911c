//! What people type and what they read: whole outputs, with paths and times filtered.

use std::path::Path;

use assert_cmd::Command;
use insta::assert_snapshot;

/// The program in a folder of its own, with its own cache, home and no settings of the caller's.
struct Desk(tempfile::TempDir);

/// What it said.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowi"));
        command
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .env("PATH", "/usr/sbin:/usr/bin:/bin");
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        self.said(self.command().args(args))
    }

    fn said(&self, command: &mut Command) -> Said {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).unwrap().replace(self.folder().to_str().unwrap(), "/home/operator")
        };
        let code = output.status.code().unwrap_or(-1);
        Said { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

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
