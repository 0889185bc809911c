use super::*;
use crate::{
    profile::{Container, LogDriver, Logs, Prune, Secret, Verification},
    units::Bytes,
};

fn registry(text: &str) -> Registry {
    Registry::parse(text).unwrap()
}

fn registries() -> Registries {
    Registries {
        search: vec!["registry.opensuse.org".into()],
        short_names: Some("enforcing".into()),
        mirrors: [
            (registry("docker.io"), vec![registry("mirror.example.lan:5000"), registry("cache.example.org/hub")]),
            (registry("registry.opensuse.org"), vec![registry("mirror.example.lan:5000/opensuse")]),
        ]
        .into(),
        insecure: vec![registry("mirror.example.lan:5000")],
        blocked: vec![registry("quay.io/evil")],
        ..Registries::default()
    }
}

const CONTAINERS: &str = r#"unqualified-search-registries = ["registry.opensuse.org"]
short-name-mode = "enforcing"

[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "mirror.example.lan:5000"
insecure = true

[[registry.mirror]]
location = "cache.example.org/hub"

[[registry]]
prefix = "mirror.example.lan:5000"
location = "mirror.example.lan:5000"
insecure = true

[[registry]]
prefix = "quay.io/evil"
location = "quay.io/evil"
blocked = true

[[registry]]
prefix = "registry.opensuse.org"
location = "registry.opensuse.org"

[[registry.mirror]]
location = "mirror.example.lan:5000/opensuse"
insecure = true
"#;

const DOCKER_HUB: &str = r#"server = "https://registry-1.docker.io"

[host."https://mirror.example.lan:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true

[host."http://mirror.example.lan:5000"]
capabilities = ["pull", "resolve"]
skip_verify = true

[host."https://cache.example.org/v2/hub"]
capabilities = ["pull", "resolve"]
override_path = true
"#;

const OPENSUSE: &str = r#"server = "https://registry.opensuse.org"

[host."https://mirror.example.lan:5000/v2/opensuse"]
capabilities = ["pull", "resolve"]
override_path = true
skip_verify = true

[host."http://mirror.example.lan:5000/v2/opensuse"]
capabilities = ["pull", "resolve"]
override_path = true
skip_verify = true
"#;

#[test]
fn each_runtime_reads_registries_in_its_own_words() {
    let registries = registries();
    assert_eq!(shared::registries(&registries), CONTAINERS);
    assert_eq!(containerd::hosts(&registries, &registry("docker.io")), DOCKER_HUB);
    assert_eq!(containerd::hosts(&registries, &registry("registry.opensuse.org")), OPENSUSE);
    let daemon = docker::daemon(&Container { registries, ..Container::default() });
    let mirrors =
        ["https://mirror.example.lan:5000", "http://mirror.example.lan:5000", "https://cache.example.org/hub"];
    let expected = json!({"registry-mirrors": mirrors, "insecure-registries": ["mirror.example.lan:5000"]});
    assert_eq!(serde_json::Value::from(daemon), expected);
}

/// All that is not about registries.
fn container() -> Container {
    Container {
        low_level: Some("crun".into()),
        driver: Some("overlay".into()),
        path: Some("/srv/containers".into()),
        logs: Logs { driver: Some(LogDriver::File), max_size: Some(Bytes(10 << 20)), max_files: Some(3) },
        seccomp: Some("/etc/containers/seccomp.json".into()),
        own_users: true,
        rootless_network: Some("pasta".into()),
        ..Container::default()
    }
}

#[test]
fn each_runtime_reads_how_containers_run_in_its_own_words() {
    let podman = "[containers]\nlog_driver = \"k8s-file\"\nlog_size_max = 10485760\n\
                      seccomp_profile = \"/etc/containers/seccomp.json\"\nuserns = \"auto\"\n\n\
                      [engine]\nruntime = \"crun\"\n\n[network]\ndefault_rootless_network_cmd = \"pasta\"\n";
    assert_eq!(podman::conf(&container()), podman);
    let crio = "[crio.runtime]\ndefault_runtime = \"crun\"\nlog_size_max = 10485760\n\
                    seccomp_profile = \"/etc/containers/seccomp.json\"\n\n\
                    [crio.image]\nglobal_auth_file = \"/etc/crio/auth.json\"\n";
    assert_eq!(crio::conf(&container(), true), crio);
    let docker = json!({
        "data-root": "/srv/containers/docker", "default-runtime": "crun", "runtimes": {"crun": {"path": "crun"}},
        "log-driver": "json-file", "log-opts": {"max-file": "3", "max-size": "10485760"},
        "seccomp-profile": "/etc/containers/seccomp.json", "storage-driver": "overlay2", "userns-remap": "default",
    });
    assert_eq!(serde_json::Value::from(docker::daemon(&container())), docker);
    assert!(podman::conf(&Container::default()).is_empty() && crio::conf(&Container::default(), false).is_empty());
    assert!(docker::daemon(&Container::default()).is_empty());
}

const DEBIAN: &str = "version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    # its own\n    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n";

#[test]
fn containerds_own_configuration_stays_but_for_what_was_said() {
    let config = |own: &str, container: &Container| containerd::config(own, container, &Logins::new());
    let with = Container { registries: registries(), ..Container::default() };
    let line = "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    let added = config(DEBIAN, &with).unwrap();
    assert_eq!(added, format!("{DEBIAN}{line}"));
    assert_eq!(config(&added, &with).unwrap(), added, "once is enough");
    assert_eq!(config(DEBIAN, &Container::default()).unwrap(), DEBIAN);
    assert_eq!(config("", &with).unwrap(), format!("version = 2\n{line}"));
    let third = config("version = 3\n", &with).unwrap();
    assert!(third.contains("[plugins.\"io.containerd.cri.v1.images\".registry]"), "{third}");
    assert!(config("version = ", &with).is_err() && config("plugins = 1\n", &with).is_err());
    let logins = Logins::from([(registry("mirror.example.lan:5000"), "me:s\"crt".to_owned())]);
    let all = containerd::config(DEBIAN, &container(), &logins).unwrap();
    let cri = "[plugins.\"io.containerd.grpc.v1.cri\".";
    for lines in [
        "root = \"/srv/containers/containerd\"",
        &format!("{cri}containerd]\nsnapshotter = \"overlayfs\"\ndefault_runtime_name = \"crun\""),
        &format!("{cri}containerd.runtimes.crun]\nruntime_type = \"io.containerd.runc.v2\""),
        &format!("{cri}containerd.runtimes.crun.options]\nBinaryName = \"crun\""),
        &format!("{cri}registry.configs.\"mirror.example.lan:5000\".auth]\nusername = \"me\"\npassword = 's\"crt'"),
    ] {
        assert!(all.contains(lines), "no {lines} in {all}");
    }
}

#[test]
fn the_packages_own_configuration_of_storage_stays() {
    let with = |own: &str, container: &Container, is_whole| with_store(own, container, Some("/s"), is_whole);
    let own = "# SUSE's\n[storage]\ndriver = \"btrfs\"\n\n[storage.options]\nsize = \"\"\n";
    let config = with(own, &Container::default(), true).unwrap();
    for kept in ["# SUSE's", "driver = \"btrfs\"", "size = \"\"", "additionalimagestores = [\"/s\"]", "runroot"] {
        assert!(config.contains(kept), "{config}");
    }
    assert_eq!(with(&config, &Container::default(), true).unwrap(), config, "once is enough");
    let user = with("", &container(), false).unwrap();
    assert_eq!(user, "[storage]\ndriver = \"overlay\"\n\n[storage.options]\nadditionalimagestores = [\"/s\"]\n");
    assert!(with("", &container(), true).unwrap().contains("graphroot = \"/srv/containers/storage\""));
    assert!(with("storage = 1", &container(), true).is_err());
}

#[test]
fn what_must_be_signed_is_and_the_rest_is_as_said() {
    let key = |path: &str| Verification { keys: vec![path.into()], lookaside: None };
    let suse = Verification { lookaside: Some("https://x/sig".into()), ..key("/usr/share/container-keys/suse.asc") };
    let registries = Registries {
        verify: [(registry("registry.suse.com"), suse), (registry("registry.opensuse.org"), key("/k.pem"))].into(),
        verify_only: true,
        ..Registries::default()
    };
    let policy: serde_json::Value = serde_json::from_str(&shared::policy(&registries)).unwrap();
    assert_eq!(policy["default"], json!([{"type": "reject"}]));
    let signed = json!([{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/usr/share/container-keys/suse.asc"}]);
    assert_eq!(policy["transports"]["docker"]["registry.suse.com"], signed);
    assert_eq!(policy["transports"]["docker"]["registry.opensuse.org"][0]["type"], "sigstoreSigned");
    assert_eq!(policy["transports"]["oci"][""][0]["type"], "insecureAcceptAnything");
    let places = "docker:\n  registry.opensuse.org:\n    use-sigstore-attachments: true\n  registry.suse.com:\n    lookaside: \"https://x/sig\"\n";
    assert_eq!(shared::signatures(&registries), places);
}

#[test]
fn logins_are_only_there_where_that_was_said() {
    let mut registries =
        Registries { credentials: [(registry("a.io"), Secret::Named("A".into()))].into(), ..Registries::default() };
    let secrets = Secrets::from([("A".to_owned(), "me:pw".to_owned())]);
    assert!(logins(&registries, &secrets).is_empty());
    registries.credentials_in_image = true;
    let file = auth_file(&logins(&registries, &secrets));
    assert!(file.contains("\"a.io\": {\n      \"auth\": \"bWU6cHc=\""), "{file}");
}

#[test]
fn images_that_nothing_needs_go_runtime_by_runtime() {
    let prune = Prune { schedule: "weekly".into(), older_than: 3600 };
    let service =
        prune::service(&prune, &[Runtime::Docker, Runtime::CriO, Runtime::Containerd], "/usr/lib/rowi/load-images");
    let lines: Vec<&str> = service.lines().filter_map(|line| line.strip_prefix("ExecStart=")).collect();
    assert_eq!(
        lines,
        ["docker image prune --all --force --filter until=3600s", "crictl rmi --prune", "/usr/lib/rowi/load-images"]
    );
}
