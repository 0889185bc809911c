//! Container images that the image has: where each runtime finds them at its first start, without a network.
//!
//! podman and CRI-O read an additional store where it lies ([`store`]), in the snapshot: compressed, checksummed, rolled
//! back with it. docker and containerd have no such thing: their images lie in OCI's layout, and a unit loads those that
//! the runtime does not have yet, by digest. lxc's own template for OCI images reads the layout as well.

mod layer;
mod layout;
mod split;
mod store;

use std::{io, path::Path};

use super::{Change, Error, accounts, at, containers, put_text, time};
use crate::{
    cache::Digest,
    oci::{Config, Document, Manifest},
    plan::{self, Plan},
    profile::Runtime,
    tree::{Kind, Node, RelPath, Tree},
};

/// The additional store.
const STORE: &str = "/usr/lib/containers/storage";
/// OCI's layout, for runtimes that have to load images.
const LAYOUT: &str = "/usr/share/rowi/images";
/// Loads what is not there yet.
pub(super) const LOAD: &str = "/usr/lib/rowi/load-images";
const LOADER: &str = include_str!("load-images");
const UNIT: &str = "\
[Unit]
Description=Load the container images that came with the system
After=containerd.service docker.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/rowi/load-images

[Install]
WantedBy=multi-user.target
";

/// What mounts layers of root's for podman without root, and the configuration that says so: the kernel's overlay lets
/// nobody write into folders of users that a user namespace does not have.
const FUSE: &str = "/usr/bin/fuse-overlayfs";
const OVER_FUSE: &str = "[storage]\ndriver = \"overlay\"\n\n[storage.options]\n\n[storage.options.overlay]\nmount_program = \"/usr/bin/fuse-overlayfs\"\n";

/// An image as its blobs say it is.
#[derive(Debug)]
struct Image {
    name: String,
    digest: Digest,
    size: u64,
    manifest: Manifest,
    config_digest: Digest,
    config: Config,
}

/// What loads the images, where something has to.
pub(super) fn changes(plan: &Plan, _: &Tree) -> Vec<Change> {
    if !is_loaded(plan) {
        return Vec::new();
    }
    vec![
        put_text(plan, LOAD, 0o755, LOADER),
        put_text(plan, "/usr/lib/systemd/system/rowi-images.service", 0o644, UNIT),
    ]
}

/// The images themselves, and where users' own podman finds them; `blobs` are theirs by SHA-256.
pub(super) fn place(tree: &mut Tree, plan: &Plan, blobs: &Path, spool: &Path) -> Result<(), Error> {
    if plan.images.is_empty() {
        return Ok(());
    }
    let failed = |name: &str, source| Error::Image { name: name.to_owned(), source };
    let mut images = Vec::new();
    for image in &plan.images {
        images.push(open(image, blobs).map_err(|source| failed(&image.name, source))?);
    }
    if store(plan).is_some() {
        let created = format!("{}Z", plan.epoch.timestamp().replace(' ', "T"));
        let mut built = store::Store::new(blobs, spool, time(plan), created, free_link(tree));
        for image in &images {
            built.add(image).map_err(|source| failed(&image.name, source))?;
        }
        let nodes = built.finish().map_err(|source| failed(STORE, source))?;
        put(tree, plan, STORE, nodes)?;
        for (path, node) in of_users(plan, tree)? {
            tree.insert(path, node);
        }
    }
    if plan.machine.container.has(&[Runtime::Docker, Runtime::Containerd, Runtime::Lxc]) {
        let nodes = layout::nodes(&images, blobs, time(plan)).map_err(|source| failed(LAYOUT, source))?;
        put(tree, plan, LAYOUT, nodes)?;
    }
    Ok(())
}

/// The additional store, if there is one.
pub(super) fn store(plan: &Plan) -> Option<&'static str> {
    (!plan.images.is_empty() && plan.machine.container.has_shared()).then_some(STORE)
}

/// Whether a runtime has to load the images.
pub(super) fn is_loaded(plan: &Plan) -> bool {
    !plan.images.is_empty() && plan.machine.container.has(&[Runtime::Docker, Runtime::Containerd])
}

fn open(image: &plan::Image, blobs: &Path) -> io::Result<Image> {
    let broken = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let bytes = fs_err::read(blobs.join(&image.sha256))?;
    let Document::Manifest(manifest) = Document::parse(&bytes).map_err(broken)? else {
        return Err(broken("its manifest is an index".into()));
    };
    let config_digest = manifest.config.sha256().ok_or_else(|| broken("its configuration has no digest".into()))?;
    let config = fs_err::read(blobs.join(config_digest.to_string()))?;
    let config = Config::parse(&config, &manifest).map_err(broken)?;
    let (name, size) = (image.name.clone(), bytes.len() as u64);
    Ok(Image { name, digest: Digest::of(&bytes), size, manifest, config_digest, config })
}

/// Nodes below a folder of the root, which gets its own folders.
fn put(
    tree: &mut Tree,
    plan: &Plan,
    folder: &str,
    nodes: impl IntoIterator<Item = (RelPath, Node)>,
) -> Result<(), Error> {
    let folder = at(folder);
    for above in std::iter::successors(folder.parent(), RelPath::parent)
        .filter(|above| tree.get(above).is_none())
        .collect::<Vec<_>>()
    {
        tree.insert(above, Node::directory(0o755, time(plan)));
    }
    for (path, node) in nodes {
        let path = folder
            .join(path.as_bytes())
            .map_err(|error| Error::Image { name: path.to_string(), source: io::Error::other(error) })?;
        tree.insert(path, node);
    }
    Ok(())
}

/// What paths a layer's tar has.
#[cfg(fuzzing)]
pub fn paths_of_layer(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let nodes = layer::read(path, crate::tree::Time::default(), &mut 0)?;
    Ok(nodes.into_keys().map(|path| path.as_bytes().to_vec()).collect())
}

/// The first number that no set of hard links has.
fn free_link(tree: &Tree) -> u64 {
    let number = |node: &Node| match &node.kind {
        Kind::File { link: Some(link), .. } => Some(link.0),
        _ => None,
    };
    tree.iter().filter_map(|(_, node)| number(node)).max().map_or(0, |most| most + 1)
}

/// The machine's configuration says nothing to podman without root (containers/storage #2141): each of the profile's
/// users who have subordinate ids gets a file of his own.
fn of_users(plan: &Plan, tree: &Tree) -> Result<Vec<(RelPath, Node)>, Error> {
    let mut nodes = Vec::new();
    let own = if tree.at(FUSE).is_some() { OVER_FUSE.to_owned() } else { String::new() };
    let config = containers::with_store(&own, &plan.machine.container, store(plan), false)?;
    for (name, _) in plan.machine.users.iter().filter(|(_, user)| user.subids) {
        let Some((uid, gid, home)) = accounts::known(tree, name) else { continue };
        let own = |node: Node| Node { uid, gid, ..node };
        for folder in [format!("{home}/.config"), format!("{home}/.config/containers")] {
            if tree.at(&folder).is_none() {
                nodes.push((at(&folder), own(Node::directory(0o700, time(plan)))));
            }
        }
        let path = at(&format!("{home}/.config/containers/storage.conf"));
        if tree.get(&path).is_none() {
            nodes.push((path, own(Node::file(config.as_str().into(), 0o644, time(plan)))));
        }
    }
    Ok(nodes)
}
