//! Hostile layouts: each is a finding, quickly and with little memory.

use std::{fs, io::Write};

use flate2::{Compression as Level, write::GzEncoder};
use oci_layout::{Digest, document::MediaType, verify::VerifyOptions};
use serde_json::json;

use super::layout::{Layout, descriptor, expected, verify, verify_with};
use crate::common::{
    alone,
    raw_tar::{entry, file, tar, with_checksum},
};

const PLACE: &str = "index.json, manifests[0], layers[2]";

/// The peak memory of this process. A test that checks it runs alone.
#[track_caller]
fn check_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 500_000, "{kilobytes} kB");
}

/// A zstd frame of `blocks` times 128 KiB of one byte, in four bytes each:
/// <https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.2>.
fn zstd_bomb(byte: u8, blocks: usize) -> Vec<u8> {
    // The magic number, an empty header, a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    for block in 1..=blocks {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame
}

#[test]
fn endless_compression_is_bounded() {
    if !alone(endless_compression_is_bounded) {
        return;
    }
    let limit = 64 << 20;
    let options = VerifyOptions::default().max_layer_size(limit);
    let sentence =
        format!("unpacks to more than the limit of {limit} bytes: the rest was not checked");
    // 16 GiB in half a megabyte, which is twice the limit.
    let zstd = zstd_bomb(0, 16 << 13);
    assert!(zstd.len() < 600_000);
    let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
    (0..128).for_each(|_| gzip.write_all(&vec![0; 1 << 20]).unwrap());
    for (media_type, blob) in
        [(MediaType::LAYER_ZSTD, zstd), (MediaType::LAYER_GZIP, gzip.finish().unwrap())]
    {
        let layout = Layout::good();
        let digest = layout.replace_layer(media_type, &blob, Digest::of("x"));
        assert_eq!(verify_with(layout.path(), &options), [expected(PLACE, digest, &sentence)]);
    }
    check_memory();
}

#[test]
fn a_window_beyond_memory_is_refused() {
    if !alone(a_window_beyond_memory_is_refused) {
        return;
    }
    let layout = Layout::good();
    let mut frame = zstd_bomb(0, 1);
    // 2³¹ bytes.
    frame[5] = (31 - 10) << 3;
    let digest = layout.replace_layer(MediaType::LAYER_ZSTD, &frame, Digest::of("x"));
    let sentence = "is zstd that cannot be read past byte 0 of the tar: Frame requires too much \
                    memory for decoding";
    assert_eq!(verify(layout.path()), [expected(PLACE, digest, sentence)]);
    check_memory();
}

#[test]
fn a_blob_of_an_exabyte_is_not_read() {
    if !alone(a_blob_of_an_exabyte_is_not_read) {
        return;
    }
    let layout = Layout::good();
    let [layer, config] =
        [["/manifests/0", "/layers/0"], ["/manifests/0", "/config"]].map(|way| layout.digest(&way));
    let stray = Digest::of("stray");
    // The maximum size of a sparse file on every file system.
    let size = 8 << 40;
    for digest in [layer, config, stray] {
        fs::File::create(layout.blob(digest)).unwrap().set_len(size).unwrap();
    }
    let large = |limit: u64| {
        format!("has {size} bytes, more than the limit of {limit}: it was not checked")
    };
    assert_eq!(
        verify(layout.path()),
        [
            expected("index.json, manifests[0], config", config, large(16 << 20)),
            expected("index.json, manifests[0], layers[0]", layer, large(64 << 30)),
            expected(format!("blobs/sha256/{}", stray.hex()), stray, large(64 << 30)),
        ]
    );
    check_memory();
}

#[test]
fn an_entry_that_declares_a_huge_size_takes_no_memory() {
    if !alone(an_entry_that_declares_a_huge_size_takes_no_memory) {
        return;
    }
    for flag in [b'x', b'g', b'L', b'K', b'0'] {
        let mut header: [u8; 512] = entry("a", flag, "", b"")[..512].try_into().unwrap();
        header[124..136].copy_from_slice(b"77777777777\0");
        let tar = tar(&[with_checksum(header).to_vec(), vec![b'x'; 4096]]);
        let layout = Layout::good();
        let digest = layout.replace_layer(MediaType::LAYER, &tar, Digest::of(&tar));
        let found = verify(layout.path());
        assert_eq!(found.len(), 1, "{found:?}");
        let sentence = "is a tar that cannot be read past byte ";
        assert!(found[0].1 == Some(digest) && found[0].2.starts_with(sentence), "{found:?}");
    }
    check_memory();
}

#[test]
fn many_defects_in_one_layer_are_counted() {
    let layout = Layout::good();
    let tar = tar(&vec![file("a", b""); 5001]);
    let digest = layout.replace_layer(MediaType::LAYER, &tar, Digest::of(&tar));
    let found = verify(layout.path());
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000], expected(PLACE, digest, "has 4000 more defects, which are not listed"));
}

#[test]
fn a_hundred_thousand_descriptors_are_read_once() {
    if !alone(a_hundred_thousand_descriptors_are_read_once) {
        return;
    }
    let layout = Layout::good();
    let mut entry = layout.descriptor(&["/manifests/1"]);
    // Without a tag, the layout may list it once.
    entry["annotations"] = json!({});
    layout.edit_json(&[], |index| index["manifests"] = json!(vec![entry; 40_000]));
    assert_eq!(verify(layout.path()), []);
    // All of them wrong.
    layout.edit_json(&[], |index| index["manifests"] = json!(vec![json!({}); 100_000]));
    let found = verify(layout.path());
    assert_eq!(found.len(), 10_001);
    assert_eq!(
        found[10_000],
        expected("index.json", None, "has 290000 more defects, which are not listed")
    );
    check_memory();
}

#[test]
fn json_that_fills_the_memory_is_refused() {
    if !alone(json_that_fills_the_memory_is_refused) {
        return;
    }
    let layout = Layout::good();
    let config = |layout: &Layout| layout.digest(&["/manifests/0", "/config"]);
    for (json, reason) in [
        (
            format!("[{}0]", r#"{"a":0},"#.repeat((16 << 20) / 8 - 2)),
            "it has more than 200000 objects at line 1 column ",
        ),
        (
            format!("[{}0]", "0,".repeat((16 << 20) / 2 - 2)),
            "it has more than 524288 values at line 1 column ",
        ),
        ("[".repeat(16 << 20), "recursion limit exceeded at line 1 column 128"),
    ] {
        layout.replace(&["/manifests/0", "/config"], json.as_bytes());
        let [(place, digest, sentence)] = &verify(layout.path())[..] else { panic!() };
        assert_eq!(
            (&**place, *digest),
            ("index.json, manifests[0], config", Some(config(&layout)))
        );
        assert!(sentence.starts_with(&format!("is not valid JSON: {reason}")), "{sentence}");
    }
    check_memory();
}

/// Each index names the next one many times: reading each reference would take exponential time.
#[test]
fn a_lattice_of_indexes_is_walked_once() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let layout = Layout::good();
    let mut below = layout.descriptor(&["/manifests/1"]);
    for _ in 0..7 {
        let index =
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": vec![below; 1000] });
        below = descriptor(INDEX, &layout.put_json(&index));
    }
    layout.edit_json(&[], |index| index["manifests"] = json!(vec![below; 1000]));
    assert_eq!(verify(layout.path()), []);
}
