//! From a tar that does not exist to digests and, if wanted, bytes: read, hash and compress, all at
//! once.
//!
//! The tar is cut into blocks of a size that the compression alone decides. Blocks are read and
//! compressed in any order by any thread; they are hashed, and what they became is hashed and
//! written, in order, by one thread at a time. So the bytes do not depend on the threads, and
//! memory not on the size of the tar.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    basics::{Digest, Error, Hasher, Result},
    layer::{
        listing::{ListTask, Listing},
        stream::TarStream,
    },
    pool::{Buffer, Claim, Job, May, Pool, lock},
    tarfile::{Compression, codec::Codec},
};

/// What one pass over a tar finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub(crate) diff_id: Digest,
    /// Digest and size of the blob.
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Is shown each block of the tar, in order, when it and all before it are in the hasher. What it
/// refuses, and all that follows, leaves in no form.
pub(crate) type EachBlock<'a> = dyn FnMut(&[u8], &Hasher) -> Result<()> + Send + 'a;

/// Reads the tar once; writes the blob into the sink, if there is one, on the way. What is not
/// known of the tar yet comes from `listing`. `progress` is told how many bytes of the tar are
/// done.
pub(crate) fn pass<'a>(
    stream: &'a TarStream,
    listing: Option<&'a Listing<'a>>,
    compression: Compression,
    pool: &'a Pool,
    sink: Option<&'a mut (dyn Write + Send + 'a)>,
    progress: &'a (dyn Fn(u64) + Sync),
    each_block: &'a mut EachBlock<'a>,
) -> Result<Pass> {
    let codec = compression.codec()?;
    let block_size = compression.block_size();
    let pipeline = Pipeline {
        stream,
        listing,
        block_size,
        room: room(pool.threads(), block_size),
        pool,
        progress,
        compresses: codec.is_some(),
        writes: sink.is_some(),
        codecs: Mutex::new(codec.into_iter().collect()),
        compression,
        queue: Mutex::default(),
        tar: Mutex::new((Hasher::default(), each_block)),
        blob: Mutex::new((Hasher::default(), sink)),
    };
    let blocks =
        pipeline.count().map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    pool.run(&pipeline, blocks);
    let queue = pipeline.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = queue.failed {
        return Err(error);
    }
    let (tar, blob) = (pipeline.tar.into_inner(), pipeline.blob.into_inner());
    let (diff_id, tar_size) = tar.unwrap_or_else(PoisonError::into_inner).0.finish();
    let (digest, size) = if pipeline.compresses {
        blob.unwrap_or_else(PoisonError::into_inner).0.finish()
    } else {
        (diff_id, tar_size)
    };
    Ok(Pass { diff_id, digest, size })
}

/// Each thread makes one buffer's bytes of another's, and what waits for an older block shall keep
/// nobody from work. No more than that: this is what memory is. Where a block is small, one more
/// costs little, and few threads need it.
fn room(threads: usize, block_size: u64) -> usize {
    let more = if block_size > 1 << 20 { 0 } else { 1 };
    threads.saturating_mul(2).saturating_add(threads / 4 + more)
}

/// Blocks hashed in one task, if so many are there: the end of a task wakes whoever waits, which
/// itself takes a while.
const HASHED_AT_ONCE: usize = 2;

struct Pipeline<'a> {
    stream: &'a TarStream,
    listing: Option<&'a Listing<'a>>,
    block_size: u64,
    /// With so many buffers in use, no more are taken.
    room: usize,
    pool: &'a Pool,
    progress: &'a (dyn Fn(u64) + Sync),
    compression: Compression,
    /// Without compression the tar is the blob, and is hashed once.
    compresses: bool,
    /// Whether there is a sink.
    writes: bool,
    /// Compressors at rest; there are never more than threads at work.
    codecs: Mutex<Vec<Codec>>,
    queue: Mutex<Queue>,
    tar: Mutex<(Hasher, &'a mut EachBlock<'a>)>,
    blob: Mutex<(Hasher, Option<&'a mut (dyn Write + Send + 'a)>)>,
}

