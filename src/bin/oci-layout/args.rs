//! Parsers for command-line values.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    thread,
};

use clap::builder::{OsStringValueParser, TypedValueParser};
use oci_layout::{
    FileMapping, PlatformImage, Pool, ReadLock, Result, Source,
    document::{Descriptor, ImageName, Platform},
};
use serde_json::Value;

use crate::{errors, trust::Trust};

/// Returns a parser of values that may not be UTF-8.
pub(crate) fn os<T: Clone + Send + Sync + 'static>(
    parse: fn(&OsStr) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |text| parse(&text))
}

/// Parses `SRC[:DEST]`; `-` is standard input, and `./-` is a file of that name.
pub(crate) fn mapping(text: &OsStr) -> Result<FileMapping, String> {
    let (source, destination) = split(text, b':');
    let source = match (source.as_bytes(), destination) {
        (b"-", None) => {
            return Err("standard input needs a destination: use -:DEST".to_owned());
        }
        (b"-", Some(_)) => "/dev/stdin".into(),
        _ => unescape(source),
    };
    let Some(destination) = destination else {
        return if source.is_empty() {
            Err("the source is empty".to_owned())
        } else {
            Ok(FileMapping::at_source(source))
        };
    };
    if split(destination, b':').1.is_some() {
        return Err(r"expected SRC[:DEST]; write a colon in a path as \:".to_owned());
    }
    match (source.is_empty(), destination.is_empty()) {
        (true, _) => Err("the source before the colon is empty".to_owned()),
        (_, true) => Err("the destination after the colon is empty".to_owned()),
        _ => Ok(FileMapping::new(source, unescape(destination))),
    }
}

/// Parses `DEST=TEXT`.
pub(crate) fn text(text: &OsStr) -> Result<FileMapping, String> {
    let (destination, text) = destination("DEST=TEXT", text)?;
    Ok(FileMapping::bytes(text.as_bytes(), destination))
}

/// Parses `DEST=TARGET`.
pub(crate) fn symlink(text: &OsStr) -> Result<FileMapping, String> {
    let (destination, target) = destination("DEST=TARGET", text)?;
    match target.is_empty() {
        true => Err("the target after the equals sign is empty".to_owned()),
        false => Ok(FileMapping::symlink(target, destination)),
    }
}

/// Splits a destination from what is after the first equals sign.
fn destination<'a>(form: &str, text: &'a OsStr) -> Result<(OsString, &'a OsStr), String> {
    match split(text, b'=') {
        (_, None) => Err(format!("expected {form}")),
        (destination, _) if destination.is_empty() => {
            Err("the destination before the equals sign is empty".to_owned())
        }
        (destination, Some(rest)) => Ok((unescape(destination), rest)),
    }
}

/// Parses `DEST`.
pub(crate) fn directory(text: &OsStr) -> Result<FileMapping, String> {
    match text.is_empty() {
        true => Err("the destination is empty".to_owned()),
        false => Ok(FileMapping::directory(text)),
    }
}

/// Parses `FILE[:DEST]`.
pub(crate) fn tar(text: &OsStr) -> Result<FileMapping, String> {
    let has_destination = split(text, b':').1.is_some();
    let FileMapping { source, destination, .. } = mapping(text)?;
    let Source::Path(tar) = source else { return Err("expected FILE[:DEST]".to_owned()) };
    Ok(FileMapping::tar(tar, if has_destination { destination } else { "/".into() }))
}

/// Replaces the `-` of `-f -:DEST` in the arguments by the path of standard input, because clap
/// takes a value that begins with a hyphen for an option where several values may follow.
pub(crate) fn with_standard_input(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    for at in 1..args.len() {
        if let ([.., option], [value, ..]) = args.split_at_mut(at)
            && (option == "-f" || option == "--file")
            && let Some(destination) = value.as_bytes().strip_prefix(b"-:")
        {
            *value = OsString::from_vec([&b"/dev/stdin:"[..], destination].concat());
        }
    }
    args
}

/// Parses `PATH,PATH…`.
pub(crate) fn paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let paths: Vec<_> = text.split(',').map(PathBuf::from).collect();
    match paths.iter().any(|path| path.as_os_str().is_empty()) {
        true => Err("expected PATH,PATH, with a path on each side of every comma".to_owned()),
        false => Ok(paths),
    }
}

