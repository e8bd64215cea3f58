//! Requests and answers: one HTTP client, waited for by threads that may wait.

use std::{
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
        failure::{Failure, Refusal, is_silent, lacks_tls, root},
        network::{Network, Resolver},
        pace::{LeastRate, Pace},
        proxy::Proxies,
        reference::Reference,
        tls,
    },
};

/// The largest answer of a registry that refuses.
const MAX_REFUSAL: u64 = 64 << 10;

/// Connections for one registry, and the thread that drives them.
pub(crate) struct Http {
    client: reqwest::Client,
    proxies: Arc<Proxies>,
    /// Whether the registry speaks TLS, once that was tried.
    speaks_tls: OnceLock<bool>,
    network: Network,
    /// How long the other side may be silent.
    pub(crate) timeout: Duration,
    /// How fast an answer must come.
    pub(crate) least_rate: LeastRate,
    /// As `client`, for requests whose body is for one host alone.
    bound: reqwest::Client,
}

impl Http {
    /// For the registry that the reference names.
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
                // One that cannot be used is told of before a request is made.
                .proxy(Proxy::custom(move |url| through.through(url).ok().flatten()))
                .build();
            client.map_err(|error| refuse(root(&error)))
        };
        let (bound, client) = (client(redirects_at_home())?, client(redirects())?);
        let network = Network::start()
            .map_err(|cause| refuse(format!("no thread for the network can be had: {cause}")))?;
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

    /// Whether the registry at this `https` address speaks TLS. A server that does not may wait for
    /// the rest of what it takes for a request, and so an answer has to come within `patience`.
    pub(crate) fn speaks_tls(&self, root: &Url, patience: Duration) -> bool {
        *self.speaks_tls.get_or_init(|| {
            let get = |url: Url, limit| {
                let request = self.request(Method::GET, url).build().map_err(Failure::Request)?;
                self.proxies.through(request.url()).map_err(Failure::Proxy)?;
                self.wait(limit, self.client.execute(request).map_err(Failure::Request))
            };
            match get(root.clone(), patience) {
                Ok(_) => true,
                Err(failure) if !is_silent(&failure) => !lacks_tls(&failure),
                Err(_) => {
                    let mut plain = root.clone();
                    plain.set_scheme("http").expect("both schemes are for hosts");
                    // A server with TLS answers with status 400, if at all, or sends elsewhere.
                    let answer = get(plain, self.timeout);
                    !answer.is_ok_and(|answer| {
                        answer.url().scheme() == "http" && answer.status().as_u16() != 400
                    })
                }
            }
        })
    }

    /// The host of the proxy between us and this address.
    pub(crate) fn proxy(&self, url: &Url) -> Option<String> {
        let proxy = self.proxies.through(url).ok()??;
        let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{port}", proxy.host_str()?))
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Makes a request, and waits for the head of the answer.
    pub(crate) fn send(&self, request: Request) -> Result<Response, Failure> {
        self.proxies.through(request.url()).map_err(Failure::Proxy)?;
        self.wait(self.timeout, self.client.execute(request).map_err(Failure::Request))
    }

    /// Makes a request whose body no host gets but the one it is for.
    pub(crate) fn send_at_home(&self, request: Request) -> Result<Response, Failure> {
        self.proxies.through(request.url()).map_err(Failure::Proxy)?;
        self.wait(self.timeout, self.bound.execute(request).map_err(Failure::Request))
    }

    /// Makes a request while this thread goes on.
    pub(crate) fn start(&self, request: Request) -> JoinHandle<reqwest::Result<Response>> {
        self.network.handle().spawn(self.client.execute(request))
    }

    /// The next bytes of an answer that comes at this pace.
    pub(crate) fn chunk(
        &self,
        response: &mut Response,
        pace: &mut Pace,
    ) -> Result<Option<impl AsRef<[u8]> + Send + use<>>, Failure> {
        let begin = Instant::now();
        loop {
            let (now, silence) = (Instant::now(), self.timeout.saturating_sub(begin.elapsed()));
            // The window may end in the middle of a silence.
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

    /// All bytes of an answer, or nothing if there are more than so many: they are read no further.
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

    /// What an answer says that is no success. An error is one of reading it.
    pub(crate) fn refused(&self, response: Response) -> Result<Failure, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response, MAX_REFUSAL)?.unwrap_or_default();
        Ok(Failure::Refused(Refusal::new(status, &headers, &body)))
    }

    /// Waits for the network, at most so long.
    pub(crate) fn wait<T>(
        &self,
        timeout: Duration,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limited = async { time::timeout(timeout, future).await };
        self.network.handle().block_on(limited).unwrap_or(Err(Failure::Silent))
    }
}

/// Followed as far as TLS goes: what a request has in its body, an identity token or a blob, goes
/// along.
fn redirects() -> Policy {
    let usual = Policy::default();
    Policy::custom(move |attempt| {
        let from = attempt.previous().last();
        match from.is_some_and(|from| leaves_tls(from, attempt.url())) {
            true => attempt.error("it sends us from TLS to an address without"),
            false => usual.redirect(attempt),
        }
    })
}

/// Followed at the host alone that the request is for. To go over to TLS is no other host.
fn redirects_at_home() -> Policy {
    let usual = Policy::default();
    Policy::custom(move |attempt| {
        let from = attempt.previous().last();
        match from.is_some_and(|from| leaves_home(from, attempt.url())) {
            true => {
                attempt.error("it sends us to another host, which an identity token is not for")
            }
            false => usual.redirect(attempt),
        }
    })
}

/// Whether what was for the one address would go to another host or port, or without the TLS that
/// it would have had.
pub(crate) fn leaves_home(from: &Url, to: &Url) -> bool {
    let turns_to_tls = from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && from.port().is_none()
        && to.port().is_none();
    from.origin() != to.origin() && !turns_to_tls
}

/// Whether what was for the one address would go to the other without the TLS that it would have
/// had.
pub(crate) fn leaves_tls(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_token_stays_at_home() {
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
    fn no_redirect_leaves_tls() {
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
