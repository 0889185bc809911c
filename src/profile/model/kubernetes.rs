//! A node of a Kubernetes cluster, before it is one.

use serde::{Deserialize, Serialize};

/// A node that kubeadm has not run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// Documents of kubeadm's configuration, in the order of their kinds.
    pub documents: Vec<Document>,
}

/// One document of kubeadm's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// `group/version`.
    pub api_version: String,
    /// `ClusterConfiguration`, `KubeletConfiguration`, …
    pub kind: String,
    /// Everything else.
    pub fields: serde_json::Map<String, serde_json::Value>,
}
