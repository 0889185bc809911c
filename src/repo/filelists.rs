//! `filelists.xml`: all paths of all packages. Large, and read only when a path is asked for that primary metadata
//! does not list.

use std::{collections::HashSet, io::Read};

use super::xml::{Error, Tag, Visit, walk};

/// Which packages have one of the wanted paths: by the hexadecimal digits of the package's checksum.
pub(super) fn find(from: impl Read, wanted: &[&str]) -> Result<Vec<(String, String)>, Error> {
    let wanted = wanted.iter().copied().collect();
    let mut search = Search { wanted, package: String::new(), found: Vec::new() };
    walk(from, &mut search)?;
    Ok(search.found)
}

struct Search<'a> {
    wanted: HashSet<&'a str>,
    package: String,
    found: Vec<(String, String)>,
}

impl Visit for Search<'_> {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        if tag.name() == "package" {
            let pkgid = tag.attribute("pkgid")?;
            self.package = pkgid.ok_or_else(|| Error::content("a package of the file list has no `pkgid`"))?;
        }
        Ok(())
    }

    fn end(&mut self, name: &str, text: &str) -> Result<(), Error> {
        if name == "file" && self.wanted.contains(text) {
            self.found.push((self.package.clone(), text.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_wanted_paths_are_found() {
        let text = "<filelists><package pkgid='a1' name='a'><file>/usr/share/a</file><file type='dir'>/x</file></package>\
                    <package pkgid='b2'><file>/x</file><file>/y</file></package></filelists>";
        let pair = |package: &str, path: &str| (package.to_owned(), path.to_owned());
        assert_eq!(super::find(text.as_bytes(), &["/x", "/z"]).unwrap(), [pair("a1", "/x"), pair("b2", "/x")]);
    }
}
