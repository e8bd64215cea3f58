//! Uploading a blob.

use std::{
    io, mem,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
    stream,
};
use reqwest::{
    Body, Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE},
};
use tokio::{
    sync::mpsc::{self, Sender},
    task::{JoinError, JoinHandle},
};

use crate::{
    basics::error::Result,
    blob::{chunks::Chunks, traits::Blob},
    registry::{
        failure::Failure,
        login::Login,
        message::blob_name,
        push::{
            head::{check_digest, has_blob},
            manner::{Manner, wants_patch},
        },
        session::Session,
    },
};

/// The lowest assumed rate, in bytes per second, at which a registry verifies a blob before it
/// responds.
const SLOWEST: u64 = 10 << 20;

/// Another repository that may have blobs, and the login to read it.
pub(crate) struct Mount {
    repository: String,
    login: Login,
    /// Whether mounting from it failed, so that it is not tried again.
    is_over: AtomicBool,
}

impl Mount {
    pub(crate) fn new(session: &Session, repository: &str) -> Self {
        let login = session.login.with(format!("repository:{repository}:pull"));
        Self { repository: repository.to_owned(), login, is_over: AtomicBool::new(false) }
    }
}

/// Uploads a blob to the session's repository: mounts it from another repository, or sends it.
pub(crate) fn upload(
    session: &Session,
    blob: &dyn Blob,
    mounts: &[Mount],
    manner: &Manner,
) -> Result<()> {
    let what = format!("{} of {} bytes", blob_name(blob.descriptor()), blob.descriptor().size);
    let mut upload = Upload {
        session,
        blob,
        mounts,
        manner,
        place: Place::None,
        counted: 0,
        least: 0,
        is_sending: false,
        has_failed: false,
    };
    session.attempt(&what, || upload.advance())
}

struct Upload<'a> {
    session: &'a Session,
    blob: &'a dyn Blob,
    /// The repositories that were not tried yet.
    mounts: &'a [Mount],
    manner: &'a Manner,
    place: Place,
    /// The bytes of this blob that are counted as progress.
    counted: u64,
    /// The minimum size of a chunk, except for the last one.
    least: u64,
    /// Whether bytes are being sent, so that a refusal may concern the manner of sending them.
    is_sending: bool,
    /// Whether the registry has failed with these bytes.
    has_failed: bool,
}

/// The upload location.
enum Place {
    /// Not requested yet.
    None,
    /// Nothing was sent to it yet.
    New(Url),
    /// Some bytes may have arrived.
    Broken(Url),
}

