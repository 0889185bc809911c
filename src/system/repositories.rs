//! Repositories that the machine updates from, as zypper reads them (zypp.conf, `/etc/zypp/repos.d`).

use super::{Change, put_text};
use crate::{
    plan::Plan,
    profile::{OnImage, Verify},
    repo::without_user,
    tree::Tree,
};

pub(super) fn changes(plan: &Plan, _tree: &Tree) -> Vec<Change> {
    plan.repositories.iter().map(|repository| {
        let enabled = u8::from(repository.on_image == OnImage::Enabled);
        let (metadata, packages) = match repository.verify {
            Verify::Repository => (1, 0),
            Verify::Packages => (0, 1),
            Verify::Checksums => (0, 0),
        };
        let text = format!(
            "[{alias}]\nname={alias}\nenabled={enabled}\nautorefresh=1\nbaseurl={url}\ntype=rpm-md\npriority={priority}\ngpgcheck={check}\nrepo_gpgcheck={metadata}\npkg_gpgcheck={packages}\n",
            alias = repository.alias,
            url = without_user(&repository.url),
            priority = repository.priority,
            check = u8::from(repository.verify != Verify::Checksums),
        );
        put_text(plan, &format!("/etc/zypp/repos.d/{}.repo", repository.alias), 0o644, &text)
    }).collect()
}
