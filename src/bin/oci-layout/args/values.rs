//! Names, numbers, times and other text.

use std::path::PathBuf;

use oci_layout::document::ImageName;

/// Checks a tag or full name of an image before the work begins.
pub(crate) fn name(text: &str) -> Result<String, String> {
    text.parse::<ImageName>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Parses `K=V`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Parses the name of an environment variable.
pub(crate) fn variable_name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains('=') {
        true => Err("expected a name without an equals sign".to_owned()),
        false => Ok(text.to_owned()),
    }
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

/// Parses `PATH,PATH…`.
pub(crate) fn paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let paths: Vec<_> = text.split(',').map(PathBuf::from).collect();
    match paths.iter().any(|path| path.as_os_str().is_empty()) {
        true => Err("expected PATH,PATH, with a path on each side of every comma".to_owned()),
        false => Ok(paths),
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

pub(super) fn seconds(text: &str) -> Option<jiff::Timestamp> {
    let seconds = text.parse().ok().filter(|&seconds: &i64| seconds >= 0)?;
    jiff::Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
