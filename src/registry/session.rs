//! One repository, for as long as something is read from it or written to it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use reqwest::{
    Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, HeaderValue, RANGE},
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        registry_error::RegistryErrorKind,
    },
    document::{
        descriptor::{Descriptor, MediaType},
        layout_paths::MAX_DOCUMENT,
    },
    registry::{
        byte_counter::ByteCounter,
        client::Client,
        failure::Failure,
        http::{Http, leaves_tls},
        login::Login,
        message::{Access, Asked, blob_name},
        reference::Reference,
    },
};

/// A repository, and the right to use it.
pub(crate) struct Session {
    pub(crate) reference: Reference,
    pub(crate) http: Arc<Http>,
    pub(crate) counter: Arc<ByteCounter>,
    /// Under which all is that the repository has.
    base: Url,
    access: Access,
    pub(crate) login: Login,
    /// The user wants no TLS.
    is_plain: bool,
    retries: u32,
    /// The registry has been there.
    has_answered: AtomicBool,
    /// What is done here is in vain: nothing is tried again.
    is_over: AtomicBool,
}

impl Session {
    /// Finds the registry, to read an image from it.
    pub(crate) fn open(settings: &Client, reference: &Reference) -> Result<Self> {
        let http = Arc::new(Http::new(settings, reference)?);
        let counter = Arc::new(ByteCounter::new(settings.progress.clone()));
        let scope = format!("repository:{}:pull", reference.repository);
        Self::over(&http, &counter, settings, reference, Access::Pull, vec![scope])
    }

    /// The same over connections that there are, with the right to these scopes.
    pub(crate) fn over(
        http: &Arc<Http>,
        counter: &Arc<ByteCounter>,
        settings: &Client,
        reference: &Reference,
        access: Access,
        scopes: Vec<String>,
    ) -> Result<Self> {
        let login = Login::new(settings.credentials.find(reference)?, scopes);
        let host = match &*reference.registry {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let address = |scheme: &str, path: &str| {
            Url::parse(&format!("{scheme}://{host}/v2/{path}")).map_err(|error| Error::Registry {
                reference: reference.to_string(),
                kind: RegistryErrorKind::Local,
                reason: format!("this is no name of a registry ({error}): correct it"),
            })
        };
        // On this machine, nothing takes long.
        let patience =
            if reference.is_loopback() { Duration::from_secs(1) } else { settings.timeout };
        let may_lack_tls = reference.is_loopback() || !settings.tls_verify;
        let is_plain = settings.plain_http
            || (may_lack_tls && !http.speaks_tls(&address("https", "")?, patience));
        let base = address(
            if is_plain { "http" } else { "https" },
            &format!("{}/", reference.repository),
        )?;
        let session = Self {
            reference: reference.clone(),
            http: Arc::clone(http),
            counter: Arc::clone(counter),
            base,
            access,
            login,
            is_plain: settings.plain_http,
            retries: settings.retries,
            has_answered: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        // To strangers some registries say "not found" rather than "who are you?", and so whoever
        // can say it asks first.
        if !session.login.is_anonymous() {
            let root = || {
                session.http.request(Method::GET, session.base.join("/v2/").expect("it is a path"))
            };
            session.attempt("the repository", || session.exchange(root))?;
        }
        Ok(session)
    }

    /// A request for something in the repository.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.base.join(path).expect("what is in a repository has a path"))
    }

    /// Asks, proving who asks if the registry wants to know. The answer may be a refusal.
    pub(crate) fn exchange(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.exchange_by(&self.login, request)
    }

    /// As [`Session::exchange`], with a login for more than this repository.
    pub(crate) fn exchange_by(
        &self,
        login: &Login,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let (signed, key) = self.sign(login, request())?;
        let response = self.send(signed)?;
        match self.renew(login, &response, key.as_ref())? {
            true => self.send(self.sign(login, request())?.0),
            false => Ok(response),
        }
    }

    /// As [`Session::exchange`], the answer being a success.
    pub(crate) fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        self.success(self.exchange(request)?)
    }