/// `[NAME=]DIR`: a folder or layout, with an optional name.
#[derive(Clone, Debug)]
pub(crate) struct NamedFolder {
    pub(crate) name: Option<String>,
    pub(crate) dir: PathBuf,
}

impl NamedFolder {
    /// Parses `[TAG=]DIR`. The name must be a tag or the full name of an image.
    pub(crate) fn parse_tagged(text: &OsStr) -> Result<Self, String> {
        let folder = Self::parse_as("[TAG=]DIR", text)?;
        folder.name.as_deref().map_or(Ok(()), |tag| name(tag).map(|_| ()))?;
        Ok(folder)
    }

    #[cfg(feature = "registry")]
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        Self::parse_as("[NAME=]DIR", text)
    }

    fn parse_as(form: &str, text: &OsStr) -> Result<Self, String> {
        let (name, dir) = match split(text, b'=') {
            (name, Some(dir)) => (Some(utf8(unescape(name))?), dir),
            (dir, None) => (None, dir),
        };
        if split(dir, b'=').1.is_some() {
            return Err(format!(r"expected {form}; write an equals sign in a path as \="));
        }
        if dir.is_empty() {
            return Err("the folder is empty".to_owned());
        }
        Ok(Self { name, dir: unescape(dir).into() })
    }
}

/// `LAYOUT[:TAG]`: the tag after the first colon may also be a digest, or a full name with colons
/// of its own. A digest may also follow an at sign: `LAYOUT@sha256:HEX`.
#[derive(Clone, Debug)]
pub(crate) struct LayoutTag {
    pub(crate) layout: PathBuf,
    pub(crate) tag: Option<String>,
}

impl LayoutTag {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let (mut layout, tag) = split(text, b':');
        let mut tag = tag.map(|tag| utf8(tag.to_owned())).transpose()?;
        if let (Some(hex), Some(plain)) = (&tag, layout.as_bytes().strip_suffix(b"@sha256"))
            && hex.len() == 64
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            (layout, tag) = (OsStr::from_bytes(plain), Some(format!("sha256:{hex}")));
        }
        match &tag {
            Some(tag) if tag.is_empty() => Err("the tag after the colon is empty".to_owned()),
            _ if layout.is_empty() => Err("the layout is empty".to_owned()),
            _ => Ok(Self { layout: unescape(layout).into(), tag }),
        }
    }

    /// The text without escapes, as others write the name of an image.
    #[cfg(feature = "registry")]
    pub(crate) fn to_text(&self) -> Option<String> {
        let name = self.layout.to_str()?;
        Some(match &self.tag {
            Some(tag) if tag.starts_with("sha256:") => format!("{name}@{tag}"),
            Some(tag) => format!("{name}:{tag}"),
            None => name.to_owned(),
        })
    }

    /// Locks the layout against garbage collection. The lock is taken before the layout is opened
    /// and held until the last blob is read.
    pub(crate) fn lock(&self) -> ReadLock {
        ReadLock::new(&self.layout)
    }

    pub(crate) fn open(&self, platform: Option<&Platform>, trust: &Trust) -> Result<PlatformImage> {
        trust.open(&self.layout)?.image(self.tag.as_deref(), platform)
    }
}

/// `JSON|@FILE`.
#[derive(Clone, Debug)]
pub(crate) struct Json(OsString);

impl Json {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn read(&self) -> Result<Value> {
        match self.0.as_bytes() {
            [b'@', file @ ..] => read_json(Path::new(OsStr::from_bytes(file))),
            json => parse_json(json, || format!("{:?}", self.0)),
        }
    }

    /// Reads the JSON of an optional argument; without it, returns `null`.
    pub(crate) fn read_or_null(json: Option<&Self>) -> Result<Value> {
        json.map_or(Ok(Value::Null), Self::read)
    }
}

/// Reads the JSON in a file; `-` is standard input.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let json = match path.as_os_str().as_bytes() {
        b"-" => io::read_to_string(io::stdin()).map(String::into_bytes),
        _ => fs::read(path),
    };
    let json = json.map_err(errors::read(path))?;
    parse_json(&json, || format!("{path:?}"))
}

