//! Installed Python packages: the files that `RECORD` lists. The format is in
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>.

use std::collections::BTreeMap;

use crate::split::{
    file::{Files, below, join, record_folder, split_name},
    owners::{Key, Kind, Owners},
};

/// Gives each package its `.dist-info` folder, the files of the image that its `RECORD` lists, and
/// the byte code of these files.
///
/// A `RECORD` is untrusted. A path that is absolute, that leaves the image, or that the image does
/// not have is ignored. Of several packages that list a file, the first by name has it.
pub(crate) fn claim<'a>(files: &Files<'a>, owners: &mut Owners<'a>) {
    let mut packages: BTreeMap<Key, Vec<&[u8]>> = BTreeMap::new();
    for folder in files.keys().filter_map(|path| record_folder(path)) {
        let (site, name) = split_name(folder);
        let key = Key { kind: Kind::Python, name: join(site, &package_name(name)) };
        packages.entry(key).or_default().push(folder);
    }
    // A package keeps its own folder, whatever others list.
    for (key, folders) in &packages {
        for path in folders.iter().flat_map(|folder| below(files, folder)) {
            owners.claim(path, key);
        }
    }
    for (key, folders) in &packages {
        for folder in folders {
            let (site, _) = split_name(folder);
            let record = files.get(&join(folder, b"RECORD")[..]);
            let contents = record.and_then(|record| record.contents.as_deref()).unwrap_or_default();
            for listed in listed(contents) {
                let found = resolve(site, &listed).and_then(|path| files.get_key_value(&path[..]));
                if let Some((path, _)) = found {
                    owners.claim(path, key);
                }
            }
        }
    }
    claim_byte_code(files, owners);
}

/// Gives byte code to the owner of its source. `RECORD` lists it only if the installer compiled it.
fn claim_byte_code<'a>(files: &Files<'a>, owners: &mut Owners<'a>) {
    for path in files.keys() {
        let source = source_of(path);
        let key =
            source.and_then(|source| owners.get(&source)).filter(|key| key.kind == Kind::Python);
        if let Some(key) = key.cloned() {
            owners.claim(path, &key);
        }
    }
}

/// The source of byte code: `a/b.py` for `a/__pycache__/b.cpython-312.opt-1.pyc`
/// (<https://peps.python.org/pep-3147/>, <https://peps.python.org/pep-0488/>).
fn source_of(path: &[u8]) -> Option<Vec<u8>> {
    let (folder, name) = split_name(path);
    let (parent, cache) = split_name(folder);
    let name = name.strip_suffix(b".pyc").filter(|_| cache == b"__pycache__")?;
    let dot = |name: &[u8]| name.iter().rposition(|&byte| byte == b'.');
    let mut end = dot(name)?;
    if name[end..].starts_with(b".opt-") {
        end = dot(&name[..end])?;
    }
    Some(join(parent, &[&name[..end], b".py"].concat()))
}

/// The normalised name of the package of a `.dist-info` folder, without its version:
/// <https://packaging.python.org/en/latest/specifications/name-normalization/>.
fn package_name(folder: &[u8]) -> Vec<u8> {
    let stem = folder.strip_suffix(b".dist-info").unwrap_or(folder);
    let end = stem.iter().rposition(|&byte| byte == b'-').unwrap_or(stem.len());
    let mut name = Vec::with_capacity(end);
    for &byte in &stem[..end] {
        match byte {
            b'-' | b'_' | b'.' if name.last() == Some(&b'-') => {}
            b'-' | b'_' | b'.' => name.push(b'-'),
            _ => name.push(byte.to_ascii_lowercase()),
        }
    }
    name
}

