//! A node of a Kubernetes cluster that kubeadm has not run on: its configuration for that day, and of what the kubelet
//! needs of the kernel and of crictl only that which no package brings.

use super::{Change, put_text, text};
use crate::{
    plan::Plan,
    profile::{Document, Runtime},
    tree::{RelPath, Tree},
};

/// What `kubeadm init --config` is given.
const KUBEADM: &str = "/etc/kubernetes/kubeadm.yaml";
/// Modules and kernel parameters (Kubernetes, "Container Runtimes", "Network configuration"; `br_netfilter` gives the
/// last two).
const MODULES: [&str; 2] = ["br_netfilter", "overlay"];
const SYSCTLS: [&str; 4] = [
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
];

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let Some(kubernetes) = &plan.machine.kubernetes else { return Vec::new() };
    let mut changes = Vec::new();
    if !kubernetes.documents.is_empty() {
        changes.push(put_text(plan, KUBEADM, 0o600, &configuration(&kubernetes.documents)));
    }
    let missing = |names: &[&str], folders: [&str; 2]| -> Vec<String> {
        let brought: String = folders.iter().flat_map(|folder| texts(tree, folder)).collect();
        names.iter().filter(|name| !sets(&brought, name)).map(|name| (*name).to_owned()).collect()
    };
    let modules = missing(&MODULES, ["usr/lib/modules-load.d", "etc/modules-load.d"]);
    if !modules.is_empty() {
        changes.push(put_text(
            plan,
            "/etc/modules-load.d/50-rowi-kubernetes.conf",
            0o644,
            &(modules.join("\n") + "\n"),
        ));
    }
    let sysctls = missing(&SYSCTLS, ["usr/lib/sysctl.d", "etc/sysctl.d"]);
    if !sysctls.is_empty() {
        let lines: String = sysctls.iter().map(|name| format!("{name} = 1\n")).collect();
        changes.push(put_text(plan, "/etc/sysctl.d/50-rowi-kubernetes.conf", 0o644, &lines));
    }
    let runtimes = &plan.machine.container.runtimes;
    let socket = runtimes.iter().find_map(|runtime| match runtime {
        Runtime::CriO => Some("/run/crio/crio.sock"),
        Runtime::Containerd => Some("/run/containerd/containerd.sock"),
        _ => None,
    });
    if let Some(socket) = socket.filter(|_| tree.at("etc/crictl.yaml").is_none() && tree.at("usr/bin/crictl").is_some())
    {
        let lines = format!("runtime-endpoint: unix://{socket}\nimage-endpoint: unix://{socket}\n");
        changes.push(put_text(plan, "/etc/crictl.yaml", 0o644, &lines));
    }
    changes
}

/// kubeadm's configuration: YAML, one document a kind.
pub fn configuration(documents: &[Document]) -> String {
    let mut text = String::from("# For `kubeadm init --config`, and `kubeadm join` with a discovery of your own.\n");
    for document in documents {
        text += &format!("---\napiVersion: {}\nkind: {}\n", document.api_version, document.kind);
        // Maps of JSON have a text in YAML.
        text += &serde_yaml::to_string(&document.fields).unwrap_or_default();
    }
    text
}

/// The texts of the files of a folder.
fn texts<'a>(tree: &'a Tree, folder: &str) -> impl Iterator<Item = String> + use<'a> {
    let folder = RelPath::new(folder).unwrap_or_default();
    let paths: Vec<String> = tree.children(&folder).map(|(path, _)| path.to_string()).collect();
    paths.into_iter().filter_map(|path| text(tree, &path)).map(|text| text + "\n")
}

/// Whether a line of configuration is about that name.
fn sets(text: &str, name: &str) -> bool {
    let words = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut names = words.map(|line| line.split('=').next().unwrap_or_default().trim().trim_start_matches('-'));
    names.any(|word| word == name || word.replace('/', ".") == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeadm_is_given_one_document_a_kind() {
        let fields = serde_json::json!({"networking": {"podSubnet": "10.244.0.0/16"}, "controllerManager": {"extraArgs": [{"name": "a", "value": "1"}]}});
        let serde_json::Value::Object(fields) = fields else { panic!() };
        let document = Document {
            api_version: "kubeadm.k8s.io/v1beta4".into(),
            kind: "ClusterConfiguration".into(),
            fields: fields.clone(),
        };
        let text = configuration(&[document]);
        assert!(text.contains("---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"), "{text}");
        let body = text.split("kind: ClusterConfiguration\n").nth(1).unwrap();
        let read: serde_json::Map<String, serde_json::Value> = serde_yaml::from_str(body).unwrap();
        assert_eq!(read, fields);
    }

    #[test]
    fn what_a_package_sets_is_not_set_again() {
        let brought = "# net.ipv4.ip_forward = 1\nnet/bridge/bridge-nf-call-iptables=1\n-net.ipv6.conf.all.forwarding = 1\noverlay\n";
        assert!(!sets(brought, "net.ipv4.ip_forward") && sets(brought, "net.ipv6.conf.all.forwarding"));
        assert!(
            sets(brought, "net.bridge.bridge-nf-call-iptables")
                && sets(brought, "overlay")
                && !sets(brought, "br_netfilter")
        );
    }
}
