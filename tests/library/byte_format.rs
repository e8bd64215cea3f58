//! The byte format, checked by other programs: a second implementation, gzip, zstd, sha256sum.
#![cfg(all(feature = "gzip", feature = "zstd"))]

mod second;

use std::{io::Read, path::Path, process::Command};

use crate::common::{self, bytes, rich::rich_tree, run};
use flate2::bufread::GzDecoder;
use oci_layout::{Blob, Compression, Layer, LayerOptions, layer_tar};
use tempfile::TempDir;

/// Decompressing a blob gives the tar of the diff ID, and the digest is that of the file.
#[test]
fn other_programs_find_the_same_digests() {
    let dir = TempDir::new().unwrap();
    let sha256sum = |script: &str, file: &Path| {
        let output = run(Command::new("sh").args(["-c", script, "sh"]).arg(file));
        format!("sha256:{}", String::from_utf8(output).unwrap().split(' ').next().unwrap())
    };
    for (compression, decode) in [
        (Compression::None, "cat"),
        (Compression::GZIP, "gzip -dc"),
        (Compression::ZSTD, "zstd -dcq"),
        (Compression::Gzip { level: 12 }, "pigz -dc"),
        (Compression::Zstd { level: 19 }, "zstd -dcq"),
    ] {
        let layer =
            layer_tar(rich_tree(), LayerOptions::from(compression).store(dir.path())).unwrap();
        let file = layer.file().unwrap();
        assert_eq!(file.file_name().unwrap().to_str().unwrap(), layer.descriptor().digest.hex());
        assert_eq!(file.metadata().unwrap().len(), layer.descriptor().size);
        assert_eq!(
            sha256sum("sha256sum < \"$1\"", file),
            layer.descriptor().digest.to_string(),
            "{compression}"
        );
        let tar = sha256sum(&format!("{decode} < \"$1\" | sha256sum"), file);
        assert_eq!(tar, layer.diff_id().to_string(), "{compression}");
    }
}

/// A gzip blob has one member for each MiB of the tar, which decodes to that MiB.
#[test]
fn gzip_members_are_blocks_of_the_tar() {
    let tar = bytes(&layer_tar(rich_tree(), Compression::None).unwrap());
    let blob = bytes(&layer_tar(rich_tree(), Compression::GZIP).unwrap());
    let mut rest = &blob[..];
    for block in tar.chunks(1 << 20) {
        let mut member = GzDecoder::new(rest);
        let mut contents = Vec::new();
        member.read_to_end(&mut contents).unwrap();
        assert!(contents == block);
        // RFC 1952, section 2.3: a header of ten bytes without flags and time.
        assert_eq!(rest[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        rest = member.into_inner();
    }
    assert!(rest.is_empty());
}

/// A zstd blob has one frame for each 4 MiB of the tar.
#[test]
fn zstd_frames_are_blocks_of_the_tar() {
    let files = || {
        let more = oci_layout::FileMapping::bytes(common::text(4 << 20, 3), "/more");
        rich_tree().into_iter().chain([more])
    };
    let tar = bytes(&layer_tar(files(), Compression::None).unwrap());
    let blob = bytes(&layer_tar(files(), Compression::ZSTD).unwrap());
    let mut rest = &blob[..];
    for block in tar.chunks(4 << 20) {
        let mut frame = zstd::stream::read::Decoder::with_buffer(rest).unwrap().single_frame();
        let mut contents = Vec::new();
        frame.read_to_end(&mut contents).unwrap();
        assert!(contents == block);
        rest = frame.finish();
    }
    assert!(rest.is_empty());
}
