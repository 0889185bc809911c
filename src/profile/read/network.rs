//! NetworkManager connections.

use super::{Reader, string, strings};
use crate::profile::{Address, Connection, node::Node};

impl Reader<'_> {
    pub(super) fn connections(&mut self) -> Vec<Connection> {
        let mut all = Vec::new();
        for item in self.profile.at("network.connections").map(Node::items).unwrap_or_default() {
            all.push(self.connection(item));
        }
        all
    }

    fn connection(&mut self, item: &Node) -> Connection {
        let name = string(item, "name").unwrap_or_default();
        if name.is_empty() || name.contains(['/', '\n', '\0']) || name.len() > 128 {
            self.fault(
                &item.place,
                format!("`network.connections`: `{}` is no name for a file", name.escape_debug()),
                "",
            );
        }
        let kind = string(item, "type").unwrap_or_else(|| "ethernet".into());
        self.wireless(item, &kind, &name);
        Connection {
            kind,
            interface: self.interface(item),
            mac: self.mac(item),
            ipv4: self.internet(item, "ipv4"),
            ipv6: self.internet(item, "ipv6"),
            ssid: string(item, "ssid"),
            psk: self.secret(item, "psk", "network.connections.psk"),
            country: string(item, "country"),
            name,
        }
    }

    fn wireless(&mut self, item: &Node, kind: &str, name: &str) {
        if kind == "wifi" && item.get("ssid").is_none() {
            self.fault(&item.place, format!("connection `{name}` is wireless and has no `ssid`"), "");
        }
        let country = item.get("country");
        if let Some(node) = country.filter(|node| {
            !node.as_str().is_some_and(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()))
        }) {
            self.fault(
                &node.place,
                format!("`country`: `{}` is no code of two capital letters", node.shown()),
                "for example `\"DE\"`",
            );
        }
    }

    fn interface(&mut self, item: &Node) -> Option<String> {
        let node = item.get("interface")?;
        let name = node.as_str()?;
        if name.is_empty() || name.len() > 15 || name.contains(['/', ':']) || name.contains(char::is_whitespace) {
            self.fault(
                &node.place,
                format!("`{}` is no interface name", name.escape_debug()),
                "at most 15 characters, for example `eth0`",
            );
        }
        Some(name.into())
    }

    fn mac(&mut self, item: &Node) -> Option<String> {
        let node = item.get("mac")?;
        let text = node.as_str()?;
        let octets: Vec<&str> = text.split(':').collect();
        if octets.len() != 6 || octets.iter().any(|octet| octet.len() != 2 || u8::from_str_radix(octet, 16).is_err()) {
            self.fault(
                &node.place,
                format!("`{}` is no hardware address", text.escape_debug()),
                "for example `\"52:54:00:12:34:56\"`",
            );
        }
        Some(text.into())
    }

    fn internet(&mut self, item: &Node, family: &str) -> Address {
        let Some(node) = item.get(family) else { return Address::Auto };
        match node.as_str() {
            Some("off") => Address::Off,
            Some(_) => Address::Auto,
            None => self.fixed(node, family),
        }
    }

    fn fixed(&mut self, node: &Node, family: &str) -> Address {
        let address = string(node, "address").unwrap_or_default();
        let most = if family == "ipv4" { 32 } else { 128 };
        let sound = address.split_once('/').is_some_and(|(host, prefix)| {
            is_address(host, family) && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
        });
        if !sound {
            let hint = if family == "ipv4" { "for example `192.168.7.20/24`" } else { "for example `fd00::20/64`" };
            self.fault(
                &node.get("address").unwrap_or(node).place.clone(),
                format!("`{family}.address`: `{address}` is no address with a prefix length"),
                hint,
            );
        }
        for key in ["gateway", "dns"] {
            let Some(value) = node.get(key) else { continue };
            let texts = value.as_str().map(|text| vec![text.to_owned()]).unwrap_or_else(|| strings(node, key));
            for text in texts.iter().filter(|text| !is_address(text, family)) {
                self.fault(&value.place, format!("`{family}.{key}`: `{text}` is no {family} address"), "");
            }
        }
        Address::Fixed { address, gateway: string(node, "gateway"), dns: strings(node, "dns") }
    }
}

fn is_address(text: &str, family: &str) -> bool {
    match family {
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        _ => text.parse::<std::net::Ipv6Addr>().is_ok(),
    }
}
