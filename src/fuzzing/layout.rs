//! Layouts in folders and archives with arbitrary documents.

use std::{collections::BTreeSet, path::Path};

use crate::{
    archive::{
        image_archive::image_archive,
        options::{ArchiveFormat, ArchiveOptions},
    },
    basics::{digest::Digest, error::Result},
    fuzzing::{LONGEST, mend, pool, read, scratch, tars::check_layer, turn, write},
    image::graph::Image,
    layer::{entries::layer_entries, layer_tar::layer_tar},
    layout::read::ImageLayout,
    pool::Pool,
    recipe::{mapping::FileMapping, options::LayerOptions},
    registry::Endpoint,
    tarfile::compression::Compression,
    verify::{
        defect::Severity,
        verify_layout::{VerifyOptions, verify},
    },
};

/// The maximum size of an unpacked layer.
const MOST: u64 = 8 << 20;

/// The formats of exports.
const FORMATS: [ArchiveFormat; 3] =
    [ArchiveFormat::Oci, ArchiveFormat::Docker, ArchiveFormat::Both];

/// Reads a layout in a folder, edits it, and exports it. The first part of the input is its index,
/// and the others are blobs.
///
/// Collecting garbage and removing tags add no defect, and a layout without errors of `verify` is
/// exported without one.
pub fn document(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let dir = scratch();
    let (layout, blobs) = (dir.path().join("layout"), dir.path().join("layout/blobs/sha256"));
    std::fs::create_dir_all(&blobs).expect("the folder for temporary files can be written");
    write(layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let documents = mend::documents(data);
    write(layout.join("index.json"), &documents[0]);
    for blob in &documents[1..] {
        write(blobs.join(Digest::of(blob).hex()), blob);
    }
    let errors = errors(&layout, dir.path(), turn(data, 8) == 0);
    let Ok(mut opened) = ImageLayout::open(&layout) else { return };
    look(&opened);
    export(&opened, FORMATS[turn(data, 3)], dir.path(), errors.is_empty());

    if opened.collect_garbage().is_ok() {
        let after = self::errors(&layout, dir.path(), false);
        assert!(after.is_subset(&errors), "garbage was needed: {:?}", after.difference(&errors));
    }
    let tags: Vec<String> =
        opened.tags().unwrap_or_default().into_iter().map(str::to_owned).collect();
    let appended = match opened.images().ok().and_then(|mut images| images.pop()) {
        Some(image) => opened.append([image.tagged("appended")], &pool()).is_ok(),
        None => false,
    };
    if appended {
        let tags = opened.tags().expect("an index that was just written");
        assert!(tags.contains(&"appended"), "what was appended has its tag");
    }
    for tag in &tags {
        if opened.remove(tag).is_ok() {
            let left = opened.tags().expect("an index that was just written");
            assert!(!left.contains(&&**tag), "a tag that was removed is gone");
        }
    }
}

/// Reads an archive. The first byte selects the form of the rest: a tar, a compressed tar, or
/// members in parts. The first part has their names, one per line; `@` is the name of a blob.
///
/// An archive without errors of `verify` is exported without one.
pub fn archive(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first().filter(|_| data.len() <= LONGEST) else { return };
    let mut tar = match flags & 1 {
        0 => members(rest),
        _ => rest.to_vec(),
    };
    if flags & 2 == 0 {
        mend::checksums(&mut tar);
    }
    let dir = scratch();
    let path = dir.path().join("archive");
    write(
        &path,
        &match flags >> 2 & 3 {
            0 | 1 => tar,
            2 => mend::gzip(&tar),
            _ => mend::zstd(&tar),
        },
    );
    let errors = errors(&path, dir.path(), turn(data, 8) == 0);
    let _ = ImageLayout::open(&path);
    let Ok(opened) = ImageLayout::open_in(&path, dir.path()) else { return };
    look(&opened);
    export(&opened, FORMATS[turn(data, 3)], dir.path(), errors.is_empty());
}

/// A tar without checksums. A name without contents gets those of the file `oci-layout`.
fn members(data: &[u8]) -> Vec<u8> {
    let (names, contents) = mend::first_part(data);
    let contents = mend::documents(contents);
    let mut tar = Vec::new();
    for (number, name) in names.split(|&byte| byte == b'\n').enumerate().take(100) {
        let contents = contents
            .get(number)
            .map_or(&br#"{"imageLayoutVersion":"1.0.0"}"#[..], |contents| contents);
        let blob = format!("blobs/sha256/{}", Digest::of(contents).hex());
        let name = if name == b"@" { blob.as_bytes() } else { &name[..name.len().min(100)] };
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        tar.extend_from_slice(&header);
        tar.extend_from_slice(contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// The errors of `verify`. Optionally checks that more threads find the same.
fn errors(path: &Path, scratch: &Path, twice: bool) -> BTreeSet<String> {
    let options = VerifyOptions::default().max_layer_size(MOST).scratch(scratch);
    let find = |threads| {
        verify(path, &options.clone().pool(&Pool::new(threads)))
            .expect("there is something at this path")
    };
    let findings = find(1);
    if twice {
        assert_eq!(find(3), findings, "threads have no say");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Error)
        .map(ToString::to_string);
    // The blobs of a subject are neither kept nor exported with it. Another reference may need the
    // same bytes.
    errors.filter(|error| !error.contains(", subject, ")).collect()
}

/// All operations that only read.
fn look(layout: &ImageLayout) {
    let _ = layout.tags();
    let _ = layout.artifacts();
    let _ = layout.present_images();
    let _ = layout.repository();
    if let Ok(index) = layout.index() {
        for entry in &index.manifests {
            let _ = layout.referrers(entry.digest);
            let _ = layout.image(Some(&entry.digest.to_string()), entry.platform.as_ref());
            let _ = layout.whole_image(Some(&entry.digest.to_string()));
        }
    }
    if let Ok(endpoint) = Endpoint::new([("a", layout.clone())]) {
        let _ = endpoint.references();
    }
    let Ok(image) = layout.image(None, None) else { return };
    let mut are_small = true;
    for layer in image.layers() {
        let entries: Result<Vec<_>> =
            layer_entries(layer).map(|entries| entries.take(1000).collect()).unwrap_or_else(Err);
        are_small &=
            entries.is_ok_and(|entries| entries.iter().map(|entry| entry.size).sum::<u64>() < MOST);
    }
    if are_small {
        let options = LayerOptions::from(Compression::None).above(&image).pool(&pool());
        let files = [FileMapping::text("a", "/etc/a"), FileMapping::directory("/tmp/b")];
        if let Ok(layer) = layer_tar(files, options) {
            check_layer(&read(&layer).expect("a layer that was described is made"));
        }
    }
}

/// Exports all images. The result is an archive again, with the same images if it is a layout.
fn export(layout: &ImageLayout, format: ArchiveFormat, scratch: &Path, is_valid: bool) {
    let (Ok(images), index) = (layout.images(), layout.index().ok().cloned()) else { return };
    let path = scratch.join("exported");
    let options = ArchiveOptions {
        index,
        ..ArchiveOptions::default().format(format).repository("example.org/a")
    };
    let mut tar = Vec::new();
    if image_archive(&mut tar, images.clone(), options).is_err() {
        return;
    }
    write(&path, &tar);
    let opened = ImageLayout::open(&path).expect("our own archive");
    let again = opened.images().expect("the images were just written");
    if format != ArchiveFormat::Docker {
        let digests = |images: &[Image]| images.iter().map(Image::digest).collect::<Vec<_>>();
        assert_eq!(digests(&again), digests(&images), "an export has the same images");
        let errors = errors(&path, scratch, false);
        assert!(
            errors.is_empty() || !is_valid,
            "an export has a defect that its layout does not have: {errors:?}"
        );
    }
}
