//! How the machine updates itself: settings of transactional-update and of what goes with it, where the installed
//! packages read them; of `rowi-update` where that stands in (`overlays/transactional-fallback`).
//!
//! Sources: transactional-update 6.1 (`transactional-update.conf`, `tukit.conf`), rebootmgr (`rebootmgr.conf`),
//! systemd.timer(5).

use super::{Change, put_text};
use crate::{
    plan::Plan,
    profile::{RebootMethod, Update},
    tree::Tree,
};

/// Units for and against which the profile's settings decide.
const TIMERS: [&str; 2] = ["transactional-update.timer", "rowi-update.timer"];
const HEALTH: [&str; 2] = ["health-checker.service", "rowi-health-check.service"];

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let update = &plan.machine.update;
    let has =
        |path: &str| tree.at(path).is_some() || plan.files.iter().any(|file| file.path.trim_start_matches('/') == path);
    let mut changes = Vec::new();
    for timer in TIMERS.iter().filter(|timer| has(&format!("usr/lib/systemd/system/{timer}"))) {
        changes.push(put_text(plan, &format!("/etc/systemd/system/{timer}.d/50-rowi.conf"), 0o644, &schedule(update)));
    }
    if has("usr/sbin/transactional-update") {
        changes.extend(transactional_update(plan, update));
    }
    if has("usr/sbin/rowi-update") {
        changes.push(put_text(
            plan,
            "/etc/systemd/system/rowi-update.service.d/50-rowi.conf",
            0o644,
            &fallback(update),
        ));
    }
    if update.reboot.method == Some(RebootMethod::Rebootmgr) && has("usr/sbin/rebootmgrctl") {
        changes.push(put_text(plan, "/etc/rebootmgr.conf", 0o644, &window(update)));
    }
    changes
}

/// What the units are preset to (systemd.preset(5)).
pub(super) fn presets(update: &Update) -> String {
    let line = |enable: bool, unit: &&str| format!("{} {unit}\n", if enable { "enable" } else { "disable" });
    let by_rebootmgr = update.reboot.method == Some(RebootMethod::Rebootmgr);
    let fixed = ["transactional-update-cleanup.timer", "create-dirs-from-rpmdb.service"].map(|unit| line(true, &unit));
    let timers = TIMERS.iter().map(|unit| line(update.method.is_some(), unit));
    let health = HEALTH.iter().map(|unit| line(update.health, unit));
    fixed.into_iter().chain(timers).chain(health).chain([line(by_rebootmgr, &"rebootmgr.service")]).collect()
}

fn schedule(update: &Update) -> String {
    // An empty value takes the packaged one away.
    format!("[Timer]\nOnCalendar=\nOnCalendar={}\nRandomizedDelaySec={}\n", update.schedule, update.random_delay)
}

fn transactional_update(plan: &Plan, update: &Update) -> Vec<Change> {
    let method = update.method.map_or("dup", |method| method.as_str());
    let reboot = update.reboot.method.map_or("none", RebootMethod::as_str);
    vec![
        put_text(
            plan,
            "/etc/transactional-update.conf",
            0o644,
            &format!("UPDATE_METHOD={method}\nREBOOT_METHOD={reboot}\n"),
        ),
        put_text(plan, "/etc/tukit.conf.d/50-rowi.conf", 0o644, &format!("REBOOT_METHOD=\"{reboot}\"\n")),
    ]
}

fn fallback(update: &Update) -> String {
    let method = update.method.map_or("dup", |method| method.as_str());
    let reboot = match update.reboot.method {
        Some(RebootMethod::Systemd) => "--reboot ",
        Some(RebootMethod::Kured) => "--kured ",
        _ => "",
    };
    format!("[Service]\nExecStart=\nExecStart=/usr/sbin/rowi-update {reboot}{method}\n")
}

fn window(update: &Update) -> String {
    let reboot = &update.reboot;
    let mut text = "[rebootmgr]\nstrategy=best-effort\n".to_owned();
    if let Some(start) = &reboot.window {
        text += &format!("window-start={start}\nwindow-duration={}m\n", reboot.duration.div_ceil(60).max(1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Keep, Reboot, UpdateMethod};

    #[test]
    fn settings_are_written_as_their_readers_have_them() {
        let update = Update {
            method: Some(UpdateMethod::Up),
            schedule: "Mon 03:30".into(),
            random_delay: 7200,
            reboot: Reboot { method: Some(RebootMethod::Rebootmgr), window: Some("03:30".into()), duration: 5400 },
            health: true,
            keep: Keep::default(),
            repositories: None,
        };
        insta::assert_snapshot!([schedule(&update), fallback(&update), window(&update), presets(&update)].concat(), @r"
        [Timer]
        OnCalendar=
        OnCalendar=Mon 03:30
        RandomizedDelaySec=7200
        [Service]
        ExecStart=
        ExecStart=/usr/sbin/rowi-update up
        [rebootmgr]
        strategy=best-effort
        window-start=03:30
        window-duration=90m
        enable transactional-update-cleanup.timer
        enable create-dirs-from-rpmdb.service
        enable transactional-update.timer
        enable rowi-update.timer
        enable health-checker.service
        enable rowi-health-check.service
        enable rebootmgr.service
        ");
        let off =
            Update { reboot: Reboot { method: Some(RebootMethod::Systemd), ..Reboot::default() }, ..Update::default() };
        assert!(fallback(&off).contains("rowi-update --reboot dup"));
        let kured = Update { reboot: Reboot { method: Some(RebootMethod::Kured), ..Reboot::default() }, ..off.clone() };
        assert!(fallback(&kured).contains("rowi-update --kured dup"));
        assert!(
            presets(&off).contains("disable rowi-update.timer\n")
                && presets(&off).contains("disable rowi-health-check.service\n")
        );
    }
}
