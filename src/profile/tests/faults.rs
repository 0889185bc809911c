//! Every fault at once, each with its line and what to do.

use super::*;

#[test]
fn all_faults_are_told_at_once_with_their_lines() {
    let found = Bench::new().faults(
        "packges: {install: [x]}\nversion: 1.10\nlayout: {root: read-write}\nfiles:\n  - {path: etc/motd, mode: 0644}\n\
         update: {reboot: {window: 03:30}}\nssh: {enabled: yes}\ndisk: {size: many}\n",
    );
    let expected = [
        (4, "unknown key `packges`", "did you mean `packages`?"),
        (5, "`version` must be a text, but unquoted `1.10` is a floating-point number in YAML", "write `\"1.10\"`"),
        (6, "`layout.root` is `read-write`, and `read-only` is the only value in this version", "updates and rollback"),
        (8, "`files.path`: expected an absolute path", ""),
        (8, "`files.mode` must be a text, but unquoted `0644` is an octal number in YAML", "write `\"0644\"`"),
        (8, "`files`: `etc/motd` must have exactly one of", ""),
        (
            9,
            "`update.reboot.window` must be a text, but unquoted `03:30` is a sexagesimal number in YAML",
            "write `\"03:30\"`",
        ),
        (10, "`ssh.enabled`: expected `true` or `false`, found `yes`", "write `true`"),
        (11, "`disk.size`: expected `auto`, or a size", ""),
    ];
    for (line, message, hint) in expected {
        let fits = |(at, text, advice): &&(u32, String, String)| {
            *at == line && text.starts_with(message) && advice.contains(hint)
        };
        assert!(found.iter().any(|fault| fits(&fault)), "{line} {message} in {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn single_faults() {
    let bench = Bench::new();
    for (text, message, hint) in [
        (
            "network: {connections: [{name: w, type: wifi, ssid: x, country: NO}]}",
            "`network.connections.country` must be a text, but unquoted `NO` is a boolean",
            "\"NO\"",
        ),
        ("hostname:", "`hostname` has no value", "leave the key out"),
        ("hostname: -x", "`hostname`: `-x` is no host name", ""),
        ("version: \"../1\"", "`version`: `../1` cannot be part of a file's name", ""),
        ("locale: \"x\\ny\"", "`locale`: expected a text, found `x\\ny`", ""),
        ("timezone: ../../etc/passwd", "`timezone`", ""),
        ("selinux: enforcng", "`selinux`: expected", "did you mean `enforcing`?"),
        ("services: {enable: sshd}", "`services.enable`: expected a list", "write `[sshd]`"),
        ("services: {enable: [\"a b\"]}", "`services.enable`: `a b` is no unit", ""),
        (
            "packages: {roles: [container.podmn]}",
            "`container.podmn` has no packages in distribution `opensuse-tumbleweed`",
            "did you mean `container.podman`?",
        ),
        ("packages: {install: [\"a; b\"]}", "`a; b` is no package", ""),
        (
            "container: {runtimes: [podman]}",
            "`container.runtimes` names `podman`, and role `container.podman` is not selected",
            "roles: [container.podman]",
        ),
        (
            "packages: {exclude: [selinux]}",
            "`selinux` names `enforcing`, and role `selinux` is not selected",
            "roles: [selinux]",
        ),
        (
            "packages: {exclude: [first_boot]}",
            "`first_boot.sources` names `combustion`, and role `first_boot` is not selected",
            "",
        ),
        ("network: {proxy: \"proxy:3128\"}", "`network.proxy` is no address", "http://"),
        ("overlays: [nonsense]", "no overlay is named `nonsense`", "searched"),
        ("overlays: [kubik]", "no overlay is named `kubik`", "did you mean `kubic`?"),
        ("files: [{path: /etc/../x, content: y}]", "`files.path`: expected an absolute path", ""),
        ("files: [{path: /a, content: y, link: z}]", "`files`: `/a` must have exactly one", ""),
        ("files: [{path: /a, source: nothing.txt}]", "`files.source`: cannot read", "relative to the file"),
        ("scripts: [{run: nothing.sh}]", "`scripts.run`: cannot read", ""),
        ("checks: [{name: x}]", "check `x` has no `run`", ""),
        ("users: {Root: {}}", "`Root` is no user name", ""),
        ("users: {root: {password_hash: secret}}", "`users.root.password_hash` is no hash", "openssl passwd"),
        ("users: {root: {password: hunter2}}", "`users.root.password`: expected `locked`", ""),
        (
            "users: {root: {ssh_keys: [./nothing.pub]}}",
            "`users.root.ssh_keys`: cannot read `./nothing.pub`: there is no such file",
            "",
        ),
        ("users: {root: {ssh_keys: [./private]}}", "`users.root.ssh_keys`: this is a private key", "ssh-keygen -y"),
        (
            "users: {root: {ssh_keys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\"]}}",
            "`users.root.ssh_keys`: this is a private key",
            "",
        ),
        (
            "users: {root: {password_hash: {secrt: X}}}",
            "unknown key `users.root.password_hash.secrt`",
            "did you mean `secret`?",
        ),
        ("network: {connections: [{name: w, ipv4: {address: 192.168.7.300/24}}]}", "`ipv4.address`", "192.168.7.20/24"),
        ("network: {connections: [{name: w, interface: \"a/b\"}]}", "`a/b` is no interface name", ""),
        ("layout: {compression: lzo}", "`layout.compression` is `lzo`", "zstd:3"),
        ("layout: {subvolumes: [{path: /usr}]}", "`/usr` cannot be a subvolume", ""),
        ("layout: {subvolumes: [{nodatacow: true}]}", "an item of `layout.subvolumes` has no `path`", ""),
        ("disk: {partitions: [{name: root, size: 1G, kind: x}]}", "unknown key `disk.partitions.kind`", ""),
        ("first_boot: {sources: !reset [], wizard: false}", "nobody can log in to this image", "access: none"),
        ("extends: [microos]", "`extends` is given twice", ""),
        ("a: *b", "", ""),
        ("hostname: !secret x", "unknown tag `!secret`", ""),
        (
            "registries: {mirrors: {quay.io: [m.example]}}\npackages: {roles: [container.docker]}\ncontainer: {runtimes: [docker]}",
            "`registries.mirrors` names `quay.io`, and dockerd can mirror `docker.io` only",
            "podman",
        ),
        (
            "registries: {mirrors: {registry.opensuse.org/kubic: [m.example]}}\ncontainer: {runtimes: [containerd]}\npackages: {roles: [container.containerd]}",
            "`registries.mirrors` names `registry.opensuse.org/kubic`, and containerd mirrors whole registries only",
            "mirror `registry.opensuse.org`",
        ),
        (
            "registries: {blocked: [quay.io]}\npackages: {roles: [container.docker]}\ncontainer: {runtimes: [docker]}",
            "`registries.blocked` is set, and dockerd can block no registry",
            "podman",
        ),
        (
            "registries: {insecure: [\"http://m.example:5000\"]}",
            "`registries.insecure`: `http://m.example:5000` is no registry",
            "`m.example:5000`",
        ),
        (
            "registries: {search: [docker]}",
            "`registries.search`: `docker` is no registry",
            "a host with a dot or a port",
        ),
        ("update: {repositories: [{alias: a/b, url: \"https://x\"}]}", "`a/b` is no alias", ""),
        ("update: {repositories: [{alias: a, url: \"ftp://x\"}]}", "`ftp://x` is no address", "begins with `https:`"),
        (
            "update: {repositories: [{alias: a, url: \"https://x\", username: me}]}",
            "repository `a` needs both `username` and `password`",
            "{secret: MIRROR}",
        ),
    ] {
        bench.file("private", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
        let found = bench.faults(text);
        let fits = found.iter().any(|(_, told, advice)| told.starts_with(message) && advice.contains(hint));
        assert!(fits, "{text}: {found:#?}");
    }
}

#[test]
fn strict_makes_warnings_faults() {
    let bench = Bench::new();
    let text = "users: {root: {password_hash: \"$6$salt$hash\"}}\n";
    assert_eq!(bench.faults(text), []);
    let strict = Choice { strict: true, ..bench.profile(text) };
    assert!(told(&strict)[0].message.contains("`users.root.password_hash` is written out"));
    let strict = Choice { strict: true, ..choice("microos", "vm", "debian-rpm") };
    assert!(told(&strict).iter().any(|fault| fault.message.starts_with("`selinux` is left out")));
}

#[test]
fn a_role_that_is_lacking_names_the_way_out() {
    let bench = Bench::new();
    let path =
        bench.file("t.yaml", "kind: profile\nname: t\nextends: [microos]\npackages: {roles: [kubernetes.node]}\n");
    let faults = told(&choice(path.to_str().expect("UTF-8"), "vm", "debian-rpm"));
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].message, "`kubernetes.node` has no packages in distribution `debian-rpm`");
    let place = faults[0].place.as_ref().expect("a place");
    assert_eq!((place.line, place.column), (4, 20));
    let hint = &faults[0].hints[0];
    assert!(
        hint.contains("`--distribution opensuse-tumbleweed`")
            && hint.contains("fallback: {kubernetes.node: [kubernetes.client, kubernetes.admin]}"),
        "{hint}"
    );
}

#[test]
fn unknown_names_say_where_was_searched() {
    let faults = told(&choice("kubik", "wm", "opensuse"));
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        ["no distribution is named `opensuse`", "no platform is named `wm`", "no profile is named `kubik`"]
    );
    assert_eq!(faults[2].hints[0], "did you mean `kubic`?");
    assert!(faults[2].hints[1].contains("/usr/share/rowi/profiles") && faults[2].hints[1].contains("built in"));
    let path = told(&Choice { profile: "./nothing.yaml".into(), ..Choice::default() });
    assert!(path[0].message.starts_with("cannot read profile `nothing.yaml`"), "{path:?}");
}

