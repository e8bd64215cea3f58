//! Measurements for `benches/peers/run` that no program can make: several layers in parallel,
//! described layers, and the libraries that set the bounds.
//!
//! ```text
//! peers describe COMPRESSION FOLDER…      a layer of each folder, all at once
//! peers store DIR COMPRESSION FOLDER…     the same, into a folder
//! peers unpack BLOB                       the digests of a blob and of the tar in it, by one thread
//! ```

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;
use oci_layout::{Compression, FileMapping, LayerOptions, Pool, WriteOptions, layer_tar};
use ring::digest::{Context, SHA256};
use zstd::stream::read::Decoder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["describe", compression, ref folders @ ..] => {
            layers(LayerOptions::from(compression.parse::<Compression>()?), folders)
        }
        ["store", dir, compression, ref folders @ ..] => {
            let options = LayerOptions::from(compression.parse::<Compression>()?).store(dir);
            layers(options.write(WriteOptions::default().sync(false)), folders)
        }
        ["unpack", blob] => unpack(blob),
        _ => Err("the comment at the head of this program says how it is called".into()),
    }
}

/// All on one pool.
fn layers(options: LayerOptions, folders: &[&str]) -> Result<(), Box<dyn Error>> {
    let pool = Pool::available();
    let options = options.pool(&pool);
    let made =
        pool.map(folders, |folder| layer_tar([FileMapping::new(folder, "/")], options.clone()));
    made.into_iter().try_for_each(|layer| layer.map(drop)).map_err(Into::into)
}

/// The minimum that `verify` needs: every byte that is read, and every decompressed byte, is hashed
/// once.
fn unpack(blob: &str) -> Result<(), Box<dyn Error>> {
    let mut start = [0; 4];
    File::open(blob)?.read_exact(&mut start)?;
    let blob = BufReader::with_capacity(
        1 << 20,
        Hashing { reader: File::open(blob)?, hasher: Context::new(&SHA256) },
    );
    match start {
        [0x1f, 0x8b, ..] => {
            drain(Hashing { reader: MultiGzDecoder::new(blob), hasher: Context::new(&SHA256) })
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            drain(Hashing { reader: Decoder::with_buffer(blob)?, hasher: Context::new(&SHA256) })
        }
        _ => drain(blob),
    }
}

fn drain(reader: impl Read) -> Result<(), Box<dyn Error>> {
    io::copy(&mut BufReader::with_capacity(1 << 20, reader), &mut io::sink())?;
    Ok(())
}

/// Hashes the bytes as they are read. ring is fast with and without SHA instructions.
struct Hashing<R> {
    reader: R,
    hasher: Context,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
