//! A blob, or a part of one, on its way to a client.

use std::{ops::Range, sync::Arc};

use hyper::body::Bytes;

use crate::{
    basics::error::{Error, Result},
    blob::{
        chunks::{CHUNK, Chunks},
        traits::Blob,
    },
    registry::serve::{
        server::Server,
        shared_build::{Next, Place},
    },
};

/// The bytes that one response has. Whatever part it is, the blob's last byte is in it only if the
/// whole blob is right.
pub(crate) struct BlobBody {
    blob: Arc<dyn Blob>,
    /// Asked once: to know it, a recipe is read; and a layout may be filled while a client reads.
    is_at_hand: bool,
    range: Range<u64>,
    server: Arc<Server>,
    source: Source,
    /// The number of the chunk that comes next.
    next: u64,
}

enum Source {
    /// Nobody has asked for anything yet, or all there is has come.
    None,
    /// Bytes that are had without work, each client's by itself: nobody waits for anybody.
    AtHand(Box<Chunks>),
    Made(Place),
}

impl BlobBody {
    pub(crate) fn new(
        server: &Arc<Server>,
        blob: &Arc<dyn Blob>,
        is_at_hand: bool,
        range: Range<u64>,
    ) -> Self {
        let (server, blob) = (Arc::clone(server), Arc::clone(blob));
        Self { blob, is_at_hand, range, server, source: Source::None, next: 0 }
    }

    /// The next bytes of the range.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Arc<Error>> {
        let count = self.range.end.div_ceil(CHUNK).max(1);
        while self.next < count {
            let chunk = match self.is_at_hand {
                true => self.read().await?,
                false => self.made().await?,
            };
            let begin = self.next * CHUNK;
            self.next += 1;
            if self.next == count {
                self.source = Source::None;
            }
            let within = |at: u64| {
                usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX).min(chunk.len())
            };
            let part = chunk.slice(within(self.range.start)..within(self.range.end));
            if !part.is_empty() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    async fn read(&mut self) -> Result<Bytes, Arc<Error>> {
        let (source, blob) =
            (std::mem::replace(&mut self.source, Source::None), Arc::clone(&self.blob));
        let first = self.next.max(self.range.start / CHUNK);
        let digest = blob.descriptor().digest;
        let read = move || {
            let mut chunks = match source {
                Source::AtHand(chunks) => chunks,
                _ => {
                    let mut chunks = Box::new(Chunks::open(&*blob)?);
                    chunks.skip_to(first)?;
                    chunks
                }
            };
            Ok::<_, Arc<Error>>((chunks.next(), chunks))
        };
        let read = self.server.blocking.run(read).await;
        let (chunk, chunks) = read.map_err(|cause| Error::blob(digest, cause))??;
        self.next = first;
        self.source = Source::AtHand(chunks);
        Ok(chunk.expect("there are as many chunks as the size says")?.into())
    }

    async fn made(&mut self) -> Result<Bytes, Arc<Error>> {
        loop {
            if let Source::Made(place) = &mut self.source {
                match place.next().await {
                    Next::Chunk(chunk) => return Ok(chunk),
                    Next::Failed(error) => return Err(error),
                    Next::Lost => {}
                }
            }
            // The place that was lost is left before another is waited for.
            self.source = Source::None;
            self.source = Source::Made(self.server.builds.place(&self.blob, self.next).await?);
        }
    }
}
