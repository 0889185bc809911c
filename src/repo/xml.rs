//! Bounded reading of compressed XML: no document types, no entities of its own, no endless elements.

use std::{
    borrow::Cow,
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

/// Longest single tag or text. Ours; the longest description in the corpus has 37 kB.
const MAX_EVENT: u64 = 4 << 20;
/// Deepest nesting. Ours; primary metadata needs five.
const MAX_DEPTH: usize = 64;

/// Why metadata cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not well-formed.
    #[error("not well-formed XML")]
    Xml(#[from] quick_xml::Error),
    /// A document type or an entity: nothing in rpm-md needs one, and they can grow without bound.
    #[error("XML with {0}, which metadata never has")]
    Foreign(String),
    /// The content itself cannot be read: damaged compression, or more than was announced.
    #[error("cannot unpack")]
    Read(#[source] io::Error),
    /// A required element or attribute is missing or is not what it should be.
    #[error("{0}")]
    Content(String),
}

impl Error {
    pub(super) fn content(text: impl Into<String>) -> Self {
        Self::Content(text.into())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// What compressed metadata may unpack to: what was announced, else 100 times its size, at most 4 GiB.
pub(super) fn open_limit(size: u64, announced: Option<u64>) -> u64 {
    const LARGEST: u64 = 4 << 30;
    announced.unwrap_or_else(|| size.saturating_mul(100).max(16 << 20)).min(LARGEST)
}

/// What is done with a document's elements, in their order.
pub(super) trait Visit {
    /// An element opens.
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Error>;
    /// An element closes; `text` is what stood since the last tag.
    fn end(&mut self, name: &str, text: &str) -> Result<(), Error>;
}

/// An opening tag.
pub(super) struct Tag<'a>(&'a BytesStart<'a>);

impl Tag<'_> {
    /// Its name without a prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// Hands out every attribute with its name without a prefix.
    pub(super) fn attributes(&self, mut take: impl FnMut(&str, Cow<'_, str>)) -> Result<(), Error> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(quick_xml::Error::from)?;
            take(attribute.key.local_name().into_inner(), attribute.normalized_value(XmlVersion::Implicit1_0)?);
        }
        Ok(())
    }

    /// One attribute.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, Error> {
        let mut found = None;
        self.attributes(|key, value| {
            if key == name {
                found = Some(value.into_owned());
            }
        })?;
        Ok(found)
    }
}

/// Walks through a document.
pub(super) fn walk(from: impl Read, visitor: &mut impl Visit) -> Result<(), Error> {
    let budget = Rc::new(Cell::new(MAX_EVENT));
    let from = Budget { from: BufReader::with_capacity(1 << 16, from), left: budget.clone() };
    let mut reader = Reader::from_reader(from);
    let (mut buffer, mut text, mut depth) = (Vec::new(), String::new(), 0_usize);
    loop {
        buffer.clear();
        budget.set(MAX_EVENT);
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag) => {
                text.clear();
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::content(format!("elements are nested deeper than {MAX_DEPTH}")));
                }
                visitor.start(&Tag(&tag))?;
            }
            Event::Empty(tag) => {
                text.clear();
                visitor.start(&Tag(&tag))?;
                visitor.end(tag.local_name().into_inner(), "")?;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                visitor.end(tag.local_name().into_inner(), &text)?;
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::DocType(_) => return Err(Error::Foreign("a document type".into())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if depth > 0 => return Err(Error::content("the document ends in the middle of an element")),
            Event::Eof => return Ok(()),
        }
        if text.len() as u64 > MAX_EVENT {
            return Err(Error::content("one text is too long"));
        }
    }
}

/// The text of a reference: `&amp;`, `&#x41;`.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Error> {
    if let Some(character) = reference.resolve_char_ref()? {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::Foreign(format!("the entity `{name}`"))),
    }
}

/// Bytes that one event may still take.
struct Budget<R> {
    from: R,
    left: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.spend(n)?;
        Ok(n)
    }
}

impl<R> Budget<R> {
    fn spend(&self, n: usize) -> io::Result<()> {
        let left = self.left.get().checked_sub(n as u64);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "one element is too long"))
    }
}

impl<R: BufRead> BufRead for Budget<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "one element is too long"));
        }
        self.from.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.left.set(self.left.get().saturating_sub(n as u64));
        self.from.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Visit for Seen {
        fn start(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
            let mut shown = tag.name().to_owned();
            tag.attributes(|name, value| shown.push_str(&format!(" {name}={value}")))?;
            self.0.push(shown);
            Ok(())
        }

        fn end(&mut self, name: &str, text: &str) -> Result<(), Error> {
            self.0.push(format!("/{name} {text}"));
            Ok(())
        }
    }

    fn seen(text: &str) -> Result<Vec<String>, Error> {
        let mut seen = Seen::default();
        walk(text.as_bytes(), &mut seen)?;
        Ok(seen.0)
    }

    #[test]
    fn elements_come_in_order() {
        let text = "<?xml version='1.0'?><!-- c --><a><rpm:b x:c='1 &lt; 2'/>t &amp; &#117;<![CDATA[<]]></a>";
        assert_eq!(seen(text).unwrap(), ["a", "b c=1 < 2", "/b ", "/a t & u<"]);
    }

    #[test]
    fn what_could_grow_is_refused() {
        let deep = "<a>".repeat(100);
        let long = format!("<a>{}</a>", "x".repeat(5 << 20));
        let doctype = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        for text in [&deep, &long, doctype, "<a>&b;</a>", "<a b='&c;'/>", "<a>", "<a></b>", "<a", "&"] {
            assert!(seen(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn a_bomb_stops_at_its_limit() {
        let bomb = zstd::encode_all(Cursor::new(vec![b' '; 10 << 20]), 3).unwrap();
        let mut plain = crate::unpack::unpack(bomb.as_slice(), 1 << 20).unwrap();
        let error = io::copy(&mut plain, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(open_limit(1 << 30, None), 4 << 30);
        assert_eq!(open_limit(1000, Some(u64::MAX)), 4 << 30);
    }
}