/// The blocks in memory, and who is at what.
#[derive(Default)]
struct Queue {
    /// From the first one not done on.
    blocks: VecDeque<Block>,
    /// The number of blocks done, which is the number of `blocks`' first.
    done: u64,
    /// The number of blocks whose tar bytes are hashed.
    hashed: u64,
    hashing: bool,
    /// Whether somebody is at hashing and writing what the blocks became.
    emitting: bool,
    failed: Option<Error>,
    aborted: bool,
}

/// A block on its way.
#[derive(Default)]
struct Block {
    /// As long as somebody needs it.
    tar: Option<Arc<Buffer>>,
    compressing: bool,
    /// What it became: its part of the blob.
    output: Option<Output>,
}

/// A part of the blob.
enum Output {
    Tar(Arc<Buffer>),
    Compressed(Buffer),
}

enum Task<'a> {
    /// Finds out more of the tar.
    List(ListTask<'a>),
    Read(u64, Buffer),
    /// Adds the bytes of these blocks of the tar to the diff ID.
    Hash(Vec<Arc<Buffer>>),
    Compress(u64, Arc<Buffer>, Buffer),
    /// Adds the blob's bytes to its digest, and writes them.
    Emit(Output),
}

impl<'a> Job for Pipeline<'a> {
    type Task = Task<'a>;

    /// Whatever brings the oldest block forward comes first: it frees memory.
    fn claim(&self, may: May) -> Claim<Task<'a>> {
        let queue = &mut *lock(&self.queue);
        // What the oldest block becomes is never waited for: the buffer for it is left free.
        let left = usize::from(
            self.compresses && queue.blocks.front().is_some_and(|block| !block.compressing),
        );
        let take_buffer = may.buffers + left < self.room;
        if queue.failed.is_some() || queue.aborted {
            queue.blocks.clear();
            return Claim::Done;
        }
        let count = self.count();
        if Some(queue.done) == count {
            return Claim::Done;
        }
        let hashed = (queue.hashed - queue.done) as usize;
        if !queue.emitting
            && (self.writes || may.work)
            && hashed > 0
            && let Some(output) = queue.blocks.front_mut().and_then(|block| block.output.take())
        {
            queue.emitting = true;
            let task = Task::Emit(output);
            return if self.writes { Claim::Output(task) } else { Claim::Work(task) };
        }
        if !may.work {
            return Claim::Wait;
        }
        if !queue.hashing {
            let ready = queue.blocks.range(hashed..).map_while(|block| block.tar.clone());
            let ready: Vec<_> = ready.take(HASHED_AT_ONCE).collect();
            if !ready.is_empty() {
                queue.hashing = true;
                return Claim::Work(Task::Hash(ready));
            }
        }
        // Beside hashing alone there is time. Where there is none, it is better known early what
        // fails, and how much there is to do.
        let lists_first = self.compresses || self.pool.threads() == 1;
        if lists_first && let Some(task) = self.list(may) {
            return Claim::Work(task);
        }
        if self.compresses {
            let ready = |block: &Block| !block.compressing && block.tar.is_some();
            let index = queue.blocks.iter().position(ready);
            if let Some(index) = index.filter(|&index| take_buffer || index == 0) {
                let block = &mut queue.blocks[index];
                block.compressing = true;
                let tar = Arc::clone(block.tar.as_ref().expect("asked for by `ready`"));
                return Claim::Work(Task::Compress(
                    queue.done + index as u64,
                    tar,
                    self.pool.buffer(),
                ));
            }
        }
        let next = queue.done + queue.blocks.len() as u64;
        let known = count.unwrap_or_else(|| self.stream.size() / self.block_size);
        // One block always, and what it becomes: whoever holds all other buffers may be waiting for
        // a reader who waits for this job.
        if (take_buffer || queue.blocks.is_empty()) && next < known {
            queue.blocks.push_back(Block::default());
            return Claim::Work(Task::Read(next, self.pool.buffer()));
        }
        self.list(may).map_or(Claim::Wait, Claim::Work)
    }

    fn run(&self, task: Task<'a>) {
        let result = match task {
            Task::List(task) => {
                self.listing.map_or(Ok(()), |listing| listing.run(task, self.stream))
            }
            Task::Read(index, buffer) => self.read(index, buffer),
            Task::Hash(ready) => self.hash(ready),
            Task::Compress(index, tar, output) => self.compress(index, &tar, output),
            Task::Emit(output) => self.emit(output),
        };
        if let Err(error) = result {
            lock(&self.queue).failed.get_or_insert(error);
        }
    }

    fn abort(&self) {
        lock(&self.queue).aborted = true;
    }
}

