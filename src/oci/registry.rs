//! A registry (OCI distribution-spec 1.1, "Pulling manifests", "Pulling blobs"), its mirrors before it, and the tokens
//! that it asks for (distribution, `spec/auth/token.md`).

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use super::{Access, Descriptor, Fault, MAX_DOCUMENT, Source};
use crate::{
    cache::Digest,
    profile::{self, Preload, Reference, server},
    web::{self, Failure, Web, WebAddress},
};

/// What is accepted for a name, the index first (image-spec `media-types.md`; docker's schema 2).
const DOCUMENTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Largest answer of a server that gives tokens.
const MAX_TOKEN: u64 = 1 << 20;

/// An image of a registry's.
pub(super) struct Registry<'a> {
    preload: &'a Preload,
    reference: &'a Reference,
    /// What it must be, if that is known.
    digest: Option<Digest>,
    access: &'a Access<'a>,
    web: Web,
    /// Where it was found.
    base: Option<WebAddress>,
    /// What servers gave for being told who we are, by host.
    tokens: BTreeMap<String, String>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(
        preload: &'a Preload,
        reference: &'a Reference,
        digest: Option<Digest>,
        access: &'a Access<'a>,
    ) -> Self {
        Self { preload, reference, digest, access, web: Web::default(), base: None, tokens: BTreeMap::new() }
    }

    /// `…/v2/NAME/` of the mirrors and of the registry itself, in the order in which they are asked.
    fn places(&self) -> Vec<WebAddress> {
        let (registries, name) = (self.access.registries, self.reference.name());
        let whole = format!("{}/{name}", self.reference.registry());
        let below = |prefix: &str| whole.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).map(str::to_owned);
        let longest = registries.mirrors.iter().filter(|(prefix, _)| below(prefix.as_str()).is_some());
        let longest = longest.max_by_key(|(prefix, _)| prefix.as_str().len());
        let mut places = Vec::new();
        let mut add = |host: &str, path: &str, is_insecure: bool| {
            let server = server(host);
            for scheme in ["https", "http"] {
                let place = WebAddress::parse(&format!("{scheme}://{server}/v2/{path}/"));
                places.extend(place.filter(|it| !it.is_plain() || is_insecure || it.is_loopback()));
            }
        };
        for (prefix, mirror) in longest.iter().flat_map(|(prefix, all)| all.iter().map(move |mirror| (prefix, mirror)))
        {
            let rest = below(prefix.as_str()).unwrap_or_default();
            let path = format!("{}{rest}", mirror.path().unwrap_or_default());
            add(mirror.host(), path.trim_start_matches('/'), registries.is_insecure(mirror));
        }
        let itself = profile::Registry::parse(self.reference.registry());
        add(self.reference.registry(), name, itself.is_some_and(|it| registries.is_insecure(&it)));
        places
    }

    fn get(&mut self, place: &WebAddress, what: &str, accept: &[&str]) -> Result<Box<dyn Read>, Failure> {
        let address = place.join(what).ok_or(Failure::Absent)?;
        let (web, tokens, reference, logins) = (&self.web, &mut self.tokens, self.reference, self.access.logins);
        let basic = |at: &WebAddress| login(web, reference, logins, at);
        let mut who = |at: &WebAddress, asks: Option<&str>| match asks {
            None => Ok(tokens.get(at.host()).cloned()),
            Some(asks) => match challenge(asks) {
                Some(fields) => {
                    let token = token(web, at, &fields, reference.name(), basic(at)?)?;
                    tokens.insert(at.host().to_owned(), token.clone());
                    Ok(Some(token))
                }
                None => basic(at),
            },
        };
        web.get(address, accept, &mut who)
    }

    fn document(&mut self, place: &WebAddress) -> Result<Vec<u8>, Failure> {
        let what = match (self.digest, self.reference.tag()) {
            (Some(digest), _) => format!("manifests/sha256:{digest}"),
            (None, tag) => format!("manifests/{}", tag.unwrap_or("latest")),
        };
        let web = self.web.clone();
        let attempt = || {
            let mut bytes = Vec::new();
            let body = self.get(place, &what, &DOCUMENTS)?;
            body.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(|error| network(place, error))?;
            Ok(bytes)
        };
        web.attempts(attempt, passes)
    }
}

