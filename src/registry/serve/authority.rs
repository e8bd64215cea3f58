//! The hosts that requests may name.
//!
//! A web page can make its own host name resolve to this machine (DNS rebinding), and then read
//! what only this machine and its network may read. The browser sends the name of that page. The
//! endpoint therefore accepts only names that no stranger can own: IP addresses, `localhost`, the
//! names that it was given, and the names in its certificate.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use hyper::{Request, Version, header};

use crate::{
    basics::error::{Error, Result},
    registry::serve::refusal::Refusal,
};

/// The host names of this endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities {
    /// In lower case, without a dot at the end.
    names: BTreeSet<String>,
}

impl Authorities {
    /// # Errors
    ///
    /// [`Error::Invalid`] if the name is not a host name without a port.
    pub(crate) fn add(&mut self, name: &str) -> Result<()> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        let normal = normal(name);
        if !is_name(&normal) {
            let reason = "a host name consists of letters, digits, `-` and `.`: remove the \
                scheme, the port and the path";
            return Err(Error::invalid(format!("host {name:?}"), reason));
        }
        self.names.insert(normal);
        Ok(())
    }

    /// [RFC 9112, section 3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2): a request names
    /// its host exactly once; an absolute target takes precedence. `certified` tells whether the
    /// endpoint's certificate contains a name.
    pub(crate) fn check<B>(
        &self,
        request: &Request<B>,
        certified: impl FnOnce(&str) -> bool,
    ) -> Result<(), Refusal> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let header = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host.to_str().map_err(|_| bad("is not a host name"))?),
            (None, _) if request.version() < Version::HTTP_11 => None,
            (None, _) => return Err(bad("is missing: HTTP/1.1 requires it")),
            (Some(_), Some(_)) => return Err(bad("occurs more than once")),
        };
        // The header must be valid even if the target takes precedence.
        let header = header.map(host).transpose()?;
        let target =
            request.uri().authority().map(|authority| host(authority.as_str())).transpose()?;
        match target.or(header) {
            Some(host) if !self.has(&host) && !certified(&host) => {
                Err(Refusal::other_host(format!(
                    "this registry does not serve the host {host:?}: start `serve` with the \
                     option --host {host}, or use its address"
                )))
            }
            _ => Ok(()),
        }
    }

    fn has(&self, host: &str) -> bool {
        let is_address = match host.strip_prefix('[') {
            // The zone identifier has a meaning on this machine only.
            Some(six) => six
                .trim_end_matches(']')
                .split('%')
                .next()
                .is_some_and(|six| six.parse::<Ipv6Addr>().is_ok()),
            None => host.parse::<Ipv4Addr>().is_ok(),
        };
        is_address
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.names.contains(host)
    }
}

fn bad(reason: &str) -> Refusal {
    Refusal::bad_host(format!("the header Host {reason}"))
}

/// The host of `HOST[:PORT]`, normalised by [`normal`].
fn host(text: &str) -> Result<String, Refusal> {
    let malformed = || bad("is not HOST or HOST:PORT");
    let (host, port) = match text.strip_prefix('[') {
        Some(six) => {
            let end = six.find(']').ok_or_else(malformed)? + 2;
            let is_six =
                six[..end - 2].bytes().all(|b| b.is_ascii_alphanumeric() || b".:%-_~".contains(&b));
            if !is_six {
                return Err(malformed());
            }
            text.split_at(end)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    // RFC 3986, section 3.2.2. The user information that may precede the host is not part of it.
    let is_host = |host: &str| {
        host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=[]:".contains(&b))
    };
    if host.is_empty() || !is_port || !is_host(host) {
        return Err(malformed());
    }
    Ok(normal(host))
}

/// Removes a final dot and converts to lower case.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(names: &[&str], target: &str, version: Version, hosts: &[&str]) -> u16 {
        let mut authorities = Authorities::default();
        names.iter().for_each(|name| authorities.add(name).unwrap());
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let certified = |host: &str| host == "certified.example";
        authorities
            .check(&request.body(()).unwrap(), certified)
            .map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn hosts() {
        for (host, expected) in [
            ("127.0.0.1", 200),
            ("127.0.0.1:5000", 200),
            ("192.0.2.1:80", 200),
            ("[::1]:5000", 200),
            ("[::1]", 200),
            ("[fe80::1%25eth0]:5000", 200),
            ("localhost", 200),
            ("LocalHost:5000", 200),
            ("localhost.", 200),
            ("localhost:", 200),
            ("a.localhost", 200),
            ("given.example:5000", 200),
            ("GIVEN.example.", 200),
            ("certified.example", 200),
            ("evil.example", 421),
            ("evil.example:5000", 421),
            ("given.example.evil.example", 421),
            ("xgiven.example", 421),
            ("notlocalhost", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("127.1", 421),
            ("0x7f000001", 421),
            ("a", 421),
            ("localhost,evil.example", 421),
            ("", 400),
            (":5000", 400),
            ("local host", 400),
            ("localhost, evil.example", 400),
            ("localhost:x", 400),
            ("localhost:80:80", 400),
            ("evil.example@localhost", 400),
            ("localhost/v2/", 400),
            ("http://localhost", 400),
            ("::1", 400),
            ("[::1", 400),
            ("[::1]x", 400),
            ("[evil example]", 400),
            ("[evil.example]", 421),
        ] {
            assert_eq!(
                status(&["given.Example"], "/v2/", Version::HTTP_11, &[host]),
                expected,
                "{host:?}"
            );
        }
    }

    #[test]
    fn one_host_is_required_and_the_target_takes_precedence() {
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        for (target, version, hosts, expected) in [
            ("/v2/", new, &[][..], 400),
            ("/v2/", old, &[], 200),
            ("/v2/", new, &["localhost", "localhost"], 400),
            ("/v2/", old, &["localhost", "localhost"], 400),
            ("/v2/", old, &["evil.example"], 421),
            ("http://localhost/v2/", new, &["evil.example"], 200),
            ("http://localhost:5000/v2/", new, &["localhost"], 200),
            ("http://evil.example/v2/", new, &["localhost"], 421),
            ("http://evil.example/v2/", old, &[], 421),
            ("http://localhost/v2/", new, &[], 400),
            ("http://localhost/v2/", new, &["a b"], 400),
            ("http://localhost@evil.example/v2/", new, &["localhost"], 400),
        ] {
            assert_eq!(status(&[], target, version, hosts), expected, "{target} {hosts:?}");
        }
    }

    #[test]
    fn names_are_checked() {
        for name in ["", ".", "a:5000", "http://a", "a/b", "a b", "*", "[::1]"] {
            assert!(Authorities::default().add(name).is_err(), "{name:?}");
        }
    }
}
