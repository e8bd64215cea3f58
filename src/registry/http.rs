//! Requests and responses: an HTTP client for threads that block.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::TryFutureExt;
use reqwest::{Method, Proxy, Request, RequestBuilder, Response, Url, redirect::Policy};
use tokio::{task::JoinHandle, time};

use crate::{
    basics::{
        error::{Error, Result as OurResult},
        registry_error::RegistryErrorKind,
    },
    registry::{
        client::Client,
        failure::{Failure, Refusal, root, shows_tls},
        network::{Network, Resolver},
        pace::{LeastRate, Pace},
        proxy::Proxies,
        reference::Reference,
        tls,
    },
};

/// The maximum size of an error response.
const MAX_REFUSAL: u64 = 64 << 10;

/// The connections to a registry, and the thread that drives them.
pub(crate) struct Http {
    client: reqwest::Client,
    proxies: Arc<Proxies>,
    /// Whether the registry uses TLS, once that is known.
    speaks_tls: OnceLock<bool>,
    network: Network,
    /// How long the other side may take to respond.
    pub(crate) timeout: Duration,
    /// The minimum rate of a response.
    pub(crate) least_rate: LeastRate,
    /// Like `client`, for requests whose body may go to one host only.
    bound: reqwest::Client,
}

impl Http {
    /// For the registry of this reference.
    pub(crate) fn new(settings: &Client, reference: &Reference) -> OurResult<Self> {
        let refuse = |reason: String| Error::Registry {
            reference: reference.to_string(),
            kind: RegistryErrorKind::Local,
            reason,
        };
        let proxies = Arc::new(settings.proxies.clone().unwrap_or_else(Proxies::from_environment));
        let through = Arc::clone(&proxies);
        let tls = tls::config(settings, reference)?;
        let client = |redirects: Policy| {
            let through = Arc::clone(&through);
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(settings.timeout)
                .dns_resolver(Resolver::new())
                .referer(false)
                .redirect(redirects)
                // An unusable proxy is reported before the request is made.
                .proxy(Proxy::custom(move |url| through.through(url).ok().flatten()))
                .build();
            client.map_err(|error| refuse(root(&error)))
        };
        let (bound, client) = (
            client(redirects(leaves_home, "it redirects an identity token to another host"))?,
            client(redirects(leaves_tls, "it redirects from HTTPS to plain HTTP"))?,
        );
        let network = Network::start()
            .map_err(|cause| refuse(format!("cannot start a thread for the network: {cause}")))?;
        Ok(Self {
            client,
            bound,
            proxies,
            speaks_tls: OnceLock::new(),
            network,
            timeout: settings.timeout,
            least_rate: LeastRate { bytes: settings.least_rate, window: settings.rate_window },
        })
    }

    /// Whether the registry at this `https` address uses TLS. A server without TLS may parse the
    /// handshake as a request and wait for its rest, so a response must arrive within `patience`.
    pub(crate) fn speaks_tls(&self, root: &Url, patience: Duration) -> bool {
        *self.speaks_tls.get_or_init(|| {
            let get = |url: Url, limit| {
                let request = self.request(Method::GET, url).build().map_err(Failure::Request)?;
                self.execute(&self.client, request, limit)
            };
            let shown =
                get(root.clone(), patience).map_or_else(|error| shows_tls(&error), |_| Some(true));
            shown.unwrap_or_else(|| {
                let mut plain = root.clone();
                plain.set_scheme("http").expect("both schemes have hosts");
                // A TLS server responds to this with status 400 or a redirect, if at all.
                let answer = get(plain, self.timeout);
                !answer.is_ok_and(|answer| {
                    answer.url().scheme() == "http" && answer.status().as_u16() != 400
                })
            })
        })
    }

