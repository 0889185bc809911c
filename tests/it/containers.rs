//! Containers in the machine, by each runtime: from images that came with it, without a network.

use crate::{
    busybox::{self, HOLDS, NAME},
    image::{BENCH, Bench, Images, Who, all_well, run, text},
    place::is_all,
};

/// A registry on the machine itself, as the profile of that name has it: Debian's own configuration asks for a password.
const REGISTRY: &str = r#"packages: {roles: [registry]}
services: {enable: [docker-registry.service]}
files:
  - path: /etc/docker/registry/config.yml
    content: "{version: 0.1, storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}, http: {addr: ':5000'}}\n""#;

/// A profile that extends another by the image of the tests.
pub(crate) fn image(bench: &Bench, name: &str, extends: &str, more: &str, how: &[&str]) -> Images {
    let layout = busybox::layout(bench);
    let head = format!("kind: profile\nname: {name}\nextends: [{extends}]\npreload: [\"oci:{}\"]\n", text(&layout));
    let folder = bench.folder.join(name);
    fs_err::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.yaml"));
    let more = more.replace("REGISTRY", REGISTRY).replace("NAME", NAME).replace("HOLDS", HOLDS);
    fs_err::write(&file, head + &more).unwrap();
    bench.image(text(&file), &format!("{name}/out"), how)
}

const PODMAN: &str = r#"
container:
  rootless_network: pasta
  logs: {driver: journald}
  prune: {schedule: weekly}
  quadlets:
    - name: web.container
      content: |
        [Container]
        Image=NAME
        Network=none
        Exec=httpd -f -h /www
        [Install]
        WantedBy=multi-user.target
users: {ann: {subids: true, linger: true}}
registries:
  mirrors: {registry.example.org: ["localhost:5000"], signed.example.org: ["localhost:5000"]}
  insecure: ["localhost:5000"]
  verify: {signed.example.org: {keys: [/etc/pki/nobody.asc]}}