/// The first field of each line of a CSV file. A quoted field that does not end is the last one.
fn listed(mut csv: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(move || {
        if csv.is_empty() {
            return None;
        }
        let mut field = Vec::new();
        if let Some(mut rest) = csv.strip_prefix(b"\"") {
            loop {
                let Some(quote) = rest.iter().position(|&byte| byte == b'"') else {
                    csv = b"";
                    return Some(Vec::new());
                };
                field.extend_from_slice(&rest[..quote]);
                rest = &rest[quote + 1..];
                match rest.strip_prefix(b"\"") {
                    Some(after) => {
                        field.push(b'"');
                        rest = after;
                    }
                    None => break,
                }
            }
            csv = rest;
        } else {
            let end = csv.iter().position(|byte| b",\r\n".contains(byte)).unwrap_or(csv.len());
            field.extend_from_slice(&csv[..end]);
            csv = &csv[end..];
        }
        csv = after_line(csv);
        Some(field)
    })
}

/// What follows the rest of this line, whose fields may also be quoted.
fn after_line(csv: &[u8]) -> &[u8] {
    let mut quoted = false;
    for (at, &byte) in csv.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return &csv[at + 1..],
            _ => {}
        }
    }
    b""
}

/// The path of a file that is listed relative to this folder. `None` if it is absolute or leaves
/// the image.
fn resolve(folder: &[u8], listed: &[u8]) -> Option<Vec<u8>> {
    if listed.is_empty() || listed.starts_with(b"/") {
        return None;
    }
    let mut path: Vec<&[u8]> = folder.split(|&byte| byte == b'/').collect();
    path.retain(|name| !name.is_empty());
    for name in listed.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => _ = path.pop()?,
            name => path.push(name),
        }
    }
    Some(path.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(csv: &str) -> Vec<String> {
        listed(csv.as_bytes()).map(|field| String::from_utf8(field).unwrap()).collect()
    }

    /// The expected fields are those of Python's `csv.reader`.
    #[test]
    fn the_first_field_of_each_line_is_read() {
        assert_eq!(fields("a.py,sha256=x,3\r\nb/c.py,,\nd\n"), ["a.py", "b/c.py", "d"]);
        assert_eq!(fields("\"a,b.py\",x,1\n\"c\"\"d\",,\n"), ["a,b.py", "c\"d"]);
        assert_eq!(fields("\"a\nb\",,\nc,\"x\ny\",\nd"), ["a\nb", "c", "d"]);
        assert_eq!(fields(""), [""; 0]);
        // Nothing after a quote without an end can be trusted.
        assert_eq!(fields("a,,\n\"b,,\nc,,\n"), ["a", ""]);
    }

    #[test]
    fn paths_stay_in_the_image() {
        let resolved = |listed: &str| {
            resolve(b"venv/lib/site", listed.as_bytes())
                .map(|path| String::from_utf8(path).unwrap())
        };
        assert_eq!(resolved("a/./b//c.py").as_deref(), Some("venv/lib/site/a/b/c.py"));
        assert_eq!(resolved("../../bin/x").as_deref(), Some("venv/bin/x"));
        assert_eq!(resolved("../../../bin/x").as_deref(), Some("bin/x"));
        for outside in ["../../../../x", "/etc/passwd", ""] {
            assert_eq!(resolved(outside), None, "{outside}");
        }
    }

    #[test]
    fn byte_code_has_a_source() {
        let source =
            |path: &str| source_of(path.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(source("a/__pycache__/b.cpython-312.pyc").as_deref(), Some("a/b.py"));
        assert_eq!(source("__pycache__/b.cpython-312.opt-1.pyc").as_deref(), Some("b.py"));
        assert_eq!(source("a/__pycache__/b.c.pypy310.pyc").as_deref(), Some("a/b.c.py"));
        for other in ["a/b.pyc", "__pycache__/b.pyc", "__pycache__/b.cpython-312.txt"] {
            assert_eq!(source(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_normalised() {
        for (folder, name) in [
            ("Flask_SQLAlchemy-3.1.dist-info", "flask-sqlalchemy"),
            ("zope.interface-6.0.dist-info", "zope-interface"),
            ("a-b__c-1.dist-info", "a-b-c"),
            ("odd.dist-info", "odd"),
            (".dist-info", ""),
        ] {
            assert_eq!(package_name(folder.as_bytes()), name.as_bytes(), "{folder}");
        }
    }
}
