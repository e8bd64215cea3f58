//! Proxies, by the rules that [curl](https://curl.se/docs/manpage.html#ENVIRONMENT) and
//! [Go](https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config) have for the same environment
//! variables.

use std::{env, fmt, net::IpAddr};

use ipnet::IpNet;
use reqwest::Url;

use crate::registry::reference::is_localhost;

/// The proxies for requests to registries. `localhost` and loopback addresses are always reached
/// directly.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Proxies {
    /// The proxy for requests without TLS: `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. The scheme is
    /// `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`; the default is `http`.
    pub http: Option<String>,
    /// The proxy for requests with TLS.
    pub https: Option<String>,
    /// The hosts to reach directly, separated by commas or spaces: a domain with its subdomains,
    /// with or without a dot before it; `*.` and a domain, for the subdomains only; an IP address;
    /// or a network in CIDR notation. All except a network may be followed by `:PORT`. `*` means
    /// every host. A host is reached directly if either curl or Go would do so.
    pub no_proxy: String,
}

impl Proxies {
    /// The proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` for both, and
    /// `NO_PROXY`. If a variable is unset or empty, its lower-case name is used. `HTTP_PROXY` is
    /// ignored in a CGI program (`REQUEST_METHOD` is set), because a client could set it there.
    pub fn from_environment() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let either = |name: &str| value(name).or_else(|| value(&name.to_lowercase()));
        let http = if variable("REQUEST_METHOD").is_some() {
            value("http_proxy")
        } else {
            either("HTTP_PROXY")
        };
        let all = either("ALL_PROXY");
        Self {
            http: http.or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            no_proxy: either("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for this address. The error says why it cannot be used, without its password.
    pub(crate) fn through(&self, url: &Url) -> Result<Option<Url>, String> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        let host = url.host_str().unwrap_or_default();
        match proxy {
            Some(proxy) if !is_here(host) && !self.is_exempt(host, url.port_or_known_default()) => {
                parse(proxy).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn is_exempt(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.').to_lowercase();
        let address: Option<IpAddr> = bare(&host).parse().ok();
        let entries = self.no_proxy.split(|c: char| c == ',' || c.is_whitespace());
        entries.filter(|entry| !entry.is_empty()).any(|entry| {
            if entry == "*" {
                return true;
            }
            if let Ok(network) = entry.parse::<IpNet>() {
                return address.is_some_and(|address| network.contains(&address));
            }
            let (entry, only) = split_port(entry);
            if only.is_some() && only != port {
                return false;
            }
            match (bare(entry).parse::<IpAddr>(), address) {
                (Ok(entry), address) => address == Some(entry),
                (Err(_), Some(_)) => false,
                (Err(_), None) => is_in(&host, &entry.to_lowercase()),
            }
        })
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = bare(host).parse();
    is_localhost(host) || address.is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// Whether a host matches a domain in an entry of `NO_PROXY`.
fn is_in(host: &str, entry: &str) -> bool {
    let (domain, is_itself) = match entry.strip_prefix("*.") {
        Some(domain) => (domain, false),
        None => (entry.trim_start_matches('.'), true),
    };
    let domain = domain.trim_end_matches('.');
    let rest = host.strip_suffix(domain).filter(|_| !domain.is_empty());
    rest.is_some_and(|rest| (rest.is_empty() && is_itself) || rest.ends_with('.'))
}

/// Splits `HOST:PORT`. An IPv6 address contains colons itself, and has a port only after brackets.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Removes the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn parse(proxy: &str) -> Result<Url, String> {
    let whole = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    let url = Url::parse(&whole).map_err(|error| format!("not a valid address: {error}"))?;
    match url.scheme() {
        "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h" if url.has_host() => Ok(url),
        scheme => Err(format!(
            "unknown scheme {scheme}: use http, https, socks4, socks4a, socks5 or socks5h"
        )),
    }
}

/// Passwords of proxies are never printed.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<String>| {
            proxy
                .as_deref()
                .map(|proxy| proxy.rsplit_once('@').map_or(proxy, |(_, host)| host).to_owned())
        };
        f.debug_struct("Proxies")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn through(variables: &[(&str, &str)], url: &str) -> String {
        match proxies(variables).through(&url.parse().unwrap()) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(why) => why,
        }
    }

    #[test]
    fn variables_of_either_case() {
        for (variables, url, expected) in [
            (&[("https_proxy", "http://p:1")][..], "https://a.b/", "http://p:1/"),
            (&[("HTTPS_PROXY", "http://p:1")], "https://a.b/", "http://p:1/"),
            (
                &[("HTTPS_PROXY", "http://up:1"), ("https_proxy", "http://low:1")],
                "https://a.b/",
                "http://up:1/",
            ),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "http://low:1")],
                "https://a.b/",
                "http://low:1/",
            ),
            (&[("HTTPS_PROXY", "http://p:1")], "http://a.b/", "direct"),
            (&[("http_proxy", "p:1")], "http://a.b/", "http://p:1/"),
            (&[("HTTP_PROXY", "p")], "http://a.b/", "http://p/"),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "http://a.b/", "direct"),
            (&[("http_proxy", "p:1"), ("REQUEST_METHOD", "GET")], "http://a.b/", "http://p:1/"),
            (&[("all_proxy", "socks5h://p:1")], "https://a.b/", "socks5h://p:1"),
            (
                &[("ALL_PROXY", "http://all"), ("HTTPS_PROXY", "http://p")],
                "https://a.b/",
                "http://p/",
            ),
            (&[("https_proxy", "http://me:s%40x@p:1")], "https://a.b/", "http://me:s%40x@p:1/"),
            (&[("https_proxy", "me:secret@p:1")], "https://a.b/", "http://me:secret@p:1/"),
            (
                &[("https_proxy", "ftp://me:secret@p:1")],
                "https://a.b/",
                "unknown scheme ftp: use http, https, socks4, socks4a, socks5 or socks5h",
            ),
            (&[("https_proxy", "http://")], "https://a.b/", "not a valid address: empty host"),
            (&[("https_proxy", "http://"), ("no_proxy", "a.b")], "https://a.b/", "direct"),
        ] {
            assert_eq!(through(variables, url), expected, "{variables:?} {url}");
        }
    }

    /// By the rules of Go's `httpproxy` and those of curl: a proxy is left out where either does.
    #[test]
    fn hosts_without_a_proxy() {
        for (entries, url, is_direct) in [
            ("a.b", "https://a.b/", true),
            ("A.B", "https://a.B/", true),
            ("a.b", "https://x.a.b:5000/", true),
            ("a.b", "https://xa.b/", false),
            ("a.b", "https://a.b.c/", false),
            (".a.b", "https://x.a.b/", true),
            (".a.b", "https://a.b/", true),
            ("*.a.b", "https://x.a.b/", true),
            ("*.a.b", "https://a.b/", false),
            ("a.b.", "https://a.b/", true),
            ("x.y, a.b", "https://a.b/", true),
            ("x.y a.b", "https://a.b/", true),
            ("*", "https://a.b/", true),
            ("x,*", "https://a.b/", true),
            ("", "https://a.b/", false),
            (",", "https://a.b/", false),
            (".", "https://a.b/", false),
            ("a.b:5000", "https://a.b:5000/", true),
            ("a.b:5000", "https://a.b/", false),
            ("a.b:443", "https://a.b/", true),
            ("a.b:80", "http://a.b/", true),
            (".a.b:5000", "https://x.a.b:5000/", true),
            ("10.0.0.1", "https://10.0.0.1/", true),
            ("10.0.0.1", "https://10.0.0.11/", false),
            ("0.0.1", "https://10.0.0.1/", false),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/", true),
            ("10.0.0.1:5000", "https://10.0.0.1:5001/", false),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.1.2.3/8", "https://10.200.0.1/", true),
            ("10.0.0.0/8", "https://a.b/", false),
            ("fd00::1", "https://[fd00::1]:5000/", true),
            ("fd00:0::1", "https://[fd00::1]/", true),
            ("[fd00::1]", "https://[fd00::1]/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5001/", false),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("fd00::/8", "https://10.0.0.1/", false),
        ] {
            let variables = [("ALL_PROXY", "http://p:1"), ("NO_PROXY", entries)];
            assert_eq!(through(&variables, url) == "direct", is_direct, "{entries} {url}");
        }
    }

    #[test]
    fn this_machine_has_no_proxy() {
        for url in [
            "http://localhost:5000/",
            "https://127.0.0.1/",
            "http://127.1.2.3/",
            "http://[::1]:5000/",
        ] {
            assert_eq!(through(&[("ALL_PROXY", "http://p:1")], url), "direct", "{url}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let shown = format!("{:?}", proxies(&[("ALL_PROXY", "http://me:secret@p:1")]));
        assert!(shown.contains("p:1") && !shown.contains("secret"), "{shown}");
    }
}
