//! A node of a Kubernetes cluster: kubeadm's configuration, without anything that must stay secret.

use super::{Reader, string};
use crate::profile::{
    Document, Kubernetes, RebootMethod, Update,
    faults::nearest,
    node::{Key, Node},
};

/// The role that makes a node.
const NODE: &str = "kubernetes.node";
/// Kinds of documents, with the group of their API (Kubernetes, `cmd/kubeadm/app/apis`, `pkg/kubelet/apis/config`,
/// `pkg/proxy/apis/config`).
const KINDS: [(&str, &str); 7] = [
    ("ClusterConfiguration", KUBEADM),
    ("InitConfiguration", KUBEADM),
    ("JoinConfiguration", KUBEADM),
    ("ResetConfiguration", KUBEADM),
    ("UpgradeConfiguration", KUBEADM),
    ("KubeletConfiguration", "kubelet.config.k8s.io/v1beta1"),
    ("KubeProxyConfiguration", "kubeproxy.config.k8s.io/v1alpha1"),
];
const KUBEADM: &str = "kubeadm.k8s.io";
/// Fields of kubeadm's that let others into the cluster.
const SECRET: [&str; 5] = ["token", "bootstrapTokens", "bootstrapToken", "tlsBootstrapToken", "certificateKey"];

impl Reader<'_> {
    /// Nothing where this is no node.
    pub(super) fn kubernetes(&mut self) -> Option<Kubernetes> {
        let is_wanted = string(self.profile, "kubernetes.node").is_some_and(|text| text == "unconfigured");
        let entries = self.profile.at("kubernetes.config").map(Node::entries).unwrap_or_default().to_vec();
        let documents: Vec<Document> = entries.iter().filter_map(|(key, node)| self.document(key, node)).collect();
        if self.replaced.contains_key(NODE) {
            if !documents.is_empty() {
                self.notes.push("`kubernetes.config` is left out: no kubeadm is in the image".into());
            }
            return None;
        }
        if let Some(node) = self.profile.at("kubernetes.node").filter(|_| is_wanted).cloned() {
            self.needs("kubernetes.node", NODE, &node);
        }
        if let (Some((key, _)), false) = (entries.first(), is_wanted) {
            self.fault(
                &key.place,
                "`kubernetes.config` is set, and this is no node",
                "`kubernetes: {node: unconfigured}`",
            );
        }
        is_wanted.then_some(Kubernetes { documents })
    }

    fn document(&mut self, key: &Key, node: &Node) -> Option<Document> {
        let Some((kind, group)) = KINDS.iter().find(|(kind, _)| *kind == key.name) else {
            let kinds = KINDS.iter().map(|(kind, _)| *kind);
            let hint = match nearest(&key.name, kinds.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", kinds.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("`kubernetes.config`: kubeadm has no `{}`", key.name.escape_debug());
            self.fault(&key.place, message, &hint);
            return None;
        };
        self.without_secrets(node);
        let serde_json::Value::Object(mut fields) = node.to_json() else {
            let message = format!("`kubernetes.config.{kind}` is no map");
            self.fault(&node.place, message, "`ClusterConfiguration: {networking: {podSubnet: \"10.244.0.0/16\"}}`");
            return None;
        };
        fields.remove("kind");
        let given = fields.remove("apiVersion").and_then(|value| value.as_str().map(str::to_owned));
        let api_version = given.unwrap_or_else(|| match *group {
            KUBEADM => format!("{KUBEADM}/{}", self.kubeadm_api()),
            group => group.to_owned(),
        });
        Some(Document { api_version, kind: (*kind).to_owned(), fields })
    }

    /// kubeadm 1.31 has v1beta4, those since 1.22 v1beta3.
    fn kubeadm_api(&self) -> &'static str {
        let version = string(self.distribution, "variables.kubernetes").unwrap_or_default();
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_some_and(|minor| minor < 31) { "v1beta3" } else { "v1beta4" }
    }

    fn without_secrets(&mut self, node: &Node) {
        for (key, value) in node.entries() {
            if SECRET.contains(&key.name.as_str()) {
                let message = format!(
                    "`kubernetes.config`: `{}` would be the same on every machine made of this image",
                    key.name
                );
                self.fault(
                    &key.place,
                    message,
                    "leave it out: `kubeadm token create --print-join-command` gives one when a node joins",
                );
            }
            self.without_secrets(value);
        }
        node.items().iter().for_each(|item| self.without_secrets(item));
    }

    /// kured drains a node of a cluster before it is started anew: elsewhere nobody would hear it.
    pub(super) fn kured(&mut self, update: &Update, kubernetes: Option<&Kubernetes>) {
        if update.reboot.method == Some(RebootMethod::Kured) && kubernetes.is_none() {
            let place = self.profile.at("update.reboot.method").map(|node| node.place.clone()).unwrap_or_default();
            let message = "`update.reboot.method: kured`, and this is no node of a Kubernetes cluster";
            self.fault(
                &place,
                message,
                "`rebootmgr`, or `kubernetes: {node: unconfigured}` with the role `kubernetes.node`",
            );
        }
    }
}