    pub(crate) fn success(&self, response: Response) -> Result<Response, Failure> {
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.http.refused(response)?),
        }
    }

    /// The request with the key that there is now, if it is for the registry itself: nobody else
    /// learns a password or a token.
    pub(crate) fn sign(
        &self,
        login: &Login,
        request: RequestBuilder,
    ) -> Result<(Request, Option<HeaderValue>), Failure> {
        let mut request = request.build().map_err(Failure::Request)?;
        let key = if self.is_own(request.url()) { login.sign(&mut request) } else { None };
        Ok((request, key))
    }

    /// Whether the answer wants another key than this, and there is one now.
    pub(crate) fn renew(
        &self,
        login: &Login,
        response: &Response,
        key: Option<&HeaderValue>,
    ) -> Result<bool, Failure> {
        let wants = response.status() == StatusCode::UNAUTHORIZED && self.is_own(response.url());
        Ok(wants && login.renew(&self.http, &self.base, response.headers(), key)?)
    }

    fn send(&self, request: Request) -> Result<Response, Failure> {
        let response = self.http.send(request)?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// An address that the registry named. To one without TLS nothing goes that would else have it.
    pub(crate) fn follow(&self, from: &Url, location: &str) -> Result<Url, Failure> {
        let url = from
            .join(location)
            .map_err(|error| Failure::Odd(format!("it names no address: {error}")))?;
        if leaves_tls(&self.base, &url) {
            let why = "it wants what is sent by TLS to go on without: a proxy in front of it \
                hides that there is TLS";
            return Err(Failure::Odd(why.to_owned()));
        }
        Ok(url)
    }

    /// The bytes of the manifest or index with this digest, or under the reference's tag.
    pub(crate) fn manifest(&self, digest: Option<Digest>) -> Result<Vec<u8>> {
        let (what, name) = match digest {
            Some(digest) => (format!("manifest {digest}"), digest.to_string()),
            None => {
                let tag = self.reference.tag.as_deref().unwrap_or("latest");
                (format!("tag {tag}"), tag.to_owned())
            }
        };
        let (path, accept) = (format!("manifests/{name}"), accept());
        let get = || {
            let response = self.ask(|| self.request(Method::GET, &path).header(ACCEPT, &accept))?;
            if response.status() != StatusCode::OK {
                return Err(Failure::Odd(format!("status {}", response.status().as_u16())));
            }
            let bytes = self.http.body(response, MAX_DOCUMENT)?;
            match digest.zip(bytes.as_deref().map(Digest::of)) {
                Some((expected, actual)) if expected != actual => {
                    Err(Failure::OtherBytes { expected, actual })
                }
                _ => Ok(bytes),
            }
        };
        let too_large = || {
            let reason = format!(
                "{what} has more than the {MAX_DOCUMENT} bytes that a document may have here"
            );
            self.refuse(RegistryErrorKind::InvalidResponse, reason)
        };
        self.attempt(&what, get)?.ok_or_else(too_large)
    }

    /// The bytes of a blob, without the first ones as far as the registry knows how to leave them
    /// out, which the number says.
    pub(crate) fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Response, u64)> {
        // Not by the addresses in the descriptor: nobody would expect a connection to those.
        let path = format!("blobs/{}", descriptor.digest);
        let request = || match from {
            0 => self.request(Method::GET, &path),
            _ => self.request(Method::GET, &path).header(RANGE, format!("bytes={from}-")),
        };
        self.attempt(&blob_name(descriptor), || {
            let response = self.ask(request)?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT => Ok((response, from)),
                StatusCode::OK => Ok((response, 0)),
                status => Err(Failure::Odd(format!("status {}", status.as_u16()))),
            }
        })
    }

    /// Makes a request, and makes it again as long as that may help.
    pub(crate) fn attempt<T>(
        &self,
        what: &str,
        mut request: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T> {
        let mut silence = Duration::ZERO;
        for retry in 0.. {
            let failure = match request() {
                Ok(response) => return Ok(response),
                Err(Failure::Ours(error)) => return Err(error),
                Err(failure) => failure,
            };
            if matches!(failure, Failure::Silent) {
                silence += self.http.timeout;
            }
            let may_pass = failure.may_pass(self.has_answered.load(Ordering::Relaxed))
                && silence < self.http.least_rate.window;
            if !may_pass || !self.may_retry(retry, failure.wait()) {
                let Reference { registry, repository, .. } = &self.reference;
                let proxy = self.http.proxy(&self.base);
                let asked = Asked {
                    what,
                    registry,
                    repository,
                    access: self.access,
                    is_anonymous: self.login.is_anonymous(),
                    notes: self.login.notes(),
                    proxy: proxy.as_deref(),
                    is_plain: self.is_plain,
                };
                let (kind, reason) = asked.explain(&failure);
                return Err(self.refuse(kind, reason));
            }
        }
        unreachable!("the last retry returns")
    }

    /// Whether something may be tried again, having been tried again this many times; if so, after
    /// a pause, which the registry may want to be longer.
    pub(crate) fn may_retry(&self, retry: u32, wait: Option<Duration>) -> bool {
        const SLICE: Duration = Duration::from_millis(100);
        if retry >= self.retries {
            return false;
        }
        let mut pause = Duration::from_millis(500)
            .saturating_mul(1 << retry.min(10))
            .max(wait.unwrap_or_default());
        while !pause.is_zero() && !self.is_over() {
            let slice = pause.min(SLICE);
            thread::sleep(slice);
            pause -= slice;
        }
        !self.is_over()
    }

    /// Ends what other threads do here.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// An error about this repository. The reason may quote documents of the registry, so that
    /// control characters are replaced.
    pub(crate) fn refuse(&self, kind: RegistryErrorKind, reason: impl Into<String>) -> Error {
        let reason = reason.into().replace(char::is_control, " ");
        Error::Registry { reference: self.reference.to_string(), kind, reason }
    }
}

