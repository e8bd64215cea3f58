//! Requests and answers: one HTTP client, waited for by threads that may wait.

use std::{sync::Arc, time::Duration};

use futures_util::TryFutureExt;
use reqwest::{Method, Request, RequestBuilder, Response, Url};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use rustls_native_certs::load_native_certs;
use tokio::{runtime::Runtime, task::JoinHandle, time};

use super::{Client, failure::Failure, sentence::root};

/// Connections, and the thread behind them.
pub(super) struct Http {
    client: reqwest::Client,
    /// Always there but while this ends.
    runtime: Option<Runtime>,
    /// How long the other side may be silent.
    pub(super) timeout: Duration,
}

impl Http {
    /// The error is why there can be none, in words.
    pub(super) fn new(settings: &Client) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(settings.authorities.as_deref())?)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.timeout)
            .referer(false)
            .build()
            .map_err(|error| root(&error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|cause| format!("no thread for the network can be had: {cause}"))?;
        Ok(Self { client, runtime: Some(runtime), timeout: settings.timeout })
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Makes a request, and waits for the head of the answer.
    pub(super) fn send(&self, request: Request) -> Result<Response, Failure> {
        self.wait(self.timeout, self.client.execute(request).map_err(Failure::Request))
    }

    /// Makes a request while this thread goes on.
    pub(super) fn start(&self, request: Request) -> JoinHandle<reqwest::Result<Response>> {
        self.runtime().spawn(self.client.execute(request))
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