fn parse_json(json: &[u8], what: impl Fn() -> String) -> Result<Value> {
    serde_json::from_slice(json)
        .map_err(|error| errors::invalid(what(), format!("not JSON: {error}")))
}

/// Parses `K=V`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Returns the name of an image in an index: its full name, or else its tag.
pub(crate) fn image_name(image: &Descriptor) -> Option<&str> {
    let annotation = |key: &str| image.annotations.get(key).map(String::as_str);
    annotation("io.containerd.image.name")
        .or_else(|| annotation("org.opencontainers.image.ref.name"))
}

/// Checks a tag or full name of an image before the work begins.
pub(crate) fn name(text: &str) -> Result<String, String> {
    text.parse::<ImageName>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Parses `80`, `53/udp` or `8000-8010` into the keys of
/// [`ExposedPorts`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties),
/// one per port. The default protocol, tcp, is written out.
pub(crate) fn ports(text: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |port: &str| {
        let port = port.parse::<u16>().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit()));
        port.filter(|&port| port > 0)
    };
    match (number(first), number(last)) {
        (Some(first), Some(last))
            if first <= last && ["tcp", "udp", "sctp"].contains(&&*protocol) =>
        {
            Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err("expected PORT[-PORT][/PROTOCOL], as in 80, 53/udp or 8000-8010".to_owned()),
    }
}

/// Parses the name of an environment variable.
pub(crate) fn variable_name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains('=') {
        true => Err("expected a name without an equals sign".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Parses the number of threads; 0 means all CPUs.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    // More threads would cost memory without a gain.
    const MOST: usize = 1024;
    text.parse()
        .ok()
        .filter(|&threads| threads <= MOST)
        .ok_or_else(|| format!("expected a number from 0 to {MOST}"))
}

/// Creates a pool with the number of threads from the option, from Nix, or else of all CPUs.
pub(crate) fn pool(option: Option<usize>) -> Result<Pool> {
    let said = match (option, env::var_os("NIX_BUILD_CORES")) {
        (None, Some(cores)) => Some(variable("NIX_BUILD_CORES", &cores, threads)?),
        (option, _) => option,
    };
    let available = || thread::available_parallelism().map_or(1, usize::from);
    Ok(Pool::new(said.filter(|&threads| threads > 0).unwrap_or_else(available)))
}

/// Returns the creation time from `SOURCE_DATE_EPOCH` in the format of RFC 3339.
pub(crate) fn created() -> Result<Option<String>> {
    let time = |text: &str| {
        seconds(text).ok_or_else(|| "expected a number of seconds since 1970".to_owned())
    };
    // In a shell, a variable that should be unset is often empty.
    let text = env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty());
    text.map(|text| Ok(variable("SOURCE_DATE_EPOCH", &text, time)?.to_string())).transpose()
}

/// Parses a time: RFC 3339, or seconds since 1970. Returns RFC 3339.
pub(crate) fn time(text: &str) -> Result<String, String> {
    match (seconds(text), text.parse::<jiff::Timestamp>()) {
        (Some(time), _) => Ok(time.to_string()),
        (None, Ok(time)) => Ok(time.to_string()),
        (None, Err(_)) => Err("expected a time, as in 2026-01-31T12:00:00Z, or a number of \
                               seconds since 1970"
            .to_owned()),
    }
}

fn seconds(text: &str) -> Option<jiff::Timestamp> {
    let seconds = text.parse().ok().filter(|&seconds: &i64| seconds >= 0)?;
    jiff::Timestamp::from_second(seconds).ok()
}

/// Parses the value of an environment variable.
fn variable<T>(name: &str, text: &OsStr, parse: impl Fn(&str) -> Result<T, String>) -> Result<T> {
    let value = text.to_str().ok_or_else(String::new).and_then(parse);
    value.map_err(|reason| errors::invalid(format!("environment variable {name}={text:?}"), reason))
}

/// Splits the text at the first separator that is not escaped by a backslash.
fn split(text: &OsStr, separator: u8) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == separator && !escaped {
            return (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..])));
        }
        escaped = byte == b'\\' && !escaped;
    }
    (text, None)
}

