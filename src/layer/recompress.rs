//! The tar of a layer with another compression.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use crate::{
    basics::{Digest, Error, HashRead, Hasher, Result, Warning},
    blob::{Blob, Layer, chunks},
    document::Descriptor,
    layer::layer_tar::StoredBlob,
    pool::Pool,
    recipe::Recipe,
    store::{CheckedFile, WriteOptions, blob_files::BlobFiles},
    tarfile::{
        Compression,
        block_reader::BlockReader,
        chunked::{
            pieces::{Piece, PieceKind},
            writer::{Ending, TableWriter},
        },
        codec::Codec,
        decompress_ahead::decompress_ahead,
    },
};

/// A layer whose blob was written with another compression.
pub(crate) struct Recompressed {
    descriptor: Descriptor,
    diff_id: Digest,
    created_by: String,
    stored: StoredBlob,
}

/// Compresses the tar of a layer again, in the blocks of the byte format, and stores the blob in a
/// layout. The pool compresses blocks, and memory holds one block for each of its threads.
///
/// # Errors
///
/// [`Error::BlobDamaged`] if the blob does not have its digest, or the tar not its diff ID, and the
/// errors of reading the layer and of writing.
pub(crate) fn recompress(
    layer: &dyn Layer,
    compression: Compression,
    store: &Path,
    write: WriteOptions,
    pool: &Pool,
) -> Result<(Recompressed, Option<Warning>)> {
    let files = BlobFiles::create(store, write)?;
    let mut blob = files.new_blob()?;
    let unreadable = |cause| Error::blob(layer.descriptor().digest, cause);
    let ((digest, size), ending, diff_id) = chunks::verified(layer, |source| {
        decompress_ahead(source, |tar| {
            let mut tar = HashRead::new(tar);
            let mut hasher = Hasher::default();
            let ending = compress(&mut tar, compression, pool, &unreadable, &mut |bytes| {
                hasher.update(bytes);
                blob.write_all(bytes).map_err(Error::sink)
            })?;
            Ok((hasher.finish(), ending, tar.finish().0))
        })
    })?;
    let expected = layer.diff_id();
    if diff_id != expected {
        let (expected, actual) = (format!("diff ID {expected}"), format!("diff ID {diff_id}"));
        return Err(Error::BlobDamaged { digest: layer.descriptor().digest, expected, actual });
    }
    let Ending { annotations, untabled, .. } = ending;
    let descriptor =
        Descriptor { annotations, ..Descriptor::new(compression.media_type(), digest, size) };
    let stored = StoredBlob::keep(files, blob, digest)?;
    let layer = Recompressed { descriptor, diff_id, created_by: layer.created_by(), stored };
    Ok((layer, untabled.map(|reason| Warning::NoTable { reason })))
}

/// Passes on the compressed form of a tar, and returns its ending, which is passed on too.
fn compress(
    tar: &mut dyn Read,
    compression: Compression,
    pool: &Pool,
    unreadable: &dyn Fn(io::Error) -> Error,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Ending> {
    let mut codecs: Vec<Codec> = Vec::new();
    let mut blocks = BlockReader::new(tar, compression.block_limit());
    let mut table = TableWriter::new(compression)?;
    loop {
        let mut parts = Vec::new();
        while parts.len() < pool.threads()
            && let Some((block, pieces)) = blocks.next_block().map_err(unreadable)?
        {
            if let Some(table) = &mut table {
                table.block(&block, &pieces);
            }
            let pieces = match table {
                Some(_) => pieces,
                None => vec![Piece { end: block.len(), kind: PieceKind::Between }],
            };
            let codec = match codecs.pop() {
                Some(codec) => Some(codec),
                None => compression.codec()?,
            };
            parts.push((block, pieces, codec));
        }
        if parts.is_empty() {
            let table = table.map(TableWriter::finish).transpose()?;
            let ending = table.unwrap_or_else(|| Ending::plain(compression));
            out(&ending.bytes)?;
            return Ok(ending);
        }
        let compressed = pool.map_parts(parts, |(block, pieces, codec)| {
            let Some(mut codec) = codec else {
                return Ok::<_, Error>((block, Vec::new(), None));
            };
            let mut output = vec![0; codec.bound_of_pieces(&block, &pieces)];
            let compress = Codec::compress;
            let (frames, size) = codec.compress_pieces(&block, &pieces, &mut output, compress)?;
            output.truncate(size);
            Ok((output, frames, Some(codec)))
        });
        for part in compressed {
            let (bytes, frames, codec) = part?;
            out(&bytes)?;
            if let Some(table) = &mut table {
                table.frames(&frames)?;
            }
            codecs.extend(codec);
        }
    }
}

impl Blob for Recompressed {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let path = &self.stored.path;
        Ok(Box::new(std::fs::File::open(path).map_err(Error::read(path))?))
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.stored.path)
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        self.stored.files.checked(&self.stored.path, &self.descriptor).map(Some)
    }

    fn recipe(&self) -> Option<Recipe> {
        let recipe = Recipe::of_file(self.descriptor.clone(), &self.stored.path, 0).ok()?;
        Some(recipe.of_layer(self.diff_id))
    }
}

impl Layer for Recompressed {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn created_by(&self) -> String {
        self.created_by.clone()
    }
}
