//! Tars: read, and as sources of layers.

use std::io::{Cursor, Read, Write};

use crate::{
    blob::traits::Blob,
    fuzzing::{LONGEST, mend, pool, read, scratch, turn, write},
    image::{config::image_config, manifest::image_manifest},
    layer::layer_tar::{TarLayer, layer_tar},
    layout::image_layout::image_layout,
    pool::Pool,
    recipe::{
        mapping::FileMapping,
        options::{HardLinks, LayerOptions},
        origin::Recipe,
    },
    tarfile::{
        compression::Compression,
        decompress::decompress,
        reader::{Ending, TarEntry, TarReader, block::TarError, read_extents},
    },
    verify::{
        defect::Severity,
        verify_layout::{VerifyOptions, verify},
    },
};

/// The maximum unpacked size of an input.
const MOST: u64 = 8 << 20;

/// Reads a tar. The first byte selects whether its checksums are computed, and its compression.
///
/// Reading it as a stream and with seeking gives the same result, and the contents of files are
/// inside the tar.
pub fn tar(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first().filter(|_| data.len() <= LONGEST) else { return };
    let mut tar = rest.to_vec();
    if flags & 1 != 0 {
        mend::checksums(&mut tar);
    }
    let packed = match flags >> 1 & 3 {
        0 => tar,
        1 => mend::gzip(&tar),
        2 => mend::zstd(&tar),
        // A truncated tar.
        _ => mend::gzip(&tar).split_off(1),
    };
    let Ok((_, stream)) = decompress(&packed[..]) else {
        return;
    };
    let mut unpacked = Vec::new();
    // The entries before an error are those of the truncated tar.
    let _ = stream.take(MOST).read_to_end(&mut unpacked);
    let streamed = all_entries(TarReader::new(&unpacked[..]));
    let seeking =
        all_entries(TarReader::seekable(Cursor::new(&unpacked)).expect("memory has an end"));
    let (entries, ending) = match (streamed, seeking) {
        // If the length is known, a truncated tar is noticed earlier.
        (Err(_), Err(_)) => return,
        (streamed, seeking) => {
            assert_eq!(streamed, seeking, "a stream and a file are read as the same");
            streamed.expect("it is the other, and one of them is none")
        }
    };
    let size = unpacked.len() as u64;
    assert!(ending.garbage.is_none_or(|at| at < size && unpacked[at as usize] != 0));
    for entry in entries {
        assert!(entry.offset < entry.data_offset && entry.data_offset.is_multiple_of(512));
        assert!(entry.data_offset + entry.stored_size <= size);
        let mut at = 0;
        for extent in &entry.extents {
            assert!(extent.at >= at && extent.length > 0, "extents are in order");
            at = extent.at + extent.length;
            assert!(at <= entry.size && extent.offset >= entry.data_offset);
            assert!(extent.offset + extent.length <= entry.data_offset + entry.stored_size);
        }
        if !entry.extents.is_empty() && entry.size <= MOST {
            check_contents(&unpacked, &entry);
        }
    }
}

fn all_entries<R: Read>(mut reader: TarReader<R>) -> Result<(Vec<TarEntry>, Ending), TarError> {
    let entries =
        std::iter::from_fn(|| reader.next_entry().transpose()).collect::<Result<_, _>>()?;
    Ok((entries, reader.ending()?))
}

/// The contents match the extents, also when they are read in two parts.
fn check_contents(tar: &[u8], entry: &TarEntry) {
    let mut file = tempfile::tempfile().expect("the folder for temporary files can be written");
    file.write_all(tar).expect("the folder for temporary files can be written");
    let mut expected = vec![0; entry.size as usize];
    for extent in &entry.extents {
        let (at, offset, length) =
            (extent.at as usize, extent.offset as usize, extent.length as usize);
        expected[at..at + length].copy_from_slice(&tar[offset..offset + length]);
    }
    let mut contents = vec![0xff; entry.size as usize];
    let (first, second) = contents.split_at_mut(entry.extents[0].length as usize / 2);
    read_extents(&file, &entry.extents, 0, first).expect("the tar has them");
    read_extents(&file, &entry.extents, first.len() as u64, second).expect("the tar has them");
    assert!(contents == expected, "contents are where their extents say");
}

