//! Where a machine sends what it logs.

use serde::{Deserialize, Serialize};

/// Where a machine sends what it logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How.
    pub protocol: LogProtocol,
}

/// How what a machine logs is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogProtocol {
    /// syslog over TCP (RFC 6587), by rsyslog.
    Tcp,
    /// RELP, by rsyslog: what was sent has arrived.
    Relp,
    /// The journal itself, by systemd-journal-upload.
    Journal,
}

impl LogProtocol {
    /// The role with what sends it.
    pub fn role(self) -> &'static str {
        match self {
            Self::Tcp => "logging.syslog",
            Self::Relp => "logging.relp",
            Self::Journal => "logging.journal",
        }
    }

    /// The port where none is given: syslog's over TCP, RELP's own habit, systemd-journal-remote's.
    pub fn port(self) -> u16 {
        match self {
            Self::Tcp => 514,
            Self::Relp => 2514,
            Self::Journal => 19532,
        }
    }
}
