//! Container images that are in the image.

use super::{Reader, string};
use crate::{
    cache::Digest,
    profile::{ImageSource, Place, Preload, Reference, Runtime, find, node::Node},
};

/// The images that the installed kubeadm asks for.
const CONTROL_PLANE: &str = "control-plane";

impl Reader<'_> {
    pub(super) fn preload(&mut self, runtimes: &[Runtime]) -> Vec<Preload> {
        let items = self.profile.at("preload").map(Node::items).unwrap_or_default().to_vec();
        let mut all: Vec<Preload> = Vec::new();
        for item in &items {
            let what = item.as_str().map(str::to_owned).or_else(|| string(item, "image"));
            let Some(what) = what else {
                self.fault(
                    &item.place,
                    "an item of `preload` has no `image`",
                    "`{image: oci:DIR, name: localhost/app:1}`",
                );
                continue;
            };
            if what != CONTROL_PLANE {
                all.extend(self.image(what, item));
            }
        }
        if let (Some(first), true) = (all.first(), runtimes.is_empty()) {
            let message = format!("`preload` names `{}`, and the image has no container runtime", first.what);
            self.fault(
                &first.place.clone(),
                message,
                "`container: {runtimes: [podman]}` with the role `container.podman`",
            );
        }
        all
    }

    fn image(&mut self, what: String, item: &Node) -> Option<Preload> {
        let source = ImageSource::parse(&what, |path| find::beside(&item.place, path));
        let source = match source {
            Ok(source) => Some(source),
            Err((message, hint)) => {
                self.fault(&item.place, format!("`preload`: {message}"), &hint);
                None
            }
        };
        if let Some(path) = source.as_ref().and_then(ImageSource::path)
            && !path.exists()
        {
            let hint = "a path is relative to the file that names it, on the command line to where you are";
            self.fault(&item.place, format!("`preload`: there is no `{}`", path.display()), hint);
        }
        let name = self.named(item, "name", "registry, name and tag: `localhost/app:1`", Reference::parse);
        let digest = |text: &str| text.strip_prefix("sha256:")?.parse::<Digest>().ok();
        let digest = self.named(item, "digest", "`sha256:` and 64 hexadecimal digits", digest);
        Some(Preload { what, source: source?, name: name?, digest: digest?, place: item.place.clone() })
    }

    /// A key of the item, if it is there and sound; nothing at all if it is not.
    fn named<T>(&mut self, item: &Node, key: &str, hint: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        let Some(text) = string(item, key) else { return Some(None) };
        let parsed = parse(&text);
        if parsed.is_none() {
            self.fault(&item.place, format!("`preload.{key}`: `{}` is none", text.escape_debug()), hint);
        }
        parsed.map(Some)
    }

    /// What only kubeadm knows is asked of kubeadm; where that is not in the image there is no control plane.
    pub(super) fn control_plane(&mut self) -> Option<Place> {
        let items = self.profile.at("preload").map(Node::items).unwrap_or_default();
        let item = items.iter().find(|item| item.as_str() == Some(CONTROL_PLANE))?.clone();
        if self.replaced.contains_key("kubernetes.node") {
            let note = "`preload: control-plane`: no kubeadm is in the image, so no control plane's images are";
            self.notes.push(note.into());
            return None;
        }
        self.needs("preload", "kubernetes.node", &item);
        Some(item.place)
    }
}
