//! Where a machine sends what it logs.

use super::{Reader, string, word};
use crate::profile::{Forward, LogProtocol};

impl Reader<'_> {
    pub(super) fn forward(&mut self) -> Option<Forward> {
        let node = self.profile.at("logging.forward").filter(|node| !node.entries().is_empty())?.clone();
        let protocol = string(&node, "protocol").and_then(|text| word(&text)).unwrap_or(LogProtocol::Tcp);
        self.needs("logging.forward", protocol.role(), &node);
        let Some(to) = string(&node, "to") else {
            self.fault(
                &node.place,
                "`logging.forward` has no `to`",
                "`to: logs.example.lan`, or with a port: `logs.example.lan:514`",
            );
            return None;
        };
        // An address of IPv6 stands in brackets, as in URLs.
        let (host, port) = match to.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (to.as_str(), None),
        };
        let number = port.map_or(Some(protocol.port()), |port| port.parse().ok().filter(|port| *port > 0));
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
        let Some(port) = number.filter(|_| is_host && (!bare.contains(':') || host.starts_with('['))) else {
            let message = format!("`logging.forward.to`: `{}` is no host with a port", to.escape_debug());
            self.fault(&node.place, message, "`logs.example.lan:514`, `192.168.1.2`, `[fd00::2]:514`");
            return None;
        };
        Some(Forward { host: host.to_owned(), port, protocol })
    }
}
