//! Where the machine sends what it logs: rsyslog's drop-in (rsyslog.conf(5), omfwd, omrelp) or
//! systemd-journal-upload's (journal-upload.conf(5)).

use super::{Change, put_text};
use crate::{
    plan::Plan,
    profile::{Forward, LogProtocol},
    tree::Tree,
};

/// Sends the journal.
pub(super) const UPLOAD: &str = "systemd-journal-upload.service";

pub(super) fn changes(plan: &Plan, _: &Tree) -> Vec<Change> {
    let Some(forward) = &plan.machine.forward else { return Vec::new() };
    let path = match forward.protocol {
        LogProtocol::Journal => "/etc/systemd/journal-upload.conf.d/10-rowi.conf",
        LogProtocol::Tcp | LogProtocol::Relp => "/etc/rsyslog.d/60-rowi-forward.conf",
    };
    vec![put_text(plan, path, 0o644, &conf(forward))]
}

/// Names were checked: none needs quoting.
fn conf(forward: &Forward) -> String {
    let Forward { host, port, protocol } = forward;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // What cannot be sent waits on the disk, for as long as it takes.
    let queue = "queue.type=\"LinkedList\" queue.filename=\"rowi-forward\" queue.maxDiskSpace=\"1g\" queue.saveOnShutdown=\"on\" action.resumeRetryCount=\"-1\"";
    match protocol {
        LogProtocol::Journal => format!("[Upload]\nURL=http://{host}:{port}\n"),
        LogProtocol::Tcp => format!(
            "action(type=\"omfwd\" target=\"{bare}\" port=\"{port}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" {queue})\n"
        ),
        LogProtocol::Relp => {
            format!("module(load=\"omrelp\")\naction(type=\"omrelp\" target=\"{bare}\" port=\"{port}\" {queue})\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_sender() {
        let text = |protocol| conf(&Forward { host: "[fd00::2]".into(), port: 514, protocol });
        assert_eq!(text(LogProtocol::Journal), "[Upload]\nURL=http://[fd00::2]:514\n");
        assert!(
            text(LogProtocol::Tcp)
                .starts_with("action(type=\"omfwd\" target=\"fd00::2\" port=\"514\" protocol=\"tcp\"")
        );
        assert!(
            text(LogProtocol::Relp).starts_with("module(load=\"omrelp\")\naction(type=\"omrelp\" target=\"fd00::2\"")
        );
    }
}
