//! One repository, for as long as something is read from it.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use oci_client::{
    RegistryOperation,
    client::{BlobResponse, ClientConfig, ClientProtocol, SizedStream},
    errors::OciDistributionError,
    secrets::RegistryAuth,
};
use tokio::runtime::Runtime;

use super::{Client, Reference, failure};
use crate::{
    descriptor::{Descriptor, MediaType},
    digest::Digest,
    error::{Error, Result},
    image_layout::files::MAX_DOCUMENT,
    layer_tar::Progress,
};

/// A repository, and the right to read it.
pub(super) struct Session {
    pub(super) reference: Reference,
    client: oci_client::Client,
    is_anonymous: bool,
    /// Always there but while the session ends.
    runtime: Option<Runtime>,
    retries: u32,
    progress: Option<Progress>,
    /// Bytes of blobs, read and to be read.
    done: AtomicU64,
    total: AtomicU64,
}

impl Session {
    /// Finds the registry, and logs in.
    pub(super) fn open(settings: &Client, reference: &Reference) -> Result<Self> {
        let refuse = |reason: String| Error::Registry { reference: reference.to_string(), reason };
        let auth = settings.credentials.find(reference)?;
        // To have one already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // oci-client 0.18 also makes a second HTTP client, with all defaults, which panics if this is so.
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(refuse(
                "this machine names no authority for certificates: name a file of them in SSL_CERT_FILE".to_owned(),
            ));
        }
        let plain = settings.plain_http || reference.is_loopback();
        let client = oci_client::Client::try_from(ClientConfig {
            protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(settings.timeout),
            read_timeout: Some(settings.timeout),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let session = Self {
            reference: reference.clone(),
            client: client.map_err(|error| refuse(failure::root(&error)))?,
            is_anonymous: auth == RegistryAuth::Anonymous,
            runtime: Some(runtime.map_err(|cause| refuse(format!("no thread for the network can be had: {cause}")))?),
            retries: settings.retries,
            progress: settings.progress.clone(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        };
        let (client, at) = (&session.client, session.at(reference.digest));
        session.attempt("the repository", async || client.auth(&at, &auth, RegistryOperation::Pull).await)?;
        Ok(session)
    }

    /// The bytes of the manifest or index with this digest, or under the reference's tag.
    pub(super) fn manifest(&self, digest: Option<Digest>) -> Result<Vec<u8>> {
        // As skopeo and docker say it, the newer first.
        let accept = [MediaType::INDEX, MediaType::MANIFEST].into_iter().chain(
            ["manifest.list.v2+json", "manifest.v2+json"]
                .map(|name| MediaType::new(format!("application/vnd.docker.distribution.{name}"))),
        );
        let accept: Vec<MediaType> = accept.collect();
        let accept: Vec<&str> = accept.iter().map(MediaType::as_str).collect();
        let what = match digest {
            Some(digest) => format!("manifest {digest}"),
            None => format!("tag {}", self.reference.tag.as_deref().unwrap_or("latest")),
        };
        // The client knows who asks: it takes the first that it was told.
        let (at, auth) = (self.at(digest), &RegistryAuth::Anonymous);
        let get = async || self.client.pull_manifest_raw(&at, auth, &accept).await;
        let (bytes, _) = self.attempt(&what, get)?;
        let found = Digest::of(&bytes);
        match digest {
            Some(digest) if digest != found => {
                Err(self.refuse(format!("the registry sends another manifest than {digest}, with the digest {found}")))
            }
            _ if bytes.len() as u64 > MAX_DOCUMENT => Err(self.refuse(format!(
                "{what} has {} bytes, more than the {MAX_DOCUMENT} that a document may have here",
                bytes.len()
            ))),
            _ => Ok(bytes.into()),
        }
    }

    /// The bytes of a blob, without the first ones as far as the registry knows how to leave them out, which the
    /// number says.
    pub(super) fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(SizedStream, u64)> {
        let what = failure::blob(descriptor);
        let (at, digest) = (self.at(None), descriptor.digest.to_string());
        // Without the addresses in the descriptor: nobody would expect a connection to those.
        let get = async || match from {
            0 => Ok((self.client.pull_blob_stream(&at, &*digest).await?, 0)),
            _ => match self.client.pull_blob_stream_partial(&at, &*digest, from, None).await? {
                BlobResponse::Partial(stream) => Ok((stream, from)),
                BlobResponse::Full(stream) => Ok((stream, 0)),
            },
        };
        self.attempt(&what, get)
    }

    /// Waits for the network.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the session has not ended").block_on(future)
    }

    /// Makes a request, and makes it again as long as that may help.
    fn attempt<T>(&self, what: &str, request: impl AsyncFn() -> Result<T, OciDistributionError>) -> Result<T> {
        for retry in 0.. {
            match self.wait(request()) {
                Ok(response) => return Ok(response),
                Err(error) if retry < self.retries && failure::may_pass(&error) => self.pause(retry),
                Err(error) => {
                    let registry = &self.reference.registry;
                    return Err(self.refuse(failure::sentence(error, what, registry, self.is_anonymous)));
                }
            }
        }
        unreachable!("the last retry returns")
    }

    /// Whether a stream that broke off may be asked for again, having been asked for again this many times; if so, after a pause.
    pub(super) fn may_retry(&self, retry: u32) -> bool {
        let may = retry < self.retries;
        if may {
            self.pause(retry);
        }
        may
    }

    fn pause(&self, retry: u32) {
        thread::sleep(Duration::from_millis(500).saturating_mul(1 << retry.min(10)));
    }

    /// What a registry's documents say may be in the reason, and shall do nothing to a terminal.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        let reason = reason.into().replace(char::is_control, " ");
        Error::Registry { reference: self.reference.to_string(), reason }
    }

    /// Counts bytes that may be read.
    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were read.
    pub(super) fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(Progress(report)) = &self.progress {
            report(done, self.total.load(Ordering::Relaxed));
        }
    }

    /// What the client calls the reference, or the manifest with this digest beside it.
    fn at(&self, digest: Option<Digest>) -> oci_client::Reference {
        let Reference { registry, repository, tag, .. } = self.reference.clone();
        match (digest, tag) {
            (Some(digest), _) => oci_client::Reference::with_digest(registry, repository, digest.to_string()),
            (None, tag) => oci_client::Reference::with_tag(registry, repository, tag.unwrap_or("latest".to_owned())),
        }
    }
}

impl Drop for Session {
    /// Otherwise it would wait for its threads, which is an error in asynchronous code.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.reference.to_string()).finish()
    }
}
