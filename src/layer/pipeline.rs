//! Reads, hashes and compresses a tar that does not exist yet, in parallel, and optionally writes
//! the blob.
//!
//! The tar is cut into blocks, whose ends depend only on the tar and the compression. Threads read
//! and compress blocks in any order. One thread at a time hashes the blocks, and hashes and writes
//! their compressed form, in order. The bytes therefore do not depend on the number of threads, and
//! the memory not on the size of the tar.

mod queue;

use std::{
    io::Write,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    basics::{Digest, Error, Hasher, Result},
    document::Descriptor,
    layer::{
        listing::{ListTask, Listing},
        pipeline::queue::{Block, Output, Part, Queue, TarBlock},
        stream::TarStream,
    },
    pool::{Buffer, Claim, Job, May, Pool, lock},
    store::{BlockCache, EarlierBlocks},
    tarfile::{
        Compression,
        chunked::{
            pieces::{Piece, PieceKind},
            sums::Frame,
            writer::{Ending, TableWriter},
        },
        codec::Codec,
    },
};

/// The results of one pass over a tar.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) diff_id: Digest,
    /// The blob.
    pub(crate) descriptor: Descriptor,
    /// Why the blob has no table of contents, if its compression has one.
    pub(crate) untabled: Option<String>,
}

/// A function that receives each block of the tar, in order, after the block and all earlier ones
/// were added to the hasher. If it returns an error, this block and all later ones are not written.
pub(crate) type EachBlock<'a> = dyn FnMut(&[u8], &Hasher) -> Result<()> + Send + 'a;

/// A tar to be read once.
#[derive(Clone, Copy)]
pub(crate) struct Tar<'a, 'l> {
    pub(crate) stream: &'a TarStream,
    /// Finds what is not known of the tar yet.
    pub(crate) listing: Option<&'a Listing<'l>>,
    pub(crate) compression: Compression,
    /// Blocks that need not be compressed again.
    pub(crate) earlier: Option<&'a EarlierBlocks>,
    pub(crate) cache: Option<&'a BlockCache>,
    pub(crate) pool: &'a Pool,
}

/// Reads a tar once, and writes its blob to the sink if there is one. `progress` is told how many
/// bytes of the tar are done.
pub(crate) fn pass<'a>(
    tar: Tar<'a, '_>,
    sink: Option<&'a mut (dyn Write + Send + 'a)>,
    progress: &'a (dyn Fn(u64) + Sync),
    each_block: &'a mut EachBlock<'a>,
) -> Result<Pass> {
    let codec = tar.compression.codec()?;
    let limit = tar.compression.block_limit();
    let pipeline = Pipeline {
        tar,
        limit,
        room: room(tar.pool.threads(), limit),
        progress,
        compresses: codec.is_some(),
        writes: sink.is_some(),
        codecs: Mutex::new(codec.into_iter().collect()),
        queue: Mutex::default(),
        table: Mutex::new(TableWriter::new(tar.compression)?),
        diff_id: Mutex::new((Hasher::default(), each_block)),
        blob: Mutex::new((Hasher::default(), sink)),
    };
    let blocks = tar.stream.total().and_then(|size| usize::try_from(size.div_ceil(limit)).ok());
    tar.pool.run(&pipeline, blocks.unwrap_or(usize::MAX));
    if let Some(error) = inner(pipeline.queue).failed {
        return Err(error);
    }
    let (diff_id, tar_size) = inner(pipeline.diff_id).0.finish();
    let media_type = tar.compression.media_type();
    if !pipeline.compresses {
        let descriptor = Descriptor::new(media_type, diff_id, tar_size);
        return Ok(Pass { diff_id, descriptor, untabled: None });
    }
    let (mut hasher, sink) = inner(pipeline.blob);
    let table = inner(pipeline.table).map(TableWriter::finish).transpose()?;
    let Ending { bytes, annotations, untabled } =
        table.unwrap_or_else(|| Ending::plain(tar.compression));
    hasher.update(&bytes);
    if let Some(sink) = sink {
        sink.write_all(&bytes).map_err(Error::sink)?;
    }
    let (digest, size) = hasher.finish();
    let descriptor = Descriptor { annotations, ..Descriptor::new(media_type, digest, size) };
    Ok(Pass { diff_id, descriptor, untabled })
}

fn inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Two buffers per thread, one for input and one for output, plus slack for blocks that finish out
/// of order. This bounds memory. For small blocks, an additional buffer is cheap, and with few
/// threads it is not needed.
fn room(threads: usize, limit: u64) -> usize {
    let more = if limit > 1 << 20 { 0 } else { 1 };
    threads.saturating_mul(2).saturating_add(threads / 4 + more)
}

/// Of several pieces of a block, those of at least this size may be copied from an earlier layer or
/// the cache. Smaller ones are compressed in less time than they are found.
const MIN_CACHED: usize = 64 << 10;