#[test]
fn circles_and_wrong_heads() {
    let bench = Bench::new();
    bench.file("a.yaml", "kind: profile\nname: a\nextends: [./b.yaml]\nplatform: vm\n");
    let path = bench.file("b.yaml", "kind: profile\nname: b\nextends: [./a.yaml]\n");
    let faults = told(&Choice { profile: path.to_str().expect("UTF-8").into(), ..Choice::default() });
    assert!(
        faults.iter().any(|fault| fault.message.starts_with("profiles extend each other in a circle")),
        "{faults:?}"
    );
    for (text, message) in [
        ("name: x\nkind: profile\n", "`kind` and `name` must be a file's first two keys"),
        ("kind: profile\nname: y\n", "`name` is `y`, and the file's name is `x`"),
        ("kind: platform\nname: x\n", "`kind`: expected `profile`, found `platform`"),
        ("name: x\n", "the file has no `kind`"),
        ("[]\n", "the file: expected a map"),
        ("", "the file is empty"),
        ("a: [\n", ""),
        ("kind: profile\nname: x\n---\nb: 1\n", "a second document"),
    ] {
        let path = bench.file("x.yaml", text);
        let faults = told(&choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed"));
        assert!(
            faults.iter().any(|fault| fault.message.starts_with(message) && fault.place.is_some()),
            "{text}: {faults:?}"
        );
    }
}

#[test]
fn final_keys_stay() {
    let bench = Bench::new();
    bench.file(
        "p.yaml",
        "kind: profile\nname: p\nextends: [microos]\nfinal: [selinux, update.method]\nselinux: enforcing\n",
    );
    let path = bench.file(
        "t.yaml",
        "kind: profile\nname: t\nextends: [./p.yaml]\nselinux: off\nupdate: {method: dup, health: false}\n",
    );
    let mut choice = choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed");
    choice.set = vec!["update.method=patch".into()];
    let faults = told(&choice);
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(faults.len(), 2, "{messages:?}");
    assert!(messages.iter().any(|text| text.starts_with("`selinux` is final: ") && text.contains("p.yaml:4:9")));
    assert!(messages.iter().any(|text| text.starts_with("`update.method` is final")));
}

#[test]
fn wrong_options() {
    let base = || choice("microos", "vm", "opensuse-tumbleweed");
    for (choice, message) in [
        (Choice { set: vec!["hostname".into()], ..base() }, "`--set hostname` has no `=`"),
        (Choice { set: vec!["hostnam=x".into()], ..base() }, "unknown key `hostnam` in `--set`"),
        (
            Choice { set: vec!["update.reboot.windw=x".into()], ..base() },
            "unknown key `update.reboot.windw` in `--set`",
        ),
        (Choice { set: vec!["disk.size=many".into()], ..base() }, "`disk.size`: expected"),
        (Choice { set: vec!["variables.mirorr=x".into()], ..base() }, "the distribution has no variable `mirorr`"),
        (
            Choice { set: vec!["variables.mirror=ftp://x".into()], ..base() },
            "`ftp://x/tumbleweed/repo/oss` is no address",
        ),
        (Choice { repositories: vec!["mine".into()], ..base() }, "`--repo mine` is not ALIAS=URL"),
        (
            Choice { repositories: vec!["mine=https://me:word@x.example/a".into()], ..base() },
            "the address `https://x.example/a` holds a name or password",
        ),
        (Choice { mirrors: vec!["x=y".into()], ..base() }, "`--mirror x=y` is not FROM=TO"),
        (Choice { packages: vec!["a b".into()], ..base() }, "`a b` is no package"),
        (
            Choice { arch: Some(Arch::X86_64), platform: Some("raspberrypi3".into()), ..base() },
            "platform `raspberrypi3` has no x86_64",
        ),
    ] {
        let faults = told(&choice);
        assert!(faults.iter().any(|fault| fault.message.starts_with(message)), "{message}: {faults:?}");
        assert_eq!(load(&choice).expect_err("it is wrong").exit(), crate::report::Exit::Usage);
    }
}

#[test]
fn unknown_variables_are_told_at_their_line() {
    let bench = Bench::new();
    let path = bench.file(
        "own.yaml",
        "kind: distribution\nname: own\nvariables: {mirror: \"https://x.example\"}\nrepositories:\n  - {alias: a, url: \"${miror}/a\"}\n  - {alias: b, url: \"${HOME}/a\"}\n",
    );
    let faults = told(&choice("microos", "vm", path.to_str().expect("UTF-8")));
    let fault = faults.iter().find(|fault| fault.message.contains("`${miror}`")).expect("it is told");
    assert_eq!(
        (fault.place.as_ref().map(|place| place.line), fault.hints[0].as_str()),
        (Some(5), "did you mean `${mirror}`?")
    );
    assert!(faults.iter().any(|fault| fault.message.contains("`${HOME}`")), "no environment");
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deep_and_long_files_are_refused() {
        let deep = "[".repeat(10_000);
        assert!(node::parse(&deep, Path::new("x")).is_err());
        let wide = format!("a: [{}]", "x,".repeat(200_000));
        assert!(node::parse(&wide, Path::new("x")).is_err());
        assert!(node::parse("a: &x [b]\nc: *x\n", Path::new("x")).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_text_is_read_or_refused(text in "(kind|name|profile|[a-z{}\\[\\]:,!&*\"'#|> \n-]){0,80}") {
            if let Ok(tree) = node::parse(&text, Path::new("x")) {
                let mut faults = Vec::new();
                shape::Checker { arch_maps: true, faults: &mut faults }.check(load::shape(Kind::Profile), &tree, "");
                let target = merge::Target { arch: Arch::X86_64, platform: "vm".into(), distribution: "d".into() };
                if let Some(tree) = target.select(tree, true) {
                    merge::merge(load::shape(Kind::Profile), tree.clone(), &tree);
                }
            }
        }

        #[test]
        fn any_value_is_judged(key in 0..60_usize, value in ".{0,24}") {
            let shape::Shape::Record(fields) = load::shape(Kind::Profile) else { unreachable!("a profile is a record") };
            let set = vec![format!("{}={value}", fields[key % fields.len()].name)];
            let _ = load(&Choice { set, ..choice("microos", "vm", "debian-rpm") });
        }
    }
}

/// Of two items with one name the first would be gone without a word.
#[test]
fn a_name_that_a_list_has_twice_is_told() {
    let bench = Bench::new();
    let twice = "checks:\n  - {name: it runs, run: 'true'}\n  - {name: it runs, run: 'true', after: update}\n";
    let hint = "the second would change the first: give one of them another `name`";
    assert_eq!(bench.faults(twice), [(6, "`checks` has `it runs` twice".to_owned(), hint.to_owned())]);
    // Where only one of them counts, or one takes an inherited one away first, there are no two.
    let either = "checks:\n  - {name: it runs, run: a, only: {arch: [x86_64]}}\n  - {name: it runs, run: b, only: {arch: [aarch64]}}\n";
    let instead = "checks:\n  - {name: no failed unit, remove: true}\n  - {name: no failed unit, run: 'true'}\n";
    for text in [either, instead] {
        assert_eq!(bench.faults(text), []);
    }
}