    /// The host and port of the proxy for this address.
    pub(crate) fn proxy(&self, url: &Url) -> Option<String> {
        let proxy = self.proxies.through(url).ok()??;
        let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{port}", proxy.host_str()?))
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request, and waits for the head of the response.
    pub(crate) fn send(&self, request: Request) -> Result<Response, Failure> {
        self.execute(&self.client, request, self.timeout)
    }

    /// Sends a request whose body may go to this host only.
    pub(crate) fn send_at_home(&self, request: Request) -> Result<Response, Failure> {
        self.execute(&self.bound, request, self.timeout)
    }

    /// Like [`Http::send`]. Each time that the timeout has passed without a response, `goes_on`
    /// decides whether to wait longer, from the time so far.
    pub(crate) fn send_patiently(
        &self,
        request: Request,
        goes_on: impl Fn(Duration) -> Result<(), Failure>,
    ) -> Result<Response, Failure> {
        self.proxies.through(request.url()).map_err(Failure::Proxy)?;
        let begun = Instant::now();
        let mut response = pin!(self.client.execute(request).map_err(Failure::Request));
        loop {
            match self.wait(self.timeout, response.as_mut()) {
                Err(Failure::Silent) => goes_on(begun.elapsed())?,
                response => return response,
            }
        }
    }

    fn execute(
        &self,
        client: &reqwest::Client,
        request: Request,
        timeout: Duration,
    ) -> Result<Response, Failure> {
        self.proxies.through(request.url()).map_err(Failure::Proxy)?;
        self.wait(timeout, client.execute(request).map_err(Failure::Request))
    }

    /// Starts a request in the background.
    pub(crate) fn start(&self, request: Request) -> JoinHandle<reqwest::Result<Response>> {
        self.network.handle().spawn(self.client.execute(request))
    }

    /// The next bytes of a response, whose rate is measured by `pace`.
    pub(crate) fn chunk(
        &self,
        response: &mut Response,
        pace: &mut Pace,
    ) -> Result<Option<impl AsRef<[u8]> + Send + use<>>, Failure> {
        let begin = Instant::now();
        loop {
            let (now, silence) = (Instant::now(), self.timeout.saturating_sub(begin.elapsed()));
            // The window may end while the other side is silent.
            let limit = silence.min(pace.left(self.least_rate));
            let chunk = self.wait(limit, response.chunk().map_err(Failure::Request));
            let bytes = chunk
                .as_ref()
                .ok()
                .and_then(Option::as_ref)
                .map_or(0, |chunk| chunk.as_ref().len() as u64);
            if let Ok(None) = chunk {
                return Ok(None);
            }
            pace.count(self.least_rate, now.elapsed(), bytes).map_err(Failure::Slow)?;
            match chunk {
                Err(Failure::Silent) if begin.elapsed() < self.timeout => {}
                chunk => return chunk,
            }
        }
    }

    /// The whole body of a response, or `None` if it has more than `most` bytes.
    pub(crate) fn body(
        &self,
        mut response: Response,
        most: u64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let (mut bytes, mut pace) = (Vec::new(), Pace::default());
        while let Some(chunk) = self.chunk(&mut response, &mut pace)? {
            bytes.extend_from_slice(chunk.as_ref());
            if bytes.len() as u64 > most {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// The failure that an error response describes.
    pub(crate) fn refused(&self, response: Response) -> Result<Failure, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response, MAX_REFUSAL)?.unwrap_or_default();
        Ok(Failure::Refused(Refusal::new(status, &headers, &body)))
    }

    /// Blocks until the future completes, or the timeout has passed.
    pub(crate) fn wait<T>(
        &self,
        timeout: Duration,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limited = async { time::timeout(timeout, future).await };
        self.network.handle().block_on(limited).unwrap_or(Err(Failure::Silent))
    }
}

/// Follows redirects that are not refused. The body of a request, which may be an identity token or
/// a blob, follows them too.
fn redirects(is_refused: fn(&Url, &Url) -> bool, reason: &'static str) -> Policy {
    let usual = Policy::default();
    Policy::custom(move |attempt| {
        let from = attempt.previous().last();
        match from.is_some_and(|from| is_refused(from, attempt.url())) {
            true => attempt.error(reason),
            false => usual.redirect(attempt),
        }
    })
}

/// Whether a redirect goes to another host or port, or from TLS to plain HTTP.
pub(crate) fn leaves_home(from: &Url, to: &Url) -> bool {
    let turns_to_tls = from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && from.port().is_none()
        && to.port().is_none();
    from.origin() != to.origin() && !turns_to_tls
}

/// Whether a redirect goes from TLS to plain HTTP.
pub(crate) fn leaves_tls(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_token_stays_with_its_origin() {
        for (from, to, leaves) in [
            ("https://a.b/x", "https://a.b/y", false),
            ("https://a.b/x", "https://a.b:443/x", false),
            ("http://a.b/", "https://a.b/", false),
            ("http://a.b:5000/", "http://a.b:5000/x", false),
            ("https://a.b/", "http://a.b/", true),
            ("https://a.b:1/", "http://a.b:1/", true),
            ("https://a.b/", "https://a.b:444/", true),
            ("http://a.b:5000/", "https://a.b/", true),
            ("http://a.b:5000/", "https://a.b:5000/", true),
            ("https://a.b/", "https://c.a.b/", true),
            ("https://a.b/", "https://a.b.c/", true),
            ("https://a.b/", "https://a.b@c.d/", true),
            ("http://127.0.0.1/", "http://localhost/", true),
        ] {
            assert_eq!(
                leaves_home(&from.parse().unwrap(), &to.parse().unwrap()),
                leaves,
                "{from} to {to}"
            );
        }
    }

    #[test]
    fn redirects_from_https_to_http_are_detected() {
        for (from, to, leaves) in [
            ("https://a.b/", "http://a.b/", true),
            ("https://a.b:1/", "http://a.b:1/", true),
            ("https://a.b/", "https://c.d/", false),
            ("http://a.b/", "http://a.b/", false),
            ("http://a.b/", "https://a.b/", false),
        ] {
            assert_eq!(
                leaves_tls(&from.parse().unwrap(), &to.parse().unwrap()),
                leaves,
                "{from} to {to}"
            );
        }
    }
}