/// Makes a layer of a tar. The first byte selects the options.
///
/// The `tar` crate reads the layer. The bytes do not depend on the number of threads, a second
/// build gives the same bytes, and packing the layer itself reproduces it. `verify` finds no error
/// in an image of it.
pub fn source_tar(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first().filter(|_| data.len() <= LONGEST) else { return };
    let dir = scratch();
    let mut tar = rest.to_vec();
    mend::checksums(&mut tar);
    let path = dir.path().join("source");
    write(&path, &if flags & 1 == 0 { tar } else { mend::gzip(&tar) });
    let compression = if flags & 2 == 0 { Compression::None } else { Compression::GZIP };
    let options = LayerOptions {
        hard_links: [None, Some(HardLinks::Copy), Some(HardLinks::Keep), Some(HardLinks::Merge)]
            [usize::from(flags >> 2 & 3)],
        keep_directory_links: flags & 16 != 0,
        ..LayerOptions::from(compression)
            .unpack_limit(1 << 20)
            .scratch(dir.path())
            .recipe(flags & 1 == 0)
    };
    let destination = if flags & 32 == 0 { "/" } else { "/a/b" };
    let layer = |path: &std::path::Path, to: &str, options: LayerOptions| {
        layer_tar([FileMapping::tar(path, to)], options)
    };
    let Ok(made) = layer(&path, destination, options.clone().pool(&pool())) else { return };
    let bytes = read(&made).expect("a layer that was described is made");
    if turn(data, 4) == 0 {
        let alone = layer(&path, destination, options.clone().pool(&Pool::new(1)))
            .expect("as with two threads");
        assert_eq!(made.descriptor(), alone.descriptor(), "threads have no say");
    }
    if let Some(recipe) = made.recipe() {
        check_recipe(&recipe, &bytes);
    }
    let mut unpacked = bytes;
    if compression != Compression::None {
        let packed = std::mem::take(&mut unpacked);
        flate2::read::MultiGzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .expect("it is gzip");
    }
    check_layer(&unpacked);
    let again = dir.path().join("again");
    write(&again, &unpacked);
    if destination == "/" {
        let plain = LayerOptions {
            compression: Compression::None,
            hard_links: Some(HardLinks::Keep),
            ..options
        };
        let first = layer(&path, "/", plain.clone()).expect("hard links are kept or copied");
        write(&again, &read(&first).expect("a layer that was described is made"));
        let second = layer(&again, "/", plain).expect("our own tar is a source");
        assert_eq!(first.descriptor(), second.descriptor(), "a layer is made of itself");
    }
    if flags & 0xc0 == 0xc0 {
        check_image(dir.path(), made);
    }
}

fn check_recipe(recipe: &Recipe, bytes: &[u8]) {
    let Ok(json) = recipe.to_bytes() else { return };
    let recipe = Recipe::from_bytes(&json).expect("our own recipe");
    assert!(
        read(&recipe.pool(&pool())).expect("nothing changed") == bytes,
        "a recipe makes the same"
    );
}

/// What holds for any layer: entries are sorted, no name occurs twice, and other programs can read
/// them.
pub(crate) fn check_layer(tar: &[u8]) {
    let (entries, ending) = all_entries(TarReader::new(tar)).expect("our own tar");
    assert_eq!(ending, Ending { zero_blocks: 2, garbage: None });
    let mut archive = tar::Archive::new(tar);
    let mut others = archive.entries().expect("it is read from its beginning");
    let mut names = std::collections::HashSet::new();
    for ours in &entries {
        assert!(ours.oddities.is_empty() && !ours.gnu, "plain entries: {ours:?}");
        assert!(names.insert(ours.path.clone()), "one entry a path: {ours:?}");
        let other = others.next().expect("as many entries").expect("an entry that others read");
        // The crate takes a newline in a pax value for the end of its record.
        if !ours.path.contains(&b'\n') {
            assert_eq!(other.path_bytes(), &ours.path[..], "the name that others read");
        }
        if ours.extents.iter().map(|extent| extent.length).sum::<u64>() == ours.size {
            assert_eq!(other.size(), ours.size, "the size that others read");
        }
    }
    assert!(others.next().is_none(), "no more entries");
}

fn check_image(dir: &std::path::Path, layer: TarLayer) {
    let config = image_config([&layer], serde_json::json!({})).expect("a configuration of a layer");
    let image =
        image_manifest(config, [layer], serde_json::json!({})).expect("a manifest of a layer");
    let dir = dir.join("layout");
    image_layout(&dir, [image.tagged("a")], serde_json::Value::Null).expect("a layout of an image");
    let findings =
        verify(&dir, &VerifyOptions::default().pool(&pool())).expect("a layout is there");
    let errors: Vec<_> =
        findings.iter().filter(|finding| finding.severity() == Severity::Error).collect();
    assert!(errors.is_empty(), "our own layout has no defect: {errors:?}");
}