impl Source for Registry<'_> {
    fn begin(&mut self) -> Result<Vec<u8>, Box<Fault>> {
        let fault = |message: String| Box::new(Fault::of(self.preload, message));
        // What is known by its digest is not asked for again.
        if let Some(path) = self.digest.and_then(|digest| self.access.cache.object(digest).ok().flatten()) {
            return fs_err::read(path).map_err(|error| Box::new(fault("cannot read the cache".into()).because(&error)));
        }
        if self.access.offline {
            let message = format!("`{}` is not in the cache, and `--offline` forbids to fetch it", self.reference);
            return Err(Box::new(
                fault(message).network().hint("run once without `--offline`, and pin it by digest: `rowi lock`"),
            ));
        }
        let mut last = None;
        for place in self.places() {
            match self.document(&place) {
                Ok(bytes) => {
                    self.base = Some(place);
                    return Ok(bytes);
                }
                // An address that only might be the right one does not hide what the first ones said.
                Err(failure) if last.is_none() || !place.is_plain() => last = Some((place, failure)),
                Err(_) => {}
            }
        }
        Err(match last {
            Some((place, failure)) => self.failed(&place, failure),
            None => Box::new(Fault::of(self.preload, format!("`{}` has no address", self.reference))),
        })
    }

    fn open(&mut self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Box<Fault>> {
        if self.access.offline {
            let fault = Fault::of(
                self.preload,
                format!("a blob of `{}` is not in the cache, and `--offline` forbids to fetch it", self.reference),
            );
            return Err(Box::new(fault.network().hint("run once without `--offline`")));
        }
        // Documents that an index lists are manifests, for a registry.
        let is_document = DOCUMENTS.contains(&blob.media_type.as_str());
        let what = format!("{}/{}", if is_document { "manifests" } else { "blobs" }, blob.digest);
        let places = self.base.clone().map_or_else(|| self.places(), |base| vec![base]);
        let mut last = None;
        for place in places {
            let web = self.web.clone();
            match web.attempts(|| self.get(&place, &what, &DOCUMENTS), passes) {
                Ok(body) => return Ok(body),
                Err(failure) => last = Some((place, failure)),
            }
        }
        Err(match last {
            Some((place, failure)) => self.failed(&place, failure),
            None => Box::new(Fault::of(self.preload, format!("`{}` has no address", self.reference))),
        })
    }
}

impl Registry<'_> {
    fn failed(&self, place: &WebAddress, failure: Failure) -> Box<Fault> {
        let fault = |message: String| Fault::of(self.preload, message).network();
        Box::new(match failure {
            Failure::Absent => {
                let message = format!("`{}` has no image `{}`", place.host(), self.reference);
                Fault::of(self.preload, message).hint("check the name and the tag; `skopeo list-tags docker://NAME` shows what there is")
            }
            Failure::Unauthorized { url, told } => {
                let more = if told { ", and refuses those that are known" } else { "" };
                fault(format!("`{url}` asks for a name and a password{more}")).hint(
                    "put `machine HOST login NAME password SECRET` into `~/.config/rowi/credentials`, mode 0600; a registry also says so of an image that it does not have",
                )
            }
            Failure::Credentials { file, source } => {
                fault(format!("cannot use the credentials in `{}`", file.display())).because(&source)
            }
            Failure::Network { url, source, .. } => {
                fault(format!("cannot fetch `{}` from `{url}`", self.reference)).because(source.as_ref()).hint(
                    "`registries.mirrors` names another place for it; `registries.insecure` lets one be reached by HTTP",
                )
            }
        })
    }
}