files: [{path: /etc/pki/nobody.asc, content: "nobody's key\n"}]
checks:
  - name: a container runs without a network
    run: podman run --rm --network none NAME sh -c 'HOLDS'
  - name: the image is not written to
    run: "[ \"$(podman image inspect --format '{{.ReadOnly}}' NAME 2>/dev/null || podman images --format '{{.ReadOnly}}' NAME)\" = true ]"
  - name: a volume is written
    run: podman run --rm --network none -v kept:/data NAME sh -c 'echo kept >/data/it'
  - {name: the volume is there after the update, after: update, run: "podman run --rm --network none -v kept:/data NAME cat /data/it | grep -x kept"}
  - {name: the volume is there after the rollback, after: rollback, run: "podman run --rm --network none -v kept:/data NAME cat /data/it | grep -x kept"}
  - {name: a unit of podman's runs a container, run: systemctl is-active web.service, within: 60s}
  - name: two in a pod hear each other
    run: podman pod create --network none two && podman run -d --pod two NAME httpd -f -p 8080 -h /www && podman run --rm --pod two NAME wget -qO- http://127.0.0.1:8080/ | grep -x 'a page' && podman pod rm -f -t 0 two
  - name: a user's container runs without root
    within: 60s
    run: systemd-run --quiet --wait --pipe --machine ann@ --user podman run --rm --network none NAME sh -c '[ ! -e /gone ] && [ ! -e /opaque/old ] && [ -e /opaque/new ] && id -u'
  - {name: the registry has what came with the machine, within: 60s, run: "skopeo inspect --tls-verify=false docker://localhost:5000/test/busybox:1"}
  - name: an image is pulled through the mirror that only this machine has
    within: 30s
    run: podman push --tls-verify=false NAME docker://localhost:5000/new/app:1 && podman pull registry.example.org/new/app:1
  - name: an image that is not signed is refused where it has to be
    run: "! podman pull signed.example.org/test/busybox:1 2>/run/refused && grep -i signature /run/refused"
  - name: images are built
    run: printf 'FROM NAME\nRUN echo built >/it\n' | podman build --network none -t localhost/built:1 - && podman run --rm --network none localhost/built:1 cat /it | grep -x built
  - name: buildah mounts a container
    run: c=$(buildah from --pull-never NAME) && m=$(buildah mount $c) && [ -x $m/bin/busybox ] && buildah rm $c
  - {name: what nothing needs is removed, run: systemctl start rowi-prune-images.service && podman image exists NAME}
  - {name: podman says what was written, run: "podman info --format '{{.Host.LogDriver}} {{.Store.GraphDriverName}} {{.Host.OCIRuntime.Name}}' | grep -x 'journald overlay crun'"}
"#;

/// What a runtime with a registry beside it shows.
pub(crate) const PULLED: &str = "an image is pulled through the mirror that only this machine has";
/// What a container wrote is there in each system.
const VOLUME: [&str; 2] = ["the volume is there after the update", "the volume is there after the rollback"];

const SHOWN: [&str; 5] = [
    "podman has registry.example.org/test/busybox:1",
    "a container runs without a network",
    "two in a pod hear each other",
    "a user's container runs without root",
    PULLED,
];

#[test]
fn podman_runs_what_came_with_the_machine() {
    let Some(bench) = BENCH.as_ref() else { return };
    let images = image(bench, "podman", "registry", PODMAN, &[]);
    let update: &[&str] = if is_all() { &["--update", "--rollback"] } else { &[] };
    let table = bench.boot_check(&images, &[&["--firmware", "uefi", "--timeout", "1800"], update].concat());
    all_well(&table, &SHOWN);
    if is_all() {
        all_well(&table, &VOLUME);
    }
}

/// What `kubic` has on the test distribution.
pub(crate) const CONTAINERD: &str = r#"
REGISTRY
registries: {mirrors: {registry.example.org: ["localhost:5000"]}, insecure: ["localhost:5000"]}
checks:
  - name: a container runs without a network
    run: ctr -n k8s.io run --rm NAME one sh -c 'HOLDS'
  - name: a volume is written
    run: mkdir -p /var/lib/kept && ctr -n k8s.io run --rm --mount type=bind,src=/var/lib/kept,dst=/data,options=rbind:rw NAME two sh -c 'echo kept >/data/it'
  - name: the volume is there after the update
    after: update
    run: ctr -n k8s.io run --rm --mount type=bind,src=/var/lib/kept,dst=/data,options=rbind:ro NAME two cat /data/it | grep -x kept
  - name: the volume is there after the rollback
    after: rollback
    run: ctr -n k8s.io run --rm --mount type=bind,src=/var/lib/kept,dst=/data,options=rbind:ro NAME two cat /data/it | grep -x kept
  - name: an image is pulled through the mirror that only this machine has
    within: 60s
    run: ctr -n k8s.io images push --plain-http localhost:5000/new/app:1 NAME && ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d registry.example.org/new/app:1
  - {name: containerd says what was written, run: "containerd config dump >/run/says && grep -E 'default_runtime_name = .crun.' /run/says && grep -E 'config_path = ./etc/containerd/certs.d.' /run/says"}
  - {name: the second start loads nothing, after: update, run: "! journalctl -b -u rowi-images.service | grep -i unpacking"}
"#;

const DOCKER: &str = r#"
REGISTRY
container: {logs: {driver: file, max_size: 10M, max_files: 3}}
registries: {mirrors: {docker.io: ["localhost:5000"]}, insecure: ["localhost:5000"]}
checks:
  - {name: dockerd accepts its configuration, run: dockerd --validate}
  - {name: dockerd says what was written, run: "docker info --format '{{.LoggingDriver}}' | grep -x json-file", within: 60s}
  - name: a container runs without a network
    within: 60s
    run: docker run --rm --network none NAME sh -c 'HOLDS'
  - name: a volume is written
    run: docker run --rm --network none -v kept:/data NAME sh -c 'echo kept >/data/it'
  - name: an image is pulled through the mirror that only this machine has
    within: 60s
    run: docker tag NAME localhost:5000/library/app:1 && docker push localhost:5000/library/app:1 && docker pull app:1
  - {name: the volume is there after the update, after: update, within: 60s, run: "docker run --rm --network none -v kept:/data NAME cat /data/it | grep -x kept"}
  - {name: the volume is there after the rollback, after: rollback, within: 60s, run: "docker run --rm --network none -v kept:/data NAME cat /data/it | grep -x kept"}
"#;

#[test]
fn docker_runs_what_came_with_the_machine() {
    let Some(bench) = BENCH.as_ref().filter(|_| is_all()) else { return };
    let images = image(bench, "docker", "docker-host", DOCKER, &[]);
    let table = bench.boot_check(&images, &["--firmware", "uefi", "--timeout", "1800", "--update", "--rollback"]);
    all_well(&table, &["docker has registry.example.org/test/busybox:1", PULLED]);
    all_well(&table, &VOLUME);
}

const LXC: &str = r#"
checks:
  - name: a system container is made of an image that came with the machine
    run: lxc-create -n one -t oci -- --url oci:/usr/share/rowi/images:NAME
  - name: it starts with an init of its own
    run: lxc-start -n one -s lxc.init.cmd=/sbin/init && lxc-wait -n one -s RUNNING -t 30 && lxc-attach -n one -- /bin/cat /proc/1/comm | grep -E 'init|busybox' && lxc-attach -n one -- /bin/sh -c 'echo kept >/data/it' && lxc-stop -k -n one
  - name: libvirt starts it, too
    run: |
      root='<filesystem type="mount"><source dir="/var/lib/lxc/one/rootfs"/><target dir="/"/></filesystem><console type="pty"/>'
      echo "<domain type='lxc'><name>two</name><memory unit='MiB'>64</memory><os><type>exe</type><init>/sbin/init</init></os><devices>$root</devices></domain>" > /run/two.xml
      virsh --connect lxc:///system create /run/two.xml && virsh --connect lxc:///system domstate two | grep running
  - name: libvirt's has an init of its own, too
    within: 30s
    run: "init=$(pgrep -P $(virsh --connect lxc:///system domid two)) && grep -E 'init|busybox' /proc/$init/comm && grep '^NSpid:.*[[:space:]]1$' /proc/$init/status"
  - {name: libvirt stops it, run: "virsh --connect lxc:///system destroy two"}
  - {name: what it wrote is there after the update, after: update, run: "cat /var/lib/lxc/one/rootfs/data/it | grep -x kept"}
  - {name: what it wrote is there after the rollback, after: rollback, run: "cat /var/lib/lxc/one/rootfs/data/it | grep -x kept"}
"#;

#[test]
fn lxc_starts_a_system_that_came_with_the_machine() {
    let Some(bench) = BENCH.as_ref().filter(|_| is_all()) else { return };
    let images = image(bench, "lxc", "lxc-host", LXC, &[]);
    let table = bench.boot_check(&images, &["--firmware", "uefi", "--timeout", "1800", "--update", "--rollback"]);
    all_well(&table, &["it starts with an init of its own", "libvirt's has an init of its own, too"]);
    all_well(&table, &["what it wrote is there after the update", "what it wrote is there after the rollback"]);
}

/// Nothing is fetched or built: the results' folder stays away.
#[test]
fn what_cannot_be_is_told_before_anything_is_built() {
    let Some(bench) = BENCH.as_ref() else { return };
    let layout = busybox::layout(bench);
    let other = bench.folder.join("other.tar");
    run("tar", &["-cf", text(&other), "-C", text(&layout), "."]);
    let s390x = bench.folder.join("s390x.tar");
    run("tar", &["-cf", text(&s390x), "-C", text(&busybox::foreign(bench)), "."]);
    let wrong = format!("sha256:{}", "0".repeat(64));
    let here = format!("oci:{}", text(&layout));
    let cases = [
        ("container-host", "preload=[oci:/nowhere]".to_owned(), 2, "there is no `/nowhere`"),
        ("container-host", "preload=[busybox]".into(), 2, "`busybox` names no container image"),
        ("container-host", "registries.search=[\"https://docker.io\"]".into(), 2, "`https://docker.io` is no registry"),
        (
            "container-host",
            format!("preload=[{{image: \"{here}\", digest: \"{wrong}\"}}]"),
            1,
            "is not the image that the profile names",
        ),
        ("container-host", format!("preload=[\"oci-archive:{}:9\"]", text(&other)), 1, "has no image of that name"),
        (
            "container-host",
            format!("preload=[\"oci-archive:{}\"]", text(&s390x)),
            1,
            "is for linux/s390x, and this image is for linux/amd64",
        ),
        ("microos", format!("preload=[\"{here}\"]"), 2, "the image has no container runtime"),
        (
            "container-host",
            "packages.roles=[base, kernel, container.cri-o]".into(),
            2,
            "`container.cri-o` has no packages in distribution `debian-rpm`",
        ),
        (
            "docker-host",
            "registries.mirrors={quay.io: [localhost:5000]}".into(),
            2,
            "dockerd can mirror `docker.io` only",
        ),
        (
            "docker-host",
            "container.quadlets=[{name: a.pod, content: \"\"}]".into(),
            2,
            "no runtime of this image has it",
        ),
    ];
    for (profile, set, code, told) in cases {
        let common = bench.arguments(profile);
        let mut args = vec!["build", "--output", "never", "--set", &set];
        args.extend(common.iter().map(String::as_str));
        let built = bench.command(Who::Root, &args).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert_eq!(built.status.code(), Some(code), "{set}: {said}");
        assert!(said.contains(told) && said.contains("hint: "), "{set}: {said}");
        assert!(!bench.home(Who::Root).join("never").exists());
    }
}

/// What each profile says of itself.
#[test]
fn servers_serve() {
    let Some(bench) = BENCH.as_ref().filter(|_| is_all()) else { return };
    for name in ["web-server", "log-server", "registry", "kubic-admin", "vm-host", "media-server", "desktop"] {
        let images = bench.image(name, name, &[]);
        let table = bench.boot_check(&images, &["--firmware", "uefi"]);
        all_well(&table, &[]);
    }
}