struct Pipeline<'a, 'l> {
    tar: Tar<'a, 'l>,
    /// The maximum size of a block.
    limit: u64,
    /// With this many buffers in use, no more are taken.
    room: usize,
    progress: &'a (dyn Fn(u64) + Sync),
    /// Without compression, the tar is the blob, and is hashed only once.
    compresses: bool,
    /// Whether there is a sink.
    writes: bool,
    /// Idle compressors. There are never more than threads at work.
    codecs: Mutex<Vec<Codec>>,
    queue: Mutex<Queue>,
    /// Locked after `diff_id` or `blob`.
    table: Mutex<Option<TableWriter>>,
    diff_id: Mutex<(Hasher, &'a mut EachBlock<'a>)>,
    blob: Mutex<(Hasher, Option<&'a mut (dyn Write + Send + 'a)>)>,
}

enum Task<'l> {
    /// Lists more of the tar.
    List(ListTask<'l>),
    /// Reads the block with this number, which is this range of the tar.
    Read(u64, Range<u64>, Buffer),
    /// Adds the bytes of these blocks to the diff ID.
    Hash(Vec<Arc<TarBlock>>),
    Compress(u64, Arc<TarBlock>, Buffer),
    /// Adds a part of the blob to its digest, and writes it.
    Emit(Part),
}

impl<'l> Job for Pipeline<'_, 'l> {
    type Task = Task<'l>;

    /// Claims the task that brings the oldest block forward, because that frees memory.
    fn claim(&self, may: May) -> Claim<Task<'l>> {
        let queue = &mut *lock(&self.queue);
        if queue.failed.is_some() || queue.aborted {
            queue.blocks.clear();
            return Claim::Done;
        }
        if queue.blocks.is_empty() && self.tar.stream.total() == Some(queue.next) {
            return Claim::Done;
        }
        if self.writes
            && let Some(part) = queue.claim_output()
        {
            return Claim::Output(Task::Emit(part));
        }
        if !may.work {
            return Claim::Wait;
        }
        // If the threads only hash, they have time for listing anyway. Otherwise, list first, so
        // that errors and the total size are known early.
        let lists_first = self.compresses || self.tar.pool.threads() == 1;
        let emit = queue.claim_output().map(Task::Emit);
        emit.or_else(|| queue.claim_hash().map(Task::Hash))
            .or_else(|| lists_first.then(|| self.claim_list(may)).flatten())
            .or_else(|| self.claim_compress(queue, may))
            .or_else(|| self.claim_read(queue, may))
            .or_else(|| self.claim_list(may))
            .map_or(Claim::Wait, Claim::Work)
    }

    fn run(&self, task: Task<'l>) {
        let result = match task {
            Task::List(task) => {
                self.tar.listing.map_or(Ok(()), |listing| listing.run(task, self.tar.stream))
            }
            Task::Read(index, range, buffer) => self.read(index, range, buffer),
            Task::Hash(ready) => self.hash(ready),
            Task::Compress(index, tar, output) => self.compress(index, &tar, output),
            Task::Emit(part) => self.emit(part),
        };
        if let Err(error) = result {
            lock(&self.queue).failed.get_or_insert(error);
        }
    }

    fn abort(&self) {
        lock(&self.queue).aborted = true;
    }
}