impl Upload<'_> {
    /// One attempt, which continues where the last one ended. It tries every manner that the
    /// registry may accept.
    fn advance(&mut self) -> Result<(), Failure> {
        let mut first = None;
        loop {
            let tried = self.manner.now();
            let failure = match self.advance_by(tried) {
                Err(failure) => failure,
                Ok(()) => return Ok(()),
            };
            let size = self.blob.descriptor().size;
            match failure {
                // A registry that fails once may succeed next time. One that fails twice may not
                // support this manner.
                Failure::Refused(refusal)
                    if self.is_sending
                        && refusal.status == 500
                        && !mem::replace(&mut self.has_failed, true) =>
                {
                    return Err(Failure::Refused(refusal));
                }
                Failure::Refused(refusal)
                    if self.is_sending && self.manner.change(tried, &refusal, size, self.least) =>
                {
                    // The state of that upload is unknown.
                    self.place = Place::None;
                    first.get_or_insert(refusal);
                }
                // The registry does not support this manner either. Its first refusal says more.
                Failure::Refused(refusal) if tried == Manner::STREAM && wants_patch(&refusal) => {
                    return Err(Failure::Refused(first.unwrap_or(refusal)));
                }
                failure => return Err(failure),
            }
        }
    }

    fn advance_by(&mut self, manner: u64) -> Result<(), Failure> {
        self.is_sending = false;
        let begun = match mem::replace(&mut self.place, Place::None) {
            Place::None => None,
            Place::New(place) => Some((place, 0)),
            Place::Broken(place) => {
                // Keep the location in case the registry does not respond.
                self.place = Place::Broken(place.clone());
                self.arrived(&place)?
            }
        };
        let (place, from) = match begun {
            Some(begun) => begun,
            None => match self.begin()? {
                Some(place) => (place, 0),
                None => {
                    self.count(self.blob.descriptor().size);
                    return Ok(());
                }
            },
        };
        self.place = Place::Broken(place.clone());
        self.is_sending = true;
        match manner {
            Manner::WHOLE => self.put(&place, from),
            most => self.patch(place, from, most),
        }
    }

    /// [Obtains an upload
    /// location](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs),
    /// or `None` if the blob was mounted. A registry that cannot mount it returns a location
    /// instead.
    fn begin(&mut self) -> Result<Option<Url>, Failure> {
        let mut place = None;
        while let [mount, rest @ ..] = self.mounts {
            self.mounts = rest;
            match self.mount(mount) {
                Ok(Mounted::There) => return Ok(None),
                Ok(Mounted::Begun(begun)) => place = Some(begun),
                // Mounting is an optimisation, so failures are ignored.
                Ok(Mounted::Not) | Err(_) => {}
            }
        }
        if place.is_some() {
            return Ok(place);
        }
        let response = self.session.success(self.post(&self.session.login, "blobs/uploads/")?)?;
        self.begun(&response).map(Some)
    }

    /// [Mounts](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository)
    /// the blob, if the other repository has it and can be read.
    fn mount(&mut self, mount: &Mount) -> Result<Mounted, Failure> {
        if mount.is_over.load(Ordering::Relaxed) {
            return Ok(Mounted::Not);
        }
        let (digest, from) = (self.blob.descriptor().digest, &mount.repository);
        let path = format!("blobs/uploads/?mount={digest}&from={from}");
        let response = self
            .post(&mount.login, &path)
            .inspect_err(|_| mount.is_over.store(true, Ordering::Relaxed))?;
        match response.status() {
            StatusCode::CREATED => {
                check_digest(response.headers(), digest).map(|()| Mounted::There)
            }
            StatusCode::ACCEPTED => self.begun(&response).map(Mounted::Begun),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                mount.is_over.store(true, Ordering::Relaxed);
                Ok(Mounted::Not)
            }
            // The blob may not be there, or the registry does not support mounting.
            _ => Ok(Mounted::Not),
        }
    }

    fn post(&self, login: &Login, path: &str) -> Result<Response, Failure> {
        self.session.exchange_by(login, || {
            self.session.request(Method::POST, path).header(CONTENT_LENGTH, 0)
        })
    }

    /// Reads the upload location and the minimum size of a chunk.
    fn begun(&mut self, response: &Response) -> Result<Url, Failure> {
        let least = response
            .headers()
            .get("oci-chunk-min-length")
            .and_then(|least| least.to_str().ok()?.parse().ok());
        self.least = least.unwrap_or(0);
        self.location(response)
    }

    /// Reads the upload location.
    fn location(&self, response: &Response) -> Result<Url, Failure> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location =
            location.ok_or_else(|| Failure::Odd("it returned no upload location".to_owned()))?;
        self.session.follow(response.url(), location)
    }

    /// [How much of the upload has
    /// arrived](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks),
    /// and the location for the rest; `None` if it has to restart.
    fn arrived(&self, place: &Url) -> Result<Option<(Url, u64)>, Failure> {
        let session = self.session;
        let response = session.exchange(|| session.http.request(Method::GET, place.clone()))?;
        if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS
        {
            return session.success(response).map(|_| None);
        }
        let last = || {
            let range = response.headers().get(RANGE)?.to_str().ok()?;
            let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
            last.parse::<u64>().ok().filter(|_| first == "0")
        };
        // Some registries report 0-0 if nothing has arrived; restarting then costs nothing. A
        // report of more bytes than were sent is wrong.
        let arrived = last().filter(|&last| last > 0 && last < self.counted).map(|last| last + 1);
        let Some(arrived) = arrived.filter(|_| response.status().is_success()) else {
            return Ok(None);
        };
        let place = if response.headers().contains_key(LOCATION) {
            self.location(&response)?
        } else {
            place.clone()
        };
        Ok(Some((place, arrived)))
    }

    /// Sends the bytes from `from` on, and completes the upload.
    fn put(&mut self, place: &Url, from: u64) -> Result<(), Failure> {
        let size = self.blob.descriptor().size;
        let request = self.close(place).header(CONTENT_LENGTH, size - from);
        let request = match from > 0 && from < size {
            true => request.header(CONTENT_RANGE, format!("{from}-{}", size - 1)),
            false => request,
        };
        let mut source = Source::open(self.blob, from).map_err(Failure::Ours)?;
        let response = self.send(request, &mut source, from, size)?;
        self.taken(response, from, from)
    }

    /// [Sends the bytes in
    /// chunks](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks)
    /// of at most `most` from `from` on, and completes the upload.
    fn patch(&mut self, mut place: Url, from: u64, most: u64) -> Result<(), Failure> {
        let size = self.blob.descriptor().size;
        let mut source = Source::open(self.blob, from).map_err(Failure::Ours)?;
        let mut sent = from;
        while sent < size {
            let end = size.min(sent.saturating_add(most.max(self.least)));
            let request = self.session.http.request(Method::PATCH, place.clone());
            let request = request
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, end - sent);
            // Like docker, which sends a single chunk without a range.
            let request = match sent == 0 && end == size {
                true => request,
                false => request.header(CONTENT_RANGE, format!("{sent}-{}", end - 1)),
            };
            let response = self.send(request, &mut source, sent, end)?;
            let response = self.going_on(response, from, sent)?;
            let response = self.session.success(response)?;
            if response.headers().contains_key(LOCATION) {
                place = self.location(&response)?;
                self.place = Place::Broken(place.clone());
            }
            sent = end;
        }
        self.is_sending = false;
        let request = self.close(&place).header(CONTENT_LENGTH, 0);
        let response = self.send(request, &mut Source::none(), size, size)?;
        self.taken(response, from, size)
    }

    /// The request that completes the upload.
    fn close(&self, place: &Url) -> RequestBuilder {
        let mut url = place.clone();
        url.query_pairs_mut().append_pair("digest", &self.blob.descriptor().digest.to_string());
        self.session.http.request(Method::PUT, url).header(CONTENT_TYPE, "application/octet-stream")
    }

    /// Sends a request with a range of the blob's bytes, and waits for the response.
    fn send(
        &mut self,
        request: RequestBuilder,
        source: &mut Source,
        from: u64,
        to: u64,
    ) -> Result<Response, Failure> {
        let (session, http) = (self.session, &self.session.http);
        self.count(from);
        let (sender, mut receiver) = mpsc::channel::<io::Result<Vec<u8>>>(1);
        let body = Body::wrap_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
        let (request, key) = session.sign(&session.login, request.body(body))?;
        let mut answer = http.start(request);
        let early = self.feed(source, to - from, sender, &mut answer);
        let patience = http.timeout + Duration::from_secs(self.blob.descriptor().size / SLOWEST);
        let response = match early {
            Ok(None) => http.wait(patience, (&mut answer).map(of_task)),
            Ok(Some(response)) => Ok(response),
            Err(failure) => Err(failure),
        };
        // If the last bytes were not sent, this cancels the request.
        answer.abort();
        let response = response?;
        if session.renew(&session.login, &response, key.as_ref())? {
            return Err(Failure::Again("it requires a new login for each request"));
        }
        Ok(response)
    }

    /// Returns the response, unless the bytes must be sent to another location or again. The bytes
    /// before `from` arrived before this attempt, and those before `sent` before this request.
    fn going_on(&mut self, response: Response, from: u64, sent: u64) -> Result<Response, Failure> {
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                let place = self.location(&response)?;
                self.place = if sent > from { Place::Broken(place) } else { Place::New(place) };
                Err(Failure::Again("it redirects uploads endlessly"))
            }
            // The cause may be the bytes that had arrived before.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE
                if from > 0 =>
            {
                self.place = Place::None;
                Err(Failure::Again("it refuses to resume the upload"))
            }
            _ => Ok(response),
        }
    }

    /// Whether the registry stored the blob. The arguments are those of [`Upload::going_on`].
    fn taken(&mut self, response: Response, from: u64, sent: u64) -> Result<(), Failure> {
        let response = self.going_on(response, from, sent)?;
        let response = self.session.success(response)?;
        check_digest(response.headers(), self.blob.descriptor().digest)?;
        let status = response.status();
        if matches!(status, StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(());
        }
        // Another 2xx status may mean success too, now or in a moment.
        for retry in 0.. {
            if has_blob(self.session, self.blob.descriptor())? {
                return Ok(());
            }
            if !self.session.may_retry(retry, None) {
                break;
            }
        }
        Err(Failure::Odd(format!("status {}, but the blob is missing", status.as_u16())))
    }

    /// Hands the bytes to the request, or returns an early response, which is an error response.
    fn feed(
        &mut self,
        source: &mut Source,
        mut left: u64,
        sender: Sender<io::Result<Vec<u8>>>,
        answer: &mut Task,
    ) -> Result<Option<Response>, Failure> {
        let http = &self.session.http;
        while left > 0
            && let Some(chunk) = source.next(left).map_err(Failure::Ours)?
        {
            if self.session.is_over() {
                return Err(Failure::Again("another blob failed"));
            }
            let bytes = chunk.len() as u64;
            left -= bytes;
            let step = http.wait(http.timeout, async {
                Ok(match select(pin!(sender.send(Ok(chunk))), &mut *answer).await {
                    Either::Left((Ok(()), _)) => Step::HandedOver,
                    Either::Left((Err(_), _)) => Step::Closed,
                    Either::Right((answer, _)) => Step::Answered(of_task(answer)?),
                })
            })?;
            match step {
                Step::HandedOver => {
                    self.counted += bytes;
                    self.session.counter.advance(bytes);
                }
                // The response says why.
                Step::Closed => break,
                Step::Answered(response) => return Ok(Some(response)),
            }
        }
        Ok(None)
    }

    /// Sets the number of bytes that have arrived.
    fn count(&mut self, arrived: u64) {
        match arrived.checked_sub(self.counted) {
            Some(more) => self.session.counter.advance(more),
            None => self.session.counter.retreat(self.counted - arrived),
        }
        self.counted = arrived;
    }
}

