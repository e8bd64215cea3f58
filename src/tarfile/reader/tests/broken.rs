//! Broken tars are an error at the right offset, and have no other effect.

use proptest::prelude::*;

use crate::tarfile::reader::tests::*;

#[test]
fn broken_tars_are_errors_with_the_offset() {
    let good = block("good", b'0', b"x");
    let error = |blocks: &[&[u8]]| {
        let error = read(&[&good[..], &blocks.concat()].concat()).unwrap_err();
        (error.offset, error.reason)
    };
    let at = |offset, reason: &str| (offset, reason.to_owned());
    let cut_off = "the tar ends in the middle of an entry: it is truncated";
    assert_eq!(error(&[&good[..300]]), at(1324, cut_off));
    assert_eq!(
        error(&[&good[..600]]),
        at(1024, "its contents of 1 bytes extend beyond the end of the tar")
    );
    assert_eq!(error(&[&block("x", b'x', &pax(&[("path", b"p")]))[..600]]), at(1624, cut_off));
    assert_eq!(
        error(&[&[b'x'; 512]]),
        at(1024, "this is not the header of a tar: its checksum is wrong")
    );
    let records = block("x", b'x', &pax(&[("path", b"p")]));
    assert_eq!(
        error(&[&records]),
        at(1024, "an extended header at the end of the tar describes no entry")
    );
    let field = |at: usize, bytes: &'static [u8]| {
        move |block: &mut [u8; BLOCK]| block[at..][..bytes.len()].copy_from_slice(bytes)
    };
    let large = changed_block("x", b'x', b"", field(124, b"00010000000\0"));
    assert_eq!(
        error(&[&large]),
        at(1024, "an extended header has 2097152 bytes, but the maximum is 1048576")
    );
    for size in [&b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"[..], b"77777777777\0"] {
        let (offset, reason) =
            error(&[&changed_block("huge", b'0', b"", field(124, size)), &[0; 1024]]);
        assert!(
            offset == 1024 && reason.ends_with(" bytes extend beyond the end of the tar"),
            "{reason}"
        );
    }
    let negative = changed_block(
        "huge",
        b'0',
        b"",
        field(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\0"),
    );
    assert_eq!(error(&[&negative]), at(1024, "the size is negative: -512"));

    let record = |records: &[u8]| reason([&block("x", b'x', records)[..], &good].concat());
    for records in [
        &b"9 path=a\n10 p"[..],
        b"8 path=a\n",
        b"0 a=b\n",
        b"99999999999999999999 a=b\n",
        b"99 a=b\n",
        b"6 a b\n",
        b"5 =b\n",
        b" a=b\n",
        b"\0\0",
    ] {
        assert_eq!(
            record(records),
            "an extended header has a record that is not LENGTH KEYWORD=VALUE"
        );
    }
    for (key, value) in [
        ("uid", "-1"),
        ("uid", "1 "),
        ("size", "99999999999999999999"),
        ("mtime", "1.5.5"),
        ("mtime", "--1"),
        ("mtime", "1e3"),
    ] {
        assert_eq!(
            record(&pax(&[(key, value.as_bytes())])),
            format!("an extended header has the invalid record {key}={value}")
        );
    }
    // The total size of global headers is bounded.
    let mut tar = Vec::new();
    for index in 0..20 {
        tar.extend(block("g", b'g', &pax(&[(&format!("comment{index}"), &[b'x'; 100_000])])));
    }
    assert_eq!(reason(tar), "the global extended headers have more than 8192 bytes in total");
}

