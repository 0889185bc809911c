//! Repositories that the machine updates from, as zypper reads them (`/etc/zypp/repos.d`, `/etc/zypp/credentials.d`;
//! libzypp 17, `zypp/repo/RepoFileReader.cc`, `zypp-media/auth/CredentialManager`).

use super::{Change, Secrets, network::value, put_text};
use crate::{
    plan::Plan,
    profile::{OnImage, Verify},
    tree::Tree,
    web::without_user,
};

/// The fleet's own, or the distribution's.
pub(super) fn changes(plan: &Plan, secrets: &Secrets, _tree: &Tree) -> Vec<Change> {
    let Some(mirrors) = &plan.machine.update.repositories else {
        let file = |it: &crate::profile::Repository| {
            repository(plan, &it.alias, &it.url, it.on_image == OnImage::Enabled, it.priority, it.verify)
        };
        return plan.repositories.iter().map(file).collect();
    };
    let mut changes = Vec::new();
    for mirror in mirrors {
        let mut url = mirror.url.clone();
        let password = mirror.login.as_ref().and_then(|login| Some((login, value(&login.password, secrets)?)));
        if let Some((login, password)) = password {
            url += &format!("{}credentials={}", if url.contains('?') { '&' } else { '?' }, mirror.alias);
            let text = format!("username={}\npassword={password}\n", login.username);
            changes.push(put_text(plan, &format!("/etc/zypp/credentials.d/{}", mirror.alias), 0o600, &text));
        }
        changes.push(repository(plan, &mirror.alias, &url, true, mirror.priority, mirror.verify));
    }
    changes
}

fn repository(plan: &Plan, alias: &str, url: &str, enabled: bool, priority: u32, verify: Verify) -> Change {
    let (metadata, packages) = match verify {
        Verify::Repository => (1, 0),
        Verify::Packages => (0, 1),
        Verify::Checksums => (0, 0),
    };
    let text = format!(
        "[{alias}]\nname={alias}\nenabled={enabled}\nautorefresh=1\nbaseurl={url}\ntype=rpm-md\npriority={priority}\ngpgcheck={check}\nrepo_gpgcheck={metadata}\npkg_gpgcheck={packages}\n",
        enabled = u8::from(enabled),
        url = without_user(url),
        check = u8::from(verify != Verify::Checksums),
    );
    put_text(plan, &format!("/etc/zypp/repos.d/{alias}.repo"), 0o644, &text)
}
