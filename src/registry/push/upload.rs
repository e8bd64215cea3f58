//! One blob on its way to a registry.

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

/// How many bytes in a second the slowest registry looks at, before it says that it took a blob in.
const SLOWEST: u64 = 10 << 20;

/// Where else a blob may be, and the right to read there.
pub(crate) struct Mount {
    repository: String,
    login: Login,
    /// It is not asked any more.
    is_over: AtomicBool,
}

impl Mount {
    pub(crate) fn new(session: &Session, repository: &str) -> Self {
        let login = session.login.with(format!("repository:{repository}:pull"));
        Self { repository: repository.to_owned(), login, is_over: AtomicBool::new(false) }
    }
}

/// Brings a blob into the session's repository, by mounting it from one of these others or else by
/// sending it.
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
    /// Those that were not tried yet.
    mounts: &'a [Mount],
    manner: &'a Manner,
    place: Place,
    /// Bytes that the counter has of this blob.
    counted: u64,
    /// The registry takes no fewer bytes at a time, except the last ones.
    least: u64,
    /// Bytes are on their way: what is refused now may be the manner in which they are.
    is_sending: bool,
    /// The registry has failed with these bytes.
    has_failed: bool,
}

/// Where the registry wants the blob.
enum Place {
    /// It was not asked.
    None,
    /// Here, and nothing was sent yet.
    New(Url),
    /// Here, and who knows what has arrived.
    Broken(Url),
}

impl Upload<'_> {
    /// One try, which begins where the last one ended, in every manner that the registry may take
    /// it in.
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
                // A registry that fails once may not do so again; one that fails twice may not know
                // this manner.
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
                    // Whatever became of that upload.
                    self.place = Place::None;
                    first.get_or_insert(refusal);
                }
                // The registry does not know this manner either: its first refusal says more.
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
                // As long as it does not answer.
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

    /// [Obtains a
    /// place](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs),
    /// or nothing, if the blob could be mounted: whoever cannot do that gives a place too.
    fn begin(&mut self) -> Result<Option<Url>, Failure> {
        let mut place = None;
        while let [mount, rest @ ..] = self.mounts {
            self.mounts = rest;
            match self.mount(mount) {
                Ok(Mounted::There) => return Ok(None),
                Ok(Mounted::Begun(begun)) => place = Some(begun),
                // It saves bytes, and whatever goes wrong with it costs no more than those.
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
    /// the blob, if the other repository has it and may be read.
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
            // It may not be there, or the registry knows no mounts.
            _ => Ok(Mounted::Not),
        }
    }

    fn post(&self, login: &Login, path: &str) -> Result<Response, Failure> {
        self.session.exchange_by(login, || {
            self.session.request(Method::POST, path).header(CONTENT_LENGTH, 0)
        })
    }

    /// Where the answer says that the blob goes, and in how large parts.
    fn begun(&mut self, response: &Response) -> Result<Url, Failure> {
        let least = response
            .headers()
            .get("oci-chunk-min-length")
            .and_then(|least| least.to_str().ok()?.parse().ok());
        self.least = least.unwrap_or(0);
        self.location(response)
    }

    /// Where the answer says that the blob goes.
    fn location(&self, response: &Response) -> Result<Url, Failure> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location
            .ok_or_else(|| Failure::Odd("it does not say where the bytes shall go".to_owned()))?;
        self.session.follow(response.url(), location)
    }

    /// [How far the upload has
    /// come](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks),
    /// and where it goes on; nothing if it has to begin anew.
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
        // Some say 0-0 when nothing has arrived, and to begin anew then costs nothing.
        // And nothing can have arrived that was not sent.
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

    /// Sends the bytes from here on, and has the registry take the blob in.
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
    /// parts](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks)
    /// from here on, each of at most so many, and has the registry take the blob in.
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
            // As docker does, which sends one part.
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

    /// The request by which the registry takes the blob in.
    fn close(&self, place: &Url) -> RequestBuilder {
        let mut url = place.clone();
        url.query_pairs_mut().append_pair("digest", &self.blob.descriptor().digest.to_string());
        self.session.http.request(Method::PUT, url).header(CONTENT_TYPE, "application/octet-stream")
    }

    /// Makes a request with these of the blob's bytes, and waits for the answer.
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
        // Without its last bytes, the request is void.
        answer.abort();
        let response = response?;
        if session.renew(&session.login, &response, key.as_ref())? {
            return Err(Failure::Again("it wants another login for each request"));
        }
        Ok(response)
    }

    /// The answer, unless it says that the bytes have to be sent elsewhere, or anew: those before
    /// `from` were there before this try, and those before `sent` were when it was asked.
    fn going_on(&mut self, response: Response, from: u64, sent: u64) -> Result<Response, Failure> {
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                let place = self.location(&response)?;
                self.place = if sent > from { Place::Broken(place) } else { Place::New(place) };
                Err(Failure::Again("it sends us from one place to another"))
            }
            // Whatever is in the way, it may be what was there before.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE
                if from > 0 =>
            {
                self.place = Place::None;
                Err(Failure::Again("it refuses what shall go on where it broke off"))
            }
            _ => Ok(response),
        }
    }

    /// Whether the registry has taken the blob in; the numbers are those of [`Upload::going_on`].
    fn taken(&mut self, response: Response, from: u64, sent: u64) -> Result<(), Failure> {
        let response = self.going_on(response, from, sent)?;
        let response = self.session.success(response)?;
        check_digest(response.headers(), self.blob.descriptor().digest)?;
        let status = response.status();
        if matches!(status, StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(());
        }
        // Another success may be one too, now or in a moment.
        for retry in 0.. {
            if has_blob(self.session, self.blob.descriptor())? {
                return Ok(());
            }
            if !self.session.may_retry(retry, None) {
                break;
            }
        }
        Err(Failure::Odd(format!("status {}, and it is not there", status.as_u16())))
    }

    /// Hands over so many bytes, or returns an answer that came before: a refusal.
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
                // The answer says why.
                Step::Closed => break,
                Step::Answered(response) => return Ok(Some(response)),
            }
        }
        Ok(None)
    }

    /// Sets how many bytes have arrived.
    fn count(&mut self, arrived: u64) {
        match arrived.checked_sub(self.counted) {
            Some(more) => self.session.counter.advance(more),
            None => self.session.counter.retreat(self.counted - arrived),
        }
        self.counted = arrived;
    }
}

