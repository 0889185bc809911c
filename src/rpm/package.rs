//! Package file → its two headers, with the header digests checked.

use std::io::{self, Read};

use super::{
    Error, Header, Result, Tag,
    digest::Algorithm,
    header::{ENTRY_SIZE, Limits, MAGIC},
    header_check,
};

/// Bytes of the lead. Fixed by the format since rpm 2.
const LEAD_SIZE: usize = 96;

/// What a package starts with.
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// The headers of a package file.
#[derive(Clone, Debug)]
pub struct Package {
    /// The main header, as it is in the file.
    pub header: Header,
    /// The signature header.
    pub signature: Header,
    /// Where the compressed payload starts in the file.
    pub payload_offset: u64,
    /// Which digests of the main header there are, all of them right.
    pub header_digests: HeaderDigests,
}

/// The digests that covered the main header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderDigests {
    /// `SHA1HEADER`.
    pub sha1: bool,
    /// `SHA256HEADER`.
    pub sha256: bool,
}

impl Package {
    /// Reads the headers; what is read next from `file` is the payload.
    ///
    /// # Errors
    /// Not a package, headers that break rpm's rules or limits, or a header whose bytes aren't those that were digested.
    pub fn read(mut file: impl Read) -> Result<Self> {
        read_lead(&mut file)?;
        let (signature, signature_len) = read_header(&mut file, "signature header", Limits::SIGNATURE)?;
        let padding = signature_len.next_multiple_of(8) - signature_len;
        file.read_exact(&mut [0; 8][..padding]).map_err(|source| Error::Read { part: "signature header", source })?;
        let (header, header_len) = read_header(&mut file, "header", Limits::MAIN)?;
        check_region(&signature, Tag::HEADERSIGNATURES, "signature header")?;
        check_region(&header, Tag::HEADERIMMUTABLE, "header")?;
        for tag in [Tag::NAME, Tag::VERSION, Tag::RELEASE] {
            header.bytes(tag).filter(|text| !text.is_empty()).ok_or(Error::entry(tag, "missing or empty"))?;
        }
        let header_digests = check_digests(&header, &signature)?;
        let payload_offset = (LEAD_SIZE + signature_len + padding + header_len) as u64;
        Ok(Self { header, signature, payload_offset, header_digests })
    }

    /// The main header as it is signed and digested: magic, then the header.
    pub fn header_bytes(&self) -> [&[u8]; 2] {
        [&MAGIC, self.header.blob()]
    }
}

fn read_lead(file: &mut impl Read) -> Result<()> {
    let mut lead = [0; LEAD_SIZE];
    file.read_exact(&mut lead).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::NotAPackage { found: format!("shorter than {LEAD_SIZE} bytes") },
        _ => Error::Read { part: "lead", source },
    })?;
    if lead[..4] != LEAD_MAGIC {
        return Err(Error::NotAPackage { found: format!("starts with {}", super::digest::hex(&lead[..4])) });
    }
    Ok(())
}

/// A header and the bytes it takes in the file, the magic included.
fn read_header(file: &mut impl Read, part: &'static str, limits: Limits) -> Result<(Header, usize)> {
    let mut intro = [0; 16];
    file.read_exact(&mut intro).map_err(|source| Error::Read { part, source })?;
    let [magic, counts] = [0, 8].map(|at| *intro[at..].first_chunk::<8>().expect("16 bytes are two times 8"));
    if magic != MAGIC {
        return Err(Error::Header { part, fault: format!("starts with {}", super::digest::hex(&magic)) });
    }
    let (entries, data) = header_check::counts(counts, limits).map_err(|fault| Error::Header { part, fault })?;
    let rest = entries * ENTRY_SIZE + data;
    // Grows as bytes arrive: a count without the bytes behind it allocates nothing.
    let mut blob = Vec::with_capacity(8 + rest.min(1 << 20));
    blob.extend_from_slice(&counts);
    let read = file.take(rest as u64).read_to_end(&mut blob).map_err(|source| Error::Read { part, source })?;
    if read != rest {
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, format!("{read} bytes of {rest}"));
        return Err(Error::Read { part, source });
    }
    Ok((Header::parse(blob, part, limits)?, 16 + rest))
}

/// In a package file the region is the whole main header; packages of rpm 3 and older have none. Programs that sign may
/// have added entries to the signature header behind its region (`hdrblobRead` in rpm 4.20's `lib/header.c` wants the
/// exact size of the main header alone).
fn check_region(header: &Header, tag: Tag, part: &'static str) -> Result<()> {
    match header.region {
        None => Ok(()),
        Some(region) if region.tag == tag && tag == Tag::HEADERSIGNATURES => Ok(()),
        Some(region) if region.tag == tag && header.dribbles.is_empty() && region.data == header.data().len() => Ok(()),
        // rpm 4.0's predecessors call the region of the signature header by the general name.
        Some(region) if region.tag == Tag::HEADERIMAGE && tag == Tag::HEADERSIGNATURES => Ok(()),
        Some(region) => Err(Error::Header { part, fault: format!("region {} does not cover it", region.tag) }),
    }
}

fn check_digests(header: &Header, signature: &Header) -> Result<HeaderDigests> {
    let check = |tag: Tag, algorithm: Algorithm| -> Result<bool> {
        let Some(expected) = signature.string(tag) else { return Ok(false) };
        let found = algorithm.hex([&MAGIC[..], header.blob()]);
        if *expected != found {
            let what = format!("header {algorithm:?}");
            return Err(Error::Digest { what, expected: expected.into_owned(), found });
        }
        Ok(true)
    };
    Ok(HeaderDigests {
        sha1: check(Tag::SHA1HEADER, Algorithm::Sha1)?,
        sha256: check(Tag::SHA256HEADER, Algorithm::Sha256)?,
    })
}
