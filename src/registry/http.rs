//! Requests and answers: one HTTP client, waited for by threads that may wait.

use std::{sync::Arc, time::Duration};

use futures_util::TryFutureExt;
use reqwest::{Method, Request, RequestBuilder, Response, Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use rustls_native_certs::load_native_certs;
use tokio::{runtime::Runtime, task::JoinHandle, time};

use super::{Client, failure::Failure, reference::is_loopback, sentence::root};

/// Connections, and the thread behind them.
pub(super) struct Http {
    /// By the proxies that there are.
    client: reqwest::Client,
    /// To this machine, where no proxy of the network's is asked the way, nor shown a password.
    direct: reqwest::Client,
    /// Always there but while this ends.
    runtime: Option<Runtime>,
    /// How long the other side may be silent.
    pub(super) timeout: Duration,
}

impl Http {
    /// The error is why there can be none, in words.
    pub(super) fn new(settings: &Client) -> Result<Self, String> {
        let tls = tls(settings.authorities.as_deref())?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(settings.timeout)
                .referer(false)
                .redirect(redirects())
        };
        let client = builder().build().map_err(|error| root(&error))?;
        let direct = builder().no_proxy().build().map_err(|error| root(&error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|cause| format!("no thread for the network can be had: {cause}"))?;
        Ok(Self { client, direct, runtime: Some(runtime), timeout: settings.timeout })
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Makes a request, and waits for the head of the answer.
    pub(super) fn send(&self, request: Request) -> Result<Response, Failure> {
        self.wait(self.timeout, self.client(request.url()).execute(request).map_err(Failure::Request))
    }

    /// Makes a request while this thread goes on.
    pub(super) fn start(&self, request: Request) -> JoinHandle<reqwest::Result<Response>> {
        self.runtime().spawn(self.client(request.url()).execute(request))
    }

    /// The next bytes of an answer.
    pub(super) fn chunk(&self, response: &mut Response) -> Result<Option<impl AsRef<[u8]> + Send + use<>>, Failure> {
        self.wait(self.timeout, response.chunk().map_err(Failure::Request))
    }

    /// All bytes of an answer, or nothing if there are more than so many: they are read no further.
    pub(super) fn body(&self, mut response: Response, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response)? {
            bytes.extend_from_slice(chunk.as_ref());
            if bytes.len() as u64 > most {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// Waits for the network, at most so long.
    pub(super) fn wait<T>(
        &self,
        timeout: Duration,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limited = async { time::timeout(timeout, future).await };
        self.runtime().block_on(limited).unwrap_or(Err(Failure::Silent))
    }

    fn client(&self, url: &Url) -> &reqwest::Client {
        if url.host_str().is_some_and(is_loopback) { &self.direct } else { &self.client }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it has not ended")
    }
}

impl Drop for Http {
    /// Otherwise it would wait for its threads, which is an error in asynchronous code.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Followed as far as TLS goes: what a request has in its body, an identity token or a blob, goes along.
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

/// Whether what was for the one address would go to the other without the TLS that it would have had.
pub(super) fn leaves_tls(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

/// TLS that trusts these authorities, or those that the system does.
fn tls(authorities: Option<&[Vec<u8>]>) -> Result<ClientConfig, String> {
    let certificates: Vec<CertificateDer> = match authorities {
        Some(authorities) => authorities.iter().map(|der| der.as_slice().into()).collect(),
        None => load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leaves_tls() {
        for (from, to, leaves) in [
            ("https://a.b/", "http://a.b/", true),
            ("https://a.b:1/", "http://a.b:1/", true),
            ("https://a.b/", "https://c.d/", false),
            ("http://a.b/", "http://a.b/", false),
            ("http://a.b/", "https://a.b/", false),
        ] {
            assert_eq!(leaves_tls(&from.parse().unwrap(), &to.parse().unwrap()), leaves, "{from} to {to}");
        }
    }
}
