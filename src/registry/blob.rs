//! A blob that is read from its registry when somebody wants the bytes.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use reqwest::Response;

use super::{
    failure::Failure,
    sentence::{blob_name, broken_off},
    session::Session,
};
use crate::{blob::Blob, descriptor::Descriptor, error::Result};

/// A blob in a registry.
#[derive(Clone, Debug)]
pub(super) struct RemoteBlob {
    session: Arc<Session>,
    descriptor: Descriptor,
}

impl RemoteBlob {
    pub(super) fn new(session: &Arc<Session>, descriptor: &Descriptor) -> Self {
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
        }))
    }
}

/// Reads to the end, also over several connections. Whether the bytes are the right ones and all there is for the one
/// to see who wants them.
struct Reader {
    blob: RemoteBlob,
    response: Response,
    chunk: Box<dyn Read + Send>,
    /// How many bytes were read.
    position: u64,
    /// How many bytes come that were read already.
    skip: u64,
    /// How often the answer broke off since a byte came.
    retries: u32,
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
                self.blob.session.meter.advance(n as u64);
                return Ok(n);
            }
            match self.blob.session.http.chunk(&mut self.response) {
                Ok(Some(bytes)) => {
                    self.retries = if self.skip > 0 { self.retries } else { 0 };
                    self.chunk = Box::new(Cursor::new(bytes));
                }
                Ok(None) => return Ok(0),
                Err(_) if self.position >= self.blob.descriptor.size => return Ok(0),
                Err(failure) => self.resume(&failure)?,
            }
        }
    }
}

impl Reader {
    /// Asks for the rest of the blob.
    fn resume(&mut self, failure: &Failure) -> io::Result<()> {
        let RemoteBlob { session, descriptor } = &self.blob;
        if !session.may_retry(self.retries, None) {
            return Err(session.refuse(broken_off(failure, &blob_name(descriptor))).into());
        }
        self.retries += 1;
        let (response, from) = session.blob(descriptor, self.position)?;
        self.response = response;
        self.skip = self.position - from;
        Ok(())
    }
}
