//! One blob on its way to a registry.

use std::{io, mem, pin::pin, time::Duration};

use futures_util::{
    FutureExt,
    future::{Either, select},
    stream,
};
use reqwest::{
    Body, Method, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE},
};
use tokio::{
    sync::mpsc::{self, Sender},
    task::{JoinError, JoinHandle},
};

use super::{
    super::{failure::Failure, sentence::blob_name, session::Session},
    check_digest,
};
use crate::{blob::Blob, chunks::Chunks, descriptor::Descriptor, error::Result};

/// How many bytes in a second the slowest registry looks at, before it says that it took a blob in.
const SLOWEST: u64 = 10 << 20;

/// Brings a blob into the session's repository, by mounting it from one of these others or else by sending it.
pub(super) fn upload(session: &Session, blob: &dyn Blob, mounts: &[String]) -> Result<()> {
    let what = format!("{} of {} bytes", blob_name(blob.descriptor()), blob.descriptor().size);
    let mut upload = Upload { session, blob, mounts, place: Place::None, counted: 0 };
    session.attempt(&what, || upload.advance())
}

struct Upload<'a> {
    session: &'a Session,
    blob: &'a dyn Blob,
    /// Those that were not tried yet.
    mounts: &'a [String],
    place: Place,
    /// Bytes that the meter has of this blob.
    counted: u64,
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
    /// One try, which begins where the last one ended.
    fn advance(&mut self) -> Result<(), Failure> {
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
        self.put(&place, from)
    }

    /// [Obtains a place](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs), or
    /// nothing, if the blob could be mounted: whoever cannot do that gives a place too.
    fn begin(&mut self) -> Result<Option<Url>, Failure> {
        let digest = self.blob.descriptor().digest;
        let mut place = None;
        while let [from, rest @ ..] = self.mounts {
            let response = self.post(&format!("blobs/uploads/?mount={digest}&from={from}"))?;
            self.mounts = rest;
            match response.status() {
                StatusCode::CREATED => return check_digest(response.headers(), digest).map(|()| None),
                StatusCode::ACCEPTED => place = Some(self.location(&response)?),
                // It may not be read, or not be there.
                _ => {}
            }
        }
        match place {
            Some(place) => Ok(Some(place)),
            None => {
                let response = self.session.success(self.post("blobs/uploads/")?)?;
                self.location(&response).map(Some)
            }
        }
    }

    fn post(&self, path: &str) -> Result<Response, Failure> {
        self.session.exchange(|| self.session.request(Method::POST, path).header(CONTENT_LENGTH, 0))
    }

    /// Where the answer says that the blob goes.
    fn location(&self, response: &Response) -> Result<Url, Failure> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| Failure::Odd("it does not say where the bytes shall go".to_owned()))?;
        self.session.follow(response.url(), location)
    }

    /// [How far the upload has come](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks),
    /// and where it goes on; nothing if it has to begin anew.
    fn arrived(&self, place: &Url) -> Result<Option<(Url, u64)>, Failure> {
        let session = self.session;
        let response = session.exchange(|| session.http.request(Method::GET, place.clone()))?;
        if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS {
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
        let Some(arrived) = arrived.filter(|_| response.status().is_success()) else { return Ok(None) };
        let place = if response.headers().contains_key(LOCATION) { self.location(&response)? } else { place.clone() };
        Ok(Some((place, arrived)))
    }

    /// Sends the bytes from here on, and has the registry take the blob in.
    fn put(&mut self, place: &Url, from: u64) -> Result<(), Failure> {
        let Descriptor { digest, size, .. } = *self.blob.descriptor();
        let (session, http) = (self.session, &self.session.http);
        self.count(from);
        let mut url = place.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut request = http
            .request(Method::PUT, url)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size - from);
        if from > 0 && from < size {
            request = request.header(CONTENT_RANGE, format!("{from}-{}", size - 1));
        }
        let mut source = Source::open(self.blob, from).map_err(Failure::Ours)?;
        let (sender, mut receiver) = mpsc::channel::<io::Result<Vec<u8>>>(1);
        let body = Body::wrap_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
        let (request, key) = session.sign(request.body(body))?;
        let mut answer = http.start(request);
        let early = self.feed(&mut source, sender, &mut answer);
        let patience = http.timeout + Duration::from_secs(size / SLOWEST);
        let response = match early {
            Ok(None) => http.wait(patience, (&mut answer).map(of_task)),
            Ok(Some(response)) => Ok(response),
            Err(failure) => Err(failure),
        };
        // Without its last bytes, the request is void.
        answer.abort();
        let response = response?;
        if session.renew(&response, key.as_ref())? {
            return Err(Failure::Again("it wants another login for each request"));
        }
        match response.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT => check_digest(response.headers(), digest),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                self.place = Place::New(self.location(&response)?);
                Err(Failure::Again("it sends us from one place to another"))
            }
            // Whatever is in the way, it may be what was there before.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                self.place = Place::None;
                Err(Failure::Again("it refuses what shall go on where it broke off"))
            }
            _ => match session.success(response) {
                Ok(response) => Err(Failure::Odd(format!("status {}", response.status().as_u16()))),
                Err(failure) => Err(failure),
            },
        }
    }

    /// Hands over all bytes, or returns an answer that came before: a refusal.
    fn feed(
        &mut self,
        source: &mut Source,
        sender: Sender<io::Result<Vec<u8>>>,
        answer: &mut Task,
    ) -> Result<Option<Response>, Failure> {
        let http = &self.session.http;
        while let Some(chunk) = source.next().map_err(Failure::Ours)? {
            if self.session.is_over() {
                return Err(Failure::Again("another blob failed"));
            }
            let bytes = chunk.len() as u64;
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
                    self.session.meter.advance(bytes);
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
            Some(more) => self.session.meter.advance(more),
            None => self.session.meter.retreat(self.counted - arrived),
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

/// A blob's bytes from some place on. What lies before it is read too: the last bytes wait until all are right.
struct Source {
    /// None if all bytes have arrived before.
    chunks: Option<Chunks>,
    skip: usize,
}

impl Source {
    fn open(blob: &dyn Blob, from: u64) -> Result<Self> {
        let is_there = from > 0 && from == blob.descriptor().size;
        let chunks = if is_there { None } else { Some(Chunks::open(blob)?) };
        Ok(Self { chunks, skip: usize::try_from(from).unwrap_or(usize::MAX) })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while let Some(mut chunk) = self.chunks.as_mut().and_then(Iterator::next).transpose()? {
            let skipped = self.skip.min(chunk.len());
            self.skip -= skipped;
            if skipped == 0 || skipped < chunk.len() {
                chunk.drain(..skipped);
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}
