//! Which images make a Kubernetes control plane is asked of the kubeadm that was chosen, before anything is built.

use std::path::{Path, PathBuf};

use crate::{
    busybox,
    image::{BENCH, Bench, Who, run, text},
    update::package,
    web::Server,
};

/// A kubeadm that says what its configuration has it say, between words that are no names.
const KUBEADM: &str = "\
%install
install -d %{buildroot}/usr/bin
cat >%{buildroot}/usr/bin/kubeadm <<'END'
#!/bin/sh
[ \"$*\" = 'config images list --config /proc/self/fd/0' ] || exit 9
while read -r key value; do [ \"$key\" != imageRepository: ] || repository=$value; done
echo 'W1127 10:00:00.000000 9 version.go:109] could not fetch a Kubernetes version from the internet' >&2
[ \"$repository\" != nowhere ] || { echo 'nowhere is no repository' >&2; exit 3; }
for image in kube-apiserver:v1.33.0 pause:3.10; do echo \"$repository/$image\"; done
END
chmod 755 %{buildroot}/usr/bin/kubeadm
";

/// The test distribution, with kubeadm.
fn distribution(folder: &Path) -> PathBuf {
    let own =
        fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/distributions/debian-rpm.yaml"))
            .unwrap();
    let (absent, present) = ("  kubernetes.node: {absent:", "  kubernetes.node: [kubeadm] #");
    assert!(own.contains(absent), "{own}");
    let file = folder.join("debian-rpm.yaml");
    fs_err::write(&file, own.replace(absent, present)).unwrap();
    file
}

/// A registry's answers as files: the test's image under kubeadm's names.
fn registry(bench: &Bench, folder: &Path) -> PathBuf {
    let layout = busybox::layout(bench);
    let index: serde_json::Value = serde_json::from_slice(&fs_err::read(layout.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    for (name, tag) in [("kube-apiserver", "v1.33.0"), ("pause", "3.10")] {
        let place = folder.join(format!("registry/v2/kubic/{name}"));
        for kind in ["manifests", "blobs"] {
            fs_err::create_dir_all(place.join(kind)).unwrap();
            for blob in fs_err::read_dir(layout.join("blobs/sha256")).unwrap() {
                let blob = blob.unwrap();
                let name = format!("sha256:{}", text(Path::new(&blob.file_name())));
                fs_err::copy(blob.path(), place.join(kind).join(name)).unwrap();
            }
        }
        fs_err::copy(place.join("manifests").join(digest), place.join("manifests").join(tag)).unwrap();
    }
    folder.join("registry")
}

#[test]
fn the_control_plane_is_what_kubeadm_says() {
    let Some(bench) = BENCH.as_ref() else { return };
    let folder = bench.folder.join("control-plane");
    let repository = folder.join("repository");
    fs_err::create_dir_all(&repository).unwrap();
    package(&repository, "kubeadm", KUBEADM, "/usr/bin/kubeadm\n");
    run("createrepo_c", &["--quiet", text(&repository)]);
    let server = Server::new(registry(bench, &folder), |_| None);
    let distribution = distribution(&folder);
    let profile = |name: &str, from: &str| {
        let file = folder.join(format!("{name}.yaml"));
        let config = format!("kubernetes: {{config: {{ClusterConfiguration: {{imageRepository: {from}}}}}}}");
        fs_err::write(&file, format!("kind: profile\nname: {name}\nextends: [kubic]\n{config}\n")).unwrap();
        file
    };
    let (node, broken) = (profile("node", &format!("{}/kubic", server.address)), profile("broken", "nowhere"));
    let more = format!("kube=dir:{}", repository.display());
    let said = |command: &[&str], profile: &Path| {
        let mut common = bench.arguments(text(profile));
        common[3] = text(&distribution).to_owned();
        let mut args = command.to_vec();
        args.extend(common.iter().map(String::as_str));
        args.extend(["--repo", &more, "--no-signatures"]);
        bench.command(Who::Root, &args).output().unwrap()
    };
    let planned = |command: &[&str]| -> serde_json::Value {
        let said = said(command, &node);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let plan: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        plan["images"].clone()
    };
    let images = planned(&["plan", "--json"]);
    let names: Vec<&str> = images.as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect();
    let expected = ["kube-apiserver:v1.33.0", "pause:3.10"].map(|image| format!("{}/kubic/{image}", server.address));
    assert_eq!(names, expected);

    assert!(said(&["lock"], &node).status.success());
    let lock = fs_err::read_to_string(node.with_extension("lock")).unwrap();
    assert!(expected.iter().all(|name| lock.contains(name)), "{lock}");
    assert_eq!(planned(&["plan", "--json", "--locked"]), images);

    let failed = said(&["plan"], &broken);
    let told = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    for told_of in ["/usr/bin/kubeadm config images list", "exit status 3", "nowhere is no repository"] {
        assert!(told.contains(told_of), "{told_of}: {told}");
    }
}