/// A running request.
type Task = JoinHandle<reqwest::Result<Response>>;

fn of_task(ended: Result<reqwest::Result<Response>, JoinError>) -> Result<Response, Failure> {
    match ended {
        Ok(answer) => answer.map_err(Failure::Request),
        Err(error) => Err(Failure::Odd(error.to_string())),
    }
}

/// The result of handing over some bytes.
enum Step {
    HandedOver,
    /// The connection accepts no more bytes.
    Closed,
    Answered(Response),
}

/// The result of an attempt to mount a blob.
enum Mounted {
    /// The blob was mounted.
    There,
    /// It was not, and this is the upload location.
    Begun(Url),
    Not,
}

/// The bytes of a blob from some position on. Those before it are read too, because the last bytes
/// are withheld until all are verified.
struct Source {
    /// `None` if all bytes have arrived before.
    chunks: Option<Chunks>,
    skip: usize,
    /// Bytes that were read and not returned yet.
    rest: Vec<u8>,
}

impl Source {
    fn open(blob: &dyn Blob, from: u64) -> Result<Self> {
        let is_there = from > 0 && from == blob.descriptor().size;
        let chunks = if is_there { None } else { Some(Chunks::open(blob)?) };
        let mut source =
            Self { chunks, skip: usize::try_from(from).unwrap_or(usize::MAX), ..Self::none() };
        if blob.descriptor().size == 0 {
            // An empty blob is never read, so its digest is checked here.
            source.next(1)?;
        }
        Ok(source)
    }

    fn none() -> Self {
        Self { chunks: None, skip: 0, rest: Vec::new() }
    }

    /// The next bytes, at most `most`.
    fn next(&mut self, most: u64) -> Result<Option<Vec<u8>>> {
        let mut chunk = mem::take(&mut self.rest);
        while chunk.is_empty() {
            let Some(next) = self.chunks.as_mut().and_then(Iterator::next).transpose()? else {
                return Ok(None);
            };
            chunk = next;
            let skipped = self.skip.min(chunk.len());
            self.skip -= skipped;
            chunk.drain(..skipped);
        }
        if let Ok(most) = usize::try_from(most)
            && most < chunk.len()
        {
            self.rest = chunk.split_off(most);
        }
        Ok(Some(chunk))
    }
}
