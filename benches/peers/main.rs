//! Measurements for `benches/peers/run` that no program can make: several layers in parallel,
//! described layers, and the libraries that set the bounds.
//!
//! ```text
//! peers describe COMPRESSION FOLDER…      a layer of each folder, all at once
//! peers store DIR COMPRESSION FOLDER…     the same, into a folder
//! peers hash FILE                         the seconds of sha2 alone
//! peers unpack BLOB                       the digests of a blob and of the tar in it, by one thread
//! ```

use std::{
    env,
    error::Error,
    fs::File,
    hint::black_box,
    io::{self, BufReader, Read},
    time::{Duration, Instant},
};

use flate2::bufread::MultiGzDecoder;
use oci_layout::{Compression, FileMapping, LayerOptions, Pool, WriteOptions, layer_tar};
use sha2::{Digest, Sha256};
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
        ["hash", file] => hash(file),
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

/// Reading is not counted, so this is a lower bound and not a peer.
fn hash(file: &str) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(file)?;
    let mut block = vec![0; 1 << 20];
    let (mut hasher, mut spent) = (Sha256::new(), Duration::ZERO);
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            break;
        }
        let start = Instant::now();
        hasher.update(&block[..n]);
        spent += start.elapsed();
    }
    // Without a use of the result, the compiler may remove the computation.
    black_box(hasher.finalize());
    println!("{}", spent.as_secs_f64());
    Ok(())
}

/// The minimum that `verify` needs: every byte that is read, and every decompressed byte, is hashed
/// once.
fn unpack(blob: &str) -> Result<(), Box<dyn Error>> {
    let mut start = [0; 4];
    File::open(blob)?.read_exact(&mut start)?;
    let blob = BufReader::with_capacity(
        1 << 20,
        Hashing { reader: File::open(blob)?, hasher: Sha256::new() },
    );
    match start {
        [0x1f, 0x8b, ..] => {
            drain(Hashing { reader: MultiGzDecoder::new(blob), hasher: Sha256::new() })
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            drain(Hashing { reader: Decoder::with_buffer(blob)?, hasher: Sha256::new() })
        }
        _ => drain(blob),
    }
}

fn drain(reader: impl Read) -> Result<(), Box<dyn Error>> {
    io::copy(&mut BufReader::with_capacity(1 << 20, reader), &mut io::sink())?;
    Ok(())
}

/// Hashes the bytes as they are read.
struct Hashing<R> {
    reader: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