impl<'a> Pipeline<'a> {
    /// The number of blocks, once all is known of the tar.
    fn count(&self) -> Option<u64> {
        self.stream.total().map(|size| size.div_ceil(self.block_size))
    }

    fn list(&self, may: May) -> Option<Task<'a>> {
        match self.listing?.claim(may) {
            Claim::Work(task) => Some(Task::List(task)),
            _ => None,
        }
    }

    fn read(&self, index: u64, mut buffer: Buffer) -> Result<()> {
        let offset = index * self.block_size;
        let size = self.block_size.min(self.stream.size() - offset);
        let size = usize::try_from(size).expect("a block fits in memory");
        self.stream.read_at(offset, buffer.room(size))?;
        self.note(index, |block, _| block.tar = Some(Arc::new(buffer)));
        Ok(())
    }

    fn hash(&self, ready: Vec<Arc<Buffer>>) -> Result<()> {
        let (hasher, each_block) = &mut *lock(&self.tar);
        for tar in ready {
            hasher.update(&tar);
            each_block(&tar, hasher)?;
            (self.progress)(hasher.size());
            let mut queue = lock(&self.queue);
            let position = (queue.hashed - queue.done) as usize;
            queue.hashed += 1;
            match queue.blocks.get_mut(position) {
                Some(block) if self.compresses => block.forget_tar(true),
                Some(block) if self.writes => block.output = Some(Output::Tar(tar)),
                Some(_) => queue.finish_block(),
                // After a failure there is no queue any more.
                None => {}
            }
        }
        lock(&self.queue).hashing = false;
        Ok(())
    }

    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        allow(unreachable_code, unused_assignments, reason = "there is no codec")
    )]
    fn compress(&self, index: u64, tar: &[u8], mut output: Buffer) -> Result<()> {
        let codec = lock(&self.codecs).pop();
        let mut codec = match codec {
            Some(codec) => codec,
            None => self.compression.codec()?.expect("only a compression compresses"),
        };
        let bound = codec.bound(tar.len());
        let size = codec.compress(tar, output.room(bound))?;
        output.truncate(size);
        lock(&self.codecs).push(codec);
        self.note(index, |block, hashed| {
            block.output = Some(Output::Compressed(output));
            block.forget_tar(hashed);
        });
        Ok(())
    }

    fn emit(&self, output: Output) -> Result<()> {
        let (hasher, sink) = &mut *lock(&self.blob);
        let bytes: &[u8] = match &output {
            Output::Tar(tar) => tar,
            Output::Compressed(bytes) => {
                hasher.update(bytes);
                bytes
            }
        };
        if let Some(sink) = sink {
            sink.write_all(bytes).map_err(Error::sink)?;
        }
        // Before the next block is the oldest one, which may take a buffer then.
        drop(output);
        let mut queue = lock(&self.queue);
        queue.emitting = false;
        queue.finish_block();
        Ok(())
    }

    /// Notes something of a block; the function is also told whether its tar bytes are hashed.
    fn note(&self, index: u64, note: impl FnOnce(&mut Block, bool)) {
        let mut queue = lock(&self.queue);
        let (position, hashed) = (index - queue.done, index < queue.hashed);
        if let Some(block) = queue.blocks.get_mut(position as usize) {
            note(block, hashed);
        }
    }
}

impl Block {
    /// Gives the buffer back for another block, or for what one becomes.
    fn forget_tar(&mut self, hashed: bool) {
        if hashed && self.output.is_some() {
            self.tar = None;
        }
    }
}

impl Queue {
    fn finish_block(&mut self) {
        self.done += 1;
        self.blocks.pop_front();
    }
}