impl<'l> Pipeline<'_, 'l> {
    /// The end of the block that begins at this offset, if enough of the tar is known. `None` at
    /// the end of the tar.
    fn block_end(&self, start: u64) -> Option<u64> {
        let Tar { stream, .. } = self.tar;
        // The total first: once it is known, the size no longer changes.
        let total = stream.total();
        let size = stream.size();
        if start == size {
            None
        } else if self.compresses {
            stream.block_end(start, self.limit)
        } else {
            // These blocks do not affect the blob.
            let end = start + self.limit;
            total.map(|total| end.min(total)).or(Some(end).filter(|&end| end <= size))
        }
    }

    fn claim_list(&self, may: May) -> Option<Task<'l>> {
        match self.tar.listing?.claim(may) {
            Claim::Work(task) => Some(Task::List(task)),
            _ => None,
        }
    }

    fn claim_compress(&self, queue: &mut Queue, may: May) -> Option<Task<'l>> {
        let ready = |block: &Block| block.is_unclaimed() && block.tar.is_some();
        let index = queue.blocks.iter().position(ready).filter(|_| self.compresses)?;
        if index > 0 && !self.may_take_buffer(queue, may) {
            return None;
        }
        let tar = queue.blocks[index].tar.clone()?;
        queue.blocks[index].output = Output::Claimed;
        Some(Task::Compress(queue.done + index as u64, tar, self.tar.pool.buffer()))
    }

    fn claim_read(&self, queue: &mut Queue, may: May) -> Option<Task<'l>> {
        // One block is always read, and its output made: the jobs that hold all other buffers may
        // wait for a reader that waits for this job.
        if !queue.blocks.is_empty() && !self.may_take_buffer(queue, may) {
            return None;
        }
        let index = queue.done + queue.blocks.len() as u64;
        let range = queue.next..self.block_end(queue.next)?;
        queue.next = range.end;
        queue.blocks.push_back(Block::default());
        Some(Task::Read(index, range, self.tar.pool.buffer()))
    }

    /// Whether a buffer may be taken for any block. One is left for the output of the oldest block,
    /// which never waits.
    fn may_take_buffer(&self, queue: &Queue, may: May) -> bool {
        let left = self.compresses && queue.blocks.front().is_some_and(Block::is_unclaimed);
        may.buffers + usize::from(left) < self.room
    }

    fn read(&self, index: u64, range: Range<u64>, mut buffer: Buffer) -> Result<()> {
        let size = usize::try_from(range.end - range.start).expect("a block fits in memory");
        self.tar.stream.read_at(range.start, buffer.room(size))?;
        let pieces = match self.tar.compression {
            Compression::ZstdChunked { .. } => self.tar.stream.pieces(range),
            _ => vec![Piece { end: size, kind: PieceKind::Between }],
        };
        let tar = TarBlock { bytes: buffer, pieces };
        self.note(index, |block, _| block.tar = Some(Arc::new(tar)));
        Ok(())
    }

    fn hash(&self, ready: Vec<Arc<TarBlock>>) -> Result<()> {
        let (hasher, each_block) = &mut *lock(&self.diff_id);
        for tar in ready {
            hasher.update(&tar.bytes);
            each_block(&tar.bytes, hasher)?;
            if let Some(table) = &mut *lock(&self.table) {
                table.block(&tar.bytes, &tar.pieces);
            }
            (self.progress)(hasher.size());
            let mut queue = lock(&self.queue);
            let position = (queue.hashed - queue.done) as usize;
            queue.hashed += 1;
            match queue.blocks.get_mut(position) {
                Some(block) if self.compresses => block.forget_tar(true),
                Some(block) if self.writes => block.output = Output::Ready(Part::Tar(tar)),
                Some(_) => queue.finish_block(),
                // After an error, the queue is empty.
                None => {}
            }
        }
        lock(&self.queue).hashing = false;
        Ok(())
    }

    fn compress(&self, index: u64, tar: &TarBlock, mut output: Buffer) -> Result<()> {
        let frames = self.compress_into(tar, &mut output)?;
        self.note(index, |block, hashed| {
            block.output = Output::Ready(Part::Compressed(output, frames));
            block.forget_tar(hashed);
        });
        Ok(())
    }

    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        allow(unreachable_code, unused_assignments, reason = "there is no codec")
    )]
    fn compress_into(&self, tar: &TarBlock, output: &mut Buffer) -> Result<Vec<Frame>> {
        let codec = lock(&self.codecs).pop();
        let mut codec = match codec {
            Some(codec) => codec,
            None => self.tar.compression.codec()?.expect("only a compression compresses"),
        };
        let TarBlock { bytes, pieces } = tar;
        let bound = codec.bound_of_pieces(bytes, pieces);
        let room = output.room(bound);
        let (frames, size) = codec.compress_pieces(bytes, pieces, room, |codec, piece, room| {
            let is_cached = pieces.len() == 1 || piece.len() >= MIN_CACHED;
            self.compress_piece(piece, is_cached, codec, room)
        })?;
        output.truncate(size);
        lock(&self.codecs).push(codec);
        Ok(frames)
    }

    /// Compresses a piece into the beginning of `output`, or copies its compressed form.
    fn compress_piece(
        &self,
        piece: &[u8],
        is_cached: bool,
        codec: &mut Codec,
        output: &mut [u8],
    ) -> Result<usize> {
        let Tar { earlier, cache, compression, .. } = self.tar;
        let compression = compression.of_pieces();
        let (earlier, cache) = (earlier.filter(|_| is_cached), cache.filter(|_| is_cached));
        let found = earlier.and_then(|earlier| earlier.find(compression, piece));
        let found = found.or_else(|| cache?.find(compression, piece));
        if let Some(compressed) = found.filter(|compressed| compressed.len() <= output.len()) {
            output[..compressed.len()].copy_from_slice(&compressed);
            return Ok(compressed.len());
        }
        let size = codec.compress(piece, output)?;
        if let Some(cache) = cache {
            cache.add(compression, piece, &output[..size]);
        }
        Ok(size)
    }

    fn emit(&self, part: Part) -> Result<()> {
        let (hasher, sink) = &mut *lock(&self.blob);
        let bytes: &[u8] = match &part {
            Part::Tar(tar) => &tar.bytes,
            Part::Compressed(bytes, frames) => {
                hasher.update(bytes);
                if let Some(table) = &mut *lock(&self.table) {
                    table.frames(frames)?;
                }
                bytes
            }
        };
        if let Some(sink) = sink {
            sink.write_all(bytes).map_err(Error::sink)?;
        }
        // Dropped before the next block becomes the oldest, which may then take a buffer.
        drop(part);
        let mut queue = lock(&self.queue);
        queue.emitting = false;
        queue.finish_block();
        Ok(())
    }

    /// Updates a block. The function also receives whether its tar bytes are hashed.
    fn note(&self, index: u64, note: impl FnOnce(&mut Block, bool)) {
        let mut queue = lock(&self.queue);
        let (position, hashed) = (index - queue.done, index < queue.hashed);
        if let Some(block) = queue.blocks.get_mut(position as usize) {
            note(block, hashed);
        }
    }
}
