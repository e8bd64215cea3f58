//! The body of a response: a blob or a part of one.

use std::{ops::Range, sync::Arc};

use hyper::body::Bytes;

use crate::{
    basics::error::{Error, Result},
    blob::{
        chunks::{CHUNK, Chunks},
        traits::Blob,
    },
    registry::serve::{
        blocking::Blocking,
        shared_build::{Next, Place, SharedBuilds},
    },
};

/// The bytes of one response. The last byte of a blob is returned only if the whole blob matches
/// its digest.
pub(crate) struct BlobBody {
    blob: Arc<dyn Blob>,
    /// Determined once, because it reads the recipe, and because the layout may be filled while a
    /// client reads.
    is_at_hand: bool,
    range: Range<u64>,
    builds: Arc<SharedBuilds>,
    blocking: Arc<Blocking>,
    source: Source,
    /// The number of the next chunk.
    next: u64,
}

enum Source {
    /// Nothing was read yet, or everything was.
    None,
    /// The blob is stored, and each client reads it on its own.
    AtHand(Box<Chunks>),
    Made(Place),
}

impl BlobBody {
    pub(crate) fn new(
        builds: &Arc<SharedBuilds>,
        blocking: &Arc<Blocking>,
        blob: &Arc<dyn Blob>,
        is_at_hand: bool,
        range: Range<u64>,
    ) -> Self {
        Self {
            blob: Arc::clone(blob),
            is_at_hand,
            range,
            builds: Arc::clone(builds),
            blocking: Arc::clone(blocking),
            source: Source::None,
            next: 0,
        }
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
        // Another thread would take longer than bytes that are in memory already.
        if let Source::AtHand(chunks) = &mut self.source
            && let Some(chunk) = chunks.next_cached()
        {
            return Ok(chunk?.into());
        }
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
        let read = self.blocking.run(read).await;
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
            // Leave the lost place before waiting for another one.
            self.source = Source::None;
            self.source = Source::Made(self.builds.place(&self.blob, self.next).await?);
        }
    }
}