/// What may name an image, as skopeo and docker say it, the newer first.
pub(crate) fn accept() -> String {
    let docker = ["manifest.list.v2+json", "manifest.v2+json"]
        .map(|name| MediaType::new(format!("application/vnd.docker.distribution.{name}")));
    let [list, manifest] = docker;
    [MediaType::INDEX, MediaType::MANIFEST, list, manifest]
        .map(|media_type| media_type.to_string())
        .join(", ")
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.reference.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(settings: &Client) -> Session {
        let reference = "registry.example.org/a/b".parse().unwrap();
        let (http, counter) =
            (Arc::new(Http::new(settings, &reference).unwrap()), Arc::new(ByteCounter::new(None)));
        Session::over(&http, &counter, settings, &reference, Access::Push, Vec::new()).unwrap()
    }

    #[test]
    fn nothing_leaves_tls() {
        let session = session(&Client::default().authorities(Vec::new()));
        let from = session.base.join("blobs/uploads/").unwrap();
        for (location, to) in [
            ("/v2/a/b/x?y=z", Some("https://registry.example.org/v2/a/b/x?y=z")),
            ("x", Some("https://registry.example.org/v2/a/b/blobs/uploads/x")),
            ("https://store.example.org/x", Some("https://store.example.org/x")),
            ("http://registry.example.org/v2/a/b/x", None),
            ("ftp://registry.example.org/x", None),
            ("https://", None),
        ] {
            let found = session.follow(&from, location).ok();
            assert_eq!(found.as_ref().map(Url::as_str), to, "{location}");
        }
    }

    #[test]
    fn keys_are_for_the_registry_alone() {
        let session = session(&Client::default().authorities(Vec::new()));
        for (url, is_own) in [
            ("https://registry.example.org/elsewhere", true),
            ("https://registry.example.org:443/", true),
            ("https://registry.example.org:444/", false),
            ("http://registry.example.org/", false),
            ("https://example.org/", false),
        ] {
            assert_eq!(session.is_own(&url.parse().unwrap()), is_own, "{url}");
        }
    }
}