/// Removes backslashes that escape a colon, an equals sign or a backslash; others are kept.
fn unescape(text: &OsStr) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && b":=\\".contains(next));
        plain.push(escaped.unwrap_or(byte));
    }
    OsString::from_vec(plain)
}

pub(crate) fn utf8(text: OsString) -> Result<String, String> {
    text.into_string().map_err(|text| format!("the name {text:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_escape_separators() {
        for (text, source, destination) in [
            (r"a", "a", "a"),
            (r"a:/b", "a", "/b"),
            (r"a\:b:/c\:d", "a:b", "/c:d"),
            (r"a\\:/b", r"a\", "/b"),
            (r"a\\\:b", r"a\:b", r"a\:b"),
            (r"a\b\=c:/d", r"a\b=c", "/d"),
            (r"a=b:/c=d", "a=b", "/c=d"),
        ] {
            assert_eq!(mapping(text.as_ref()), Ok(FileMapping::new(source, destination)), "{text}");
        }
        for (text, reason) in [
            ("", "empty"),
            (":/b", "empty"),
            ("a:", "empty"),
            ("a:/b:/c", r"\:"),
            (r"a:/b\:c:", r"\:"),
        ] {
            assert!(mapping(text.as_ref()).unwrap_err().contains(reason), "{text}");
        }
    }

    #[test]
    fn tags_stand_in_front_of_folders() {
        for (text, tag, dir) in [
            (r"dir", None, "dir"),
            (r"latest=dir", Some("latest"), "dir"),
            (r"a\=b", None, "a=b"),
            (r"ghcr.io/me/app:1.0=a\=b:c", Some("ghcr.io/me/app:1.0"), "a=b:c"),
        ] {
            let parsed = NamedFolder::parse_tagged(text.as_ref()).unwrap();
            assert_eq!((parsed.name.as_deref(), parsed.dir), (tag, dir.into()), "{text}");
        }
        for text in ["", "=dir", "tag=", "a=b=c"] {
            NamedFolder::parse_tagged(text.as_ref()).unwrap_err();
        }
    }

    #[test]
    fn tags_stand_behind_layouts() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = format!("sha256:{hex}");
        for (text, layout, tag) in [
            (r"dir", "dir", None),
            (r"dir:latest", "dir", Some("latest")),
            (r"a\:b:localhost:5000/app:1.0", "a:b", Some("localhost:5000/app:1.0")),
            (&*format!("dir@sha256:{hex}"), "dir", Some(&*digest)),
            (&*format!("dir:sha256:{hex}"), "dir", Some(&*digest)),
            ("dir@sha256:latest", "dir@sha256", Some("latest")),
        ] {
            let parsed = LayoutTag::parse(text.as_ref()).unwrap();
            assert_eq!((parsed.layout, parsed.tag.as_deref()), (layout.into(), tag), "{text}");
        }
        for text in ["", ":tag", "dir:"] {
            LayoutTag::parse(text.as_ref()).unwrap_err();
        }
    }

    #[test]
    fn ports_have_a_protocol() {
        let one = |text| match &*ports(text).unwrap() {
            [port] => port.clone(),
            several => panic!("{text}: {several:?}"),
        };
        assert_eq!(one("80"), "80/tcp");
        assert_eq!(one("53/udp"), "53/udp");
        assert_eq!(one("80/TCP"), "80/tcp");
        assert_eq!(one("080/Sctp"), "80/sctp");
        for text in [
            "",
            "0",
            "65536",
            "80/http",
            "80/",
            "-1",
            "http",
            "+80",
            "80/tcp/udp",
            " 80",
            "127.0.0.1:80",
        ] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    /// As buildah expands `--port` and docker expands `EXPOSE`.
    #[test]
    fn ranges_of_ports_are_written_out() {
        assert_eq!(ports("8000-8002").unwrap(), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(ports("80-80/UDP").unwrap(), ["80/udp"]);
        assert_eq!(ports("1-65535").unwrap().len(), 65535);
        for text in
            ["90-80", "0-1", "80-", "-80", "80-65536", "80-90-100", "80-http", "80-90/tcp-udp"]
        {
            assert!(ports(text).is_err(), "{text}");
        }
    }
}