/// A request on its way.
type Task = JoinHandle<reqwest::Result<Response>>;

fn of_task(ended: Result<reqwest::Result<Response>, JoinError>) -> Result<Response, Failure> {
    match ended {
        Ok(answer) => answer.map_err(Failure::Request),
        Err(error) => Err(Failure::Odd(error.to_string())),
    }
}

/// What became of some bytes.
enum Step {
    HandedOver,
    /// The connection takes no more.
    Closed,
    Answered(Response),
}

/// What became of an attempt to mount a blob.
enum Mounted {
    /// It is there.
    There,
    /// It is not, and here it may be sent to.
    Begun(Url),
    Not,
}

/// A blob's bytes from some place on. What lies before it is read too: the last bytes wait until
/// all are right.
struct Source {
    /// None if all bytes have arrived before.
    chunks: Option<Chunks>,
    skip: usize,
    /// Read, and not handed out.
    rest: Vec<u8>,
}

impl Source {
    fn open(blob: &dyn Blob, from: u64) -> Result<Self> {
        let is_there = from > 0 && from == blob.descriptor().size;
        let chunks = if is_there { None } else { Some(Chunks::open(blob)?) };
        let mut source =
            Self { chunks, skip: usize::try_from(from).unwrap_or(usize::MAX), ..Self::none() };
        if blob.descriptor().size == 0 {
            // No byte of an empty blob is asked for, and so its digest is checked here.
            source.next(1)?;
        }
        Ok(source)
    }

    fn none() -> Self {
        Self { chunks: None, skip: 0, rest: Vec::new() }
    }

    /// The next bytes, at most so many.
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
