//! A blob in a registry, which is downloaded when it is read.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use reqwest::Response;

use crate::{
    basics::error::Result,
    blob::traits::Blob,
    document::descriptor::Descriptor,
    registry::{
        failure::Failure,
        message::{blob_name, broken_off},
        pace::Pace,
        session::Session,
    },
};

/// A blob in a registry.
#[derive(Clone, Debug)]
pub(crate) struct RemoteBlob {
    session: Arc<Session>,
    descriptor: Descriptor,
}

impl RemoteBlob {
    pub(crate) fn new(session: &Arc<Session>, descriptor: &Descriptor) -> Self {
        Self { session: Arc::clone(session), descriptor: descriptor.clone() }
    }
}

impl Blob for RemoteBlob {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let (response, _) = self.session.blob(&self.descriptor, 0)?;
        Ok(Box::new(Reader {
            blob: self.clone(),
            response,
            chunk: Box::new(io::empty()),
            position: 0,
            skip: 0,
            retries: 0,
            resumed_at: 0,
            pace: Pace::default(),
        }))
    }
}

/// Reads a blob, over several connections if necessary. The caller checks that the bytes are
/// complete and correct.
struct Reader {
    blob: RemoteBlob,
    response: Response,
    chunk: Box<dyn Read + Send>,
    /// The number of bytes that were read.
    position: u64,
    /// The number of received bytes to skip, because they were read before.
    skip: u64,
    /// The number of retries since the last substantial progress.
    retries: u32,
    /// The position at the last substantial progress.
    resumed_at: u64,
    pace: Pace,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.skip > 0 {
                self.skip -= io::copy(&mut (&mut self.chunk).take(self.skip), &mut io::sink())?;
            }
            let n = if self.skip > 0 { 0 } else { self.chunk.read(buffer)? };
            if n > 0 {
                self.position += n as u64;
                self.blob.session.counter.advance(n as u64);
                return Ok(n);
            }
            match self.blob.session.http.chunk(&mut self.response, &mut self.pace) {
                Ok(Some(bytes)) => self.chunk = Box::new(Cursor::new(bytes)),
                Ok(None) => return Ok(0),
                Err(_) if self.position >= self.blob.descriptor.size => return Ok(0),
                Err(failure) => self.resume(&failure)?,
            }
        }
    }
}

/// How many bytes reset the count of retries. The limit is relative to the size of the blob, so
/// that a registry cannot cause more than a thousand times the configured retries.
fn substantial(size: u64) -> u64 {
    const LEAST: u64 = 1 << 20;
    LEAST.max(size / 1000)
}

impl Reader {
    /// Requests the rest of the blob.
    fn resume(&mut self, failure: &Failure) -> io::Result<()> {
        let RemoteBlob { session, descriptor } = &self.blob;
        if self.position - self.resumed_at >= substantial(descriptor.size) {
            (self.resumed_at, self.retries) = (self.position, 0);
        }
        if matches!(failure, Failure::Slow(_)) || !session.may_retry(self.retries, None) {
            let (kind, reason) = broken_off(failure, &blob_name(descriptor));
            return Err(session.refuse(kind, reason).into());
        }
        self.retries += 1;
        let (response, from) = session.blob(descriptor, self.position)?;
        (self.response, self.pace) = (response, Pace::default());
        self.skip = self.position - from;
        Ok(())
    }
}
