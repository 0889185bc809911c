//! Connections as NetworkManager's keyfiles (nm-settings-keyfile(5)), proxy and authorities.

use super::{Change, Secrets, put_text};
use crate::{
    plan::Plan,
    profile::{Address, Connection, Secret},
    tree::Tree,
};

pub(super) fn changes(plan: &Plan, secrets: &Secrets, tree: &Tree) -> Vec<Change> {
    let machine = &plan.machine;
    let mut changes = Vec::new();
    if tree.at("etc/NetworkManager").is_some() || tree.at("usr/lib/NetworkManager").is_some() {
        for connection in &machine.connections {
            let path = format!("/etc/NetworkManager/system-connections/{}.nmconnection", connection.name);
            // NetworkManager refuses keyfiles that others can read.
            changes.push(put_text(plan, &path, 0o600, &keyfile(plan, connection, secrets)));
        }
    }
    if let Some(proxy) = &machine.proxy {
        let lines = format!("http_proxy={proxy}\nhttps_proxy={proxy}\nno_proxy=localhost,127.0.0.1,::1\n");
        changes.push(put_text(plan, "/etc/environment.d/90-rowi-proxy.conf", 0o644, &lines));
        changes.push(put_text(plan, "/etc/systemd/system.conf.d/90-rowi-proxy.conf", 0o644, &manager(proxy)));
    }
    for (number, certificate) in machine.ca_certificates.iter().enumerate() {
        let folder = super::path_of(plan, "ca-anchors", "/etc/pki/trust/anchors");
        let ending = if folder.starts_with("/usr/local/share") { "crt" } else { "pem" };
        changes.push(put_text(plan, &format!("{folder}/rowi-{number}.{ending}"), 0o644, certificate));
    }
    changes
}

fn manager(proxy: &str) -> String {
    format!("[Manager]\nDefaultEnvironment=http_proxy={proxy} https_proxy={proxy} no_proxy=localhost,127.0.0.1,::1\n")
}

fn keyfile(plan: &Plan, connection: &Connection, secrets: &Secrets) -> String {
    let id = crate::plan::uuid_text(&plan.seed.uuid(&format!("connection/{}", connection.name)));
    let mut text = format!("[connection]\nid={}\nuuid={id}\ntype={}\n", connection.name, connection.kind);
    if let Some(interface) = &connection.interface {
        text += &format!("interface-name={interface}\n");
    }
    if let Some(mac) = &connection.mac {
        text += &format!("\n[{}]\nmac-address={mac}\n", connection.kind);
    }
    if let Some(ssid) = &connection.ssid {
        text += &format!("\n[wifi]\nmode=infrastructure\nssid={ssid}\n");
    }
    if let Some(psk) = connection.psk.as_ref().and_then(|psk| value(psk, secrets)) {
        text += &format!("\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={psk}\n");
    }
    text + &address("ipv4", &connection.ipv4) + &address("ipv6", &connection.ipv6)
}

fn address(family: &str, address: &Address) -> String {
    match address {
        Address::Auto => format!("\n[{family}]\nmethod=auto\n"),
        Address::Off => format!("\n[{family}]\nmethod={}\n", if family == "ipv4" { "disabled" } else { "ignore" }),
        Address::Fixed { address, gateway, dns } => {
            let gateway = gateway.as_ref().map(|gateway| format!(",{gateway}")).unwrap_or_default();
            let servers: String = dns.iter().map(|server| format!("{server};")).collect();
            let dns = if servers.is_empty() { String::new() } else { format!("dns={servers}\n") };
            format!("\n[{family}]\nmethod=manual\naddress1={address}{gateway}\n{dns}")
        }
    }
}

/// The value of a secret, written out or given.
pub(super) fn value(secret: &Secret, secrets: &Secrets) -> Option<String> {
    match secret {
        Secret::Literal(text) => Some(text.clone()),
        Secret::Named(name) => secrets.get(name).cloned(),
    }
}