fn passes(failure: &Failure) -> Option<Option<std::time::Duration>> {
    match failure {
        Failure::Network { passes: true, after, .. } => Some(*after),
        _ => None,
    }
}

fn network(at: &WebAddress, error: io::Error) -> Failure {
    Failure::Network { url: at.to_string(), source: Box::new(error), passes: true, after: None }
}

/// The fields of a `Bearer` challenge (RFC 6750, 3): `realm="…",service="…"`.
fn challenge(asks: &str) -> Option<BTreeMap<String, String>> {
    let (scheme, mut rest) = asks.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut fields = BTreeMap::new();
    while let Some((key, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_once(',').unwrap_or((value, "")),
        };
        fields.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        rest = after;
    }
    Some(fields)
}

/// What a registry is told who we are: the profile's login for the name's beginning, else the user's for the host.
fn login(
    web: &Web,
    reference: &Reference,
    logins: &BTreeMap<String, String>,
    at: &WebAddress,
) -> Result<Option<String>, Failure> {
    let whole = format!("{}/{}", reference.registry(), reference.name());
    let is_its = |prefix: &str| {
        let host = prefix.split('/').next().unwrap_or_default();
        server(host) == at.host() && (prefix == host || whole.starts_with(&format!("{prefix}/")))
    };
    match logins.iter().filter(|(prefix, _)| is_its(prefix)).max_by_key(|(prefix, _)| prefix.len()) {
        Some((_, login)) => Ok(Some(web::basic(login))),
        None => web.basic(at),
    }
}

/// A token for pulling an image, from the server that a challenge names.
fn token(
    web: &Web,
    asking: &WebAddress,
    fields: &BTreeMap<String, String>,
    name: &str,
    login: Option<String>,
) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Given {
        token: Option<String>,
        access_token: Option<String>,
    }
    let wrong =
        |why: &str| Failure::Network { url: asking.to_string(), source: why.into(), passes: false, after: None };
    let realm = fields.get("realm").map_or("", String::as_str);
    let scope = fields.get("scope").cloned().unwrap_or_else(|| format!("repository:{name}:pull"));
    let mut address = format!("{realm}{}scope={}", if realm.contains('?') { '&' } else { '?' }, query(&scope));
    if let Some(service) = fields.get("service") {
        address += &format!("&service={}", query(service));
    }
    let address = WebAddress::parse(&address).ok_or_else(|| wrong("it names no server for tokens"))?;
    if address.is_plain() && !asking.is_plain() {
        return Err(wrong("it sends to a server without encryption for a token"));
    }
    // It is the registry's own, that it names it, and is told what the registry would be.
    let server = address.host().to_owned();
    let mut who = |at: &WebAddress, _: Option<&str>| match &login {
        Some(login) if at.host() == server => Ok(Some(login.clone())),
        _ => web.basic(at),
    };
    let body = web.get(address, &[], &mut who)?;
    let given: Given = serde_json::from_reader(body.take(MAX_TOKEN)).map_err(|error| network(asking, error.into()))?;
    let token =
        given.token.or(given.access_token).filter(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_graphic()));
    token.map(|token| format!("Bearer {token}")).ok_or_else(|| wrong("it gave no token"))
}

/// Percent-encoded for a query.
fn query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_field_by_field() {
        let asks = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io", scope="repository:a/b:pull,push",error=x"#;
        let fields = challenge(asks).unwrap();
        assert_eq!(fields["realm"], "https://auth.docker.io/token");
        assert_eq!(fields["service"], "registry.docker.io");
        assert_eq!(fields["scope"], "repository:a/b:pull,push");
        assert_eq!(fields["error"], "x");
        assert_eq!(challenge("Basic realm=\"x\""), None);
        assert_eq!(query("repository:a/b:pull, x"), "repository:a/b:pull%2C%20x");
    }
}