#[test]
fn sparse_maps_are_validated() {
    let broken = "the map of its sparse contents is out of order, or does not match its size";
    let map_1_0 = |size: &str, stored: &[u8]| {
        let records = [
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", size.as_bytes()),
        ];
        first([block("x", b'x', &pax(&records)), block("a", b'0', stored)].concat())
    };
    let stored = |map: &str, rest: &[u8]| [&format!("{map:\0<512}").into_bytes(), rest].concat();
    let good = map_1_0("100", &stored("2\n10\n1\n20\n2\n", b"abc")).unwrap();
    assert_eq!(
        (good.size, good.sparse, good.gnu, good.data_offset, good.stored_size),
        (100, true, true, 1536, 515)
    );
    assert_eq!(
        good.extents,
        [Extent { at: 10, length: 1, offset: 2048 }, Extent { at: 20, length: 2, offset: 2049 }]
    );
    assert_eq!(map_1_0("100", &stored("0\n", b"")).unwrap().extents, []);
    for (size, map) in [
        ("100", "1\n98\n3\n"),
        ("100", "2\n20\n2\n10\n1\n"),
        ("100", "2\n10\n2\n11\n1\n"),
        ("100", "1\n10\n2\n"),
        ("100", "1\n10\n4\n"),
        ("100", "1\n18446744073709551615\n3\n"),
        ("100", "x\n"),
        ("100", "-1\n"),
        ("100", "9223372036854775808\n1\n"),
        ("100", &"1".repeat(500)),
    ] {
        assert_eq!(map_1_0(size, &stored(map, b"abc")).unwrap_err().reason, broken, "{map}");
    }
    let endless = format!("1000\n{}1\n0", "1\n0\n".repeat(126));
    assert_eq!(
        map_1_0("100", endless.as_bytes()).unwrap_err().reason,
        "the map of its sparse contents is not terminated"
    );
    assert_eq!(
        map_1_0("100", b"").unwrap_err().reason,
        "the map of its sparse contents is not terminated"
    );
    assert_eq!(
        map_1_0("18446744073709551615", b"").unwrap_err().reason,
        "an extended header has the invalid record GNU.sparse.realsize=18446744073709551615"
    );

    let records = |records: &[(&str, &[u8])]| {
        first([block("x", b'x', &pax(records)), block("a", b'0', b"abc")].concat())
    };
    let (size, map) = (("GNU.sparse.size", &b"100"[..]), ("GNU.sparse.map", &b"10,1,20,2"[..]));
    assert_eq!(
        records(&[size, map]).unwrap().extents,
        [Extent { at: 10, length: 1, offset: 1536 }, Extent { at: 20, length: 2, offset: 1537 }]
    );
    let (offset, length) = (("GNU.sparse.offset", &b"7"[..]), ("GNU.sparse.numbytes", &b"3"[..]));
    assert_eq!(
        records(&[size, offset, length]).unwrap().extents,
        [Extent { at: 7, length: 3, offset: 1536 }]
    );
    for wrong in [
        &[map][..],
        &[size, ("GNU.sparse.map", b"10,1,20")],
        &[size, ("GNU.sparse.map", b"10,,1")],
        &[size, map, ("GNU.sparse.numblocks", b"3")],
        &[size, length, offset],
        &[size, offset, offset],
    ] {
        assert_eq!(records(wrong).unwrap_err().reason, broken, "{wrong:?}");
    }
    let unknown = records(&[("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")]).unwrap_err();
    assert_eq!(unknown.reason, "it is a sparse file of an unknown version");

    let old = |fields: &'static [u8], more: u8| {
        changed_block("old", b'S', b"abc", move |block| {
            block[257..265].copy_from_slice(b"ustar  \0");
            block[386..386 + fields.len()].copy_from_slice(fields);
            block[482] = more;
            block[483..495].copy_from_slice(b"00000000144\0");
        })
    };
    let fine = first(old(b"00000000012\x0000000000003\0", 0)).unwrap();
    assert_eq!((fine.size, fine.extents), (100, vec![Extent { at: 10, length: 3, offset: 512 }]));
    assert_eq!(reason(old(b"00000000012\x0000000000002\0", 0)), broken);
    // Its contents are read as blocks that continue the map.
    assert_eq!(
        reason(old(b"00000000012\x0000000000003\0", 1)),
        "the sparse map is not an octal number"
    );
}

#[test]
fn a_map_has_only_so_many_extents() {
    let count = (1 << 20) + 1;
    let mut map = format!("{count}\n");
    (0..count).for_each(|index| map += &format!("{}\n1\n", index * 2));
    map += &"\0".repeat(map.len().next_multiple_of(BLOCK) - map.len());
    let records = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"9999999"),
    ];
    let contents = [map.as_bytes(), &vec![b'x'; count]].concat();
    let tar = [block("x", b'x', &pax(&records)), block("a", b'0', &contents)].concat();
    assert_eq!(reason(tar), "its sparse contents have more than 1048576 extents");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any bytes, entries are within the tar and in order, and the contents match what the
    /// headers say about them.
    #[test]
    fn arbitrary_bytes_give_consistent_entries_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let records = pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"10,1,20,2"), ("mtime", b"1.5")]);
        let mut tar = [
            block("x", b'x', &records),
            block("sparse", b'0', b"abc"),
            block("L", b'L', b"name\0"),
            block("a", b'0', &[1; 600]),
            block("g", b'g', &pax(&[("uid", b"7")])),
            block("d", b'5', b""),
            vec![0; 1024],
        ]
        .concat();
        for (index, byte) in changes {
            let at = index.index(tar.len());
            tar[at] = byte;
        }
        // Otherwise wrong checksums would hide all other cases.
        for header in tar.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
            header[148..156].fill(b' ');
            let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        tar.truncate(tar.len() - cut.index(tar.len()) / 4);
        let mut end = 0;
        for entry in read(&tar).unwrap_or_default() {
            prop_assert!(entry.offset >= end && entry.data_offset > entry.offset);
            end = entry.data_offset + entry.stored_size;
            prop_assert!(end <= tar.len() as u64);
            let mut at = 0;
            for extent in entry.extents {
                prop_assert!(extent.at >= at && extent.length > 0 && extent.offset + extent.length <= end);
                at = extent.at + extent.length;
            }
            prop_assert!(at <= entry.size);
        }
    }
}
