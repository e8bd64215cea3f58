//! A session with one repository, for reading or writing.

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
        waiting::Waiting,
    },
};

/// A repository, and the login for it.
pub(crate) struct Session {
    pub(crate) reference: Reference,
    pub(crate) http: Arc<Http>,
    pub(crate) counter: Arc<ByteCounter>,
    /// The URL of the repository.
    base: Url,
    access: Access,
    pub(crate) login: Login,
    /// Whether the user disabled TLS.
    is_plain: bool,
    retries: u32,
    /// How long the registry may work on a manifest.
    patience: Duration,
    waiting: Option<Waiting>,
    /// Whether the registry has responded.
    has_answered: AtomicBool,
    /// Whether another thread has failed, so that nothing is retried.
    is_over: AtomicBool,
}

impl Session {
    /// Connects to a registry, to pull from it.
    pub(crate) fn open(settings: &Client, reference: &Reference) -> Result<Self> {
        Self::open_for(settings, reference, Access::Pull)
    }

    /// Connects to a registry, with the rights that this access needs.
    pub(crate) fn open_for(
        settings: &Client,
        reference: &Reference,
        access: Access,
    ) -> Result<Self> {
        let http = Arc::new(Http::new(settings, reference)?);
        let counter = Arc::new(ByteCounter::new(settings.progress.clone()));
        let rights = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
            Access::Delete => "pull,push,delete",
        };
        let scope = format!("repository:{}:{rights}", reference.repository);
        Self::over(&http, &counter, settings, reference, access, vec![scope])
    }

    /// Opens a session over existing connections, with these scopes.
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
                reason: format!("invalid registry name ({error}): correct it"),
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
            patience: settings.patience,
            waiting: settings.waiting.clone(),
            has_answered: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        // Some registries return "not found" to anonymous clients instead of asking for a login, so
        // log in first if there are credentials.
        if !session.login.is_anonymous() {
            let root = || {
                session.http.request(Method::GET, session.base.join("/v2/").expect("a valid path"))
            };
            session.attempt("the repository", || session.exchange(root))?;
        }
        Ok(session)
    }

    /// A request to the repository.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.base.join(path).expect("a valid path"))
    }

    /// Sends a request, and logs in if the registry requires it. The response may be an error
    /// response.
    pub(crate) fn exchange(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.exchange_by(&self.login, request)
    }

    /// Sends a request without a login.
    pub(crate) fn exchange_once(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = request.build().map_err(Failure::Request)?;
        self.http.send(request).inspect(|_| self.answers())
    }

    /// Like [`Session::exchange`], with a login for other scopes.
    pub(crate) fn exchange_by(
        &self,
        login: &Login,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.exchange_with(login, request, |request| self.http.send(request))
    }

    fn exchange_with(
        &self,
        login: &Login,
        request: impl Fn() -> RequestBuilder,
        send: impl Fn(Request) -> Result<Response, Failure>,
    ) -> Result<Response, Failure> {
        let send = |request| send(request).inspect(|_| self.answers());
        let (signed, key) = self.sign(login, request())?;
        let response = send(signed)?;
        match self.renew(login, &response, key.as_ref())? {
            true => send(self.sign(login, request())?.0),
            false => Ok(response),
        }
    }

    /// Like [`Session::exchange`], but an error response is a failure.
    pub(crate) fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        self.success(self.exchange(request)?)
    }

    pub(crate) fn success(&self, response: Response) -> Result<Response, Failure> {
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.http.refused(response)?),
        }
    }

    /// Adds the current `Authorization` header, if the request goes to the registry itself. Other
    /// hosts never receive a password or token.
    pub(crate) fn sign(
        &self,
        login: &Login,
        request: RequestBuilder,
    ) -> Result<(Request, Option<HeaderValue>), Failure> {
        let mut request = request.build().map_err(Failure::Request)?;
        let key = if self.is_own(request.url()) { login.sign(&mut request) } else { None };
        Ok((request, key))
    }

    /// Obtains another `Authorization` header if the response requires one. Returns whether there
    /// is a new one.
    pub(crate) fn renew(
        &self,
        login: &Login,
        response: &Response,
        key: Option<&HeaderValue>,
    ) -> Result<bool, Failure> {
        let wants = response.status() == StatusCode::UNAUTHORIZED && self.is_own(response.url());
        Ok(wants && login.renew(&self.http, &self.base, response.headers(), key)?)
    }

    fn answers(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// Sends a request for a manifest, and waits while the registry works on it.
    fn send_patiently(&self, request: Request) -> Result<Response, Failure> {
        self.http.send_patiently(request, |time| {
            // A registry that works on a manifest responds to other requests.
            let root =
                self.http.request(Method::GET, self.base.join("/v2/").expect("a valid path"));
            self.http.send(root.build().map_err(Failure::Request)?).map_err(|_| Failure::Silent)?;
            if time >= self.patience {
                return Err(Failure::StillWorks(time));
            }
            if let Some(Waiting(report)) = &self.waiting {
                report(&self.reference.registry, time);
            }
            Ok(())
        })
    }

    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Resolves a `Location` header. The result must use TLS if the registry does.
    pub(crate) fn follow(&self, from: &Url, location: &str) -> Result<Url, Failure> {
        let url = from
            .join(location)
            .map_err(|error| Failure::Odd(format!("it redirects to an invalid URL: {error}")))?;
        if leaves_tls(&self.base, &url) {
            let why = "it redirects from HTTPS to plain HTTP: a proxy in front of it may hide that \
                clients use TLS";
            return Err(Failure::Odd(why.to_owned()));
        }
        Ok(url)
    }

    /// The bytes of the manifest or index with this digest, or with the reference's tag.
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
            let request = || self.request(Method::GET, &path).header(ACCEPT, &accept);
            let send = |request| self.send_patiently(request);
            let response = self.success(self.exchange_with(&self.login, request, send)?)?;
            if response.status() != StatusCode::OK {
                return Err(Failure::status(response.status()));
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
                "{what} is larger than {MAX_DOCUMENT} bytes, the maximum size of a document"
            );
            self.refuse(RegistryErrorKind::InvalidResponse, reason)
        };
        self.attempt(&what, get)?.ok_or_else(too_large)
    }

    /// Requests a blob from this position on. Also returns the position at which the response
    /// starts, which is 0 if the registry does not support ranges.
    pub(crate) fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Response, u64)> {
        // The descriptor's `urls` are ignored: a connection to other hosts would be a surprise.
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
                status => Err(Failure::status(status)),
            }
        })
    }

    /// Sends a request, and retries it after temporary failures.
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

    /// Whether another retry is allowed after this number of them. If so, it waits first, for at
    /// least as long as the registry asks.
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

    /// Tells the other threads of this session to stop.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The reason may contain text from the registry, so control characters are replaced.
    pub(crate) fn refuse(&self, kind: RegistryErrorKind, reason: impl Into<String>) -> Error {
        let reason = reason.into().replace(char::is_control, " ");
        Error::Registry { reference: self.reference.to_string(), kind, reason }
    }
}

/// The `Accept` header for manifests and indexes, with the same media types as skopeo and docker.
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
    fn uploads_never_move_from_https_to_http() {
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
