//! Tars of other programs are read as these programs describe them.

mod broken;
#[path = "../../../tests/common/python.rs"]
mod python;

use std::{
    fs,
    io::{Cursor, Write},
    process::Command,
};

use tempfile::tempfile;

use crate::{basics::digest::Digest, tarfile::reader::*};

/// All entries, which must be the same for both ways to read a tar.
fn read(tar: &[u8]) -> Result<Vec<TarEntry>> {
    let streamed = read_with(TarReader::new(tar));
    let skipping = read_with(TarReader::seekable(Cursor::new(tar)).unwrap());
    match (&streamed, &skipping) {
        // If the length is known, a truncated tar is noticed earlier.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(streamed, skipping),
    }
    skipping
}

fn read_with<R: Read>(mut reader: TarReader<R>) -> Result<Vec<TarEntry>> {
    std::iter::from_fn(|| reader.next_entry().transpose()).collect()
}

/// Entries in the format of `list_tar.py`.
fn list(tar: &[u8]) -> Vec<String> {
    let mut file = tempfile().unwrap();
    file.write_all(tar).unwrap();
    let line = |entry: TarEntry| {
        let kind = match entry.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => "file",
            EntryType::Link => "hardlink",
            EntryType::Symlink => "symlink",
            EntryType::Char => "char",
            EntryType::Block => "block",
            EntryType::Directory => "dir",
            EntryType::Fifo => "fifo",
            other => panic!("{other:?}"),
        };
        let end = entry.path.iter().rposition(|&byte| byte != b'/').unwrap() + 1;
        let mode = if kind == "symlink" { 0o777 } else { entry.mode & 0o7777 };
        let (offset, name, link) =
            (entry.offset, entry.path[..end].escape_ascii(), entry.link.escape_ascii());
        let mut line = format!(
            "{offset} {kind} {name} {mode:04o} {}:{} {}",
            entry.uid, entry.gid, entry.mtime
        );
        match kind {
            "hardlink" | "symlink" => line += &format!(" -> {link}"),
            "char" | "block" => line += &format!(" {},{}", entry.device.0, entry.device.1),
            "file" => {
                let mut contents = vec![0xff; entry.size as usize];
                read_extents(&file, &entry.extents, 0, &mut contents).unwrap();
                line += &format!(" {} {}", entry.size, Digest::of(&contents).hex());
            }
            _ => {}
        }
        for (name, value) in &entry.xattrs {
            line += &format!(" {}={}", name.escape_ascii(), value.escape_ascii());
        }
        line
    };
    read(tar).unwrap().into_iter().map(line).collect()
}

#[test]
fn tars_of_python_are_read() {
    for format in ["USTAR", "GNU", "PAX"] {
        let tar = python::make(format);
        assert_eq!(list(&tar), python::python(&tar, &["offsets"]), "{format}");
    }
}

#[test]
fn tars_of_gnu_tar_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"mkdir d && cd d && echo hello > f && ln f h && ln -s f s && mkfifo p && touch -d @5.5 f
        for i in $(seq 0 60); do printf $i | dd of=many-extents bs=1 seek=${i}0000 conv=notrunc status=none; done
        truncate -s 100K all-hole && truncate -s 50K starts && printf x >> starts && truncate -s 99999 starts"#;
    assert!(Command::new("sh").args(["-ec", script]).current_dir(&dir).status().unwrap().success());
    let tar = |options: &[&str], names: &[&str]| {
        let tar = Command::new("tar")
            .args(options)
            .arg("-c")
            .args(names)
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        tar.stdout
    };
    let check = |options: &[&str], sparse| {
        let tar = tar(options, &["d"]);
        assert_eq!(list(&tar), python::python(&tar, &["offsets"]), "{options:?}");
        assert_eq!(
            read(&tar).unwrap().iter().filter(|entry| entry.sparse).count(),
            sparse,
            "{options:?}"
        );
    };
    check(&["--format=v7", "--exclude=p"], 0);
    check(&["--format=ustar"], 0);
    assert!(
        Command::new("touch")
            .args(["-d", "@-5.5", "d/f"])
            .current_dir(&dir)
            .status()
            .unwrap()
            .success()
    );
    check(&["--format=gnu"], 0);
    check(&["--format=posix"], 0);
    check(&["--format=gnu", "--sparse"], 3);
    check(&["--format=oldgnu", "--sparse"], 3);
    for version in ["0.0", "0.1", "1.0"] {
        check(&["--format=posix", "--sparse", &format!("--sparse-version={version}")], 3);
    }
    // A name of 300 bytes, and a link to it.
    let long = ["x".repeat(149), "y".repeat(150)];
    fs::create_dir(dir.path().join(&long[0])).unwrap();
    std::os::unix::fs::symlink(long.join("/"), dir.path().join(long.join("/"))).unwrap();
    for (format, gnu) in [("gnu", true), ("oldgnu", true), ("posix", false)] {
        let tar = tar(&[&format!("--format={format}")], &[&long[0]]);
        assert_eq!(list(&tar), python::python(&tar, &["offsets"]), "{format}");
        assert!(read(&tar).unwrap().iter().all(|entry| entry.gnu == gnu), "{format}");
    }
}

/// A header with a name, a type, and contents.
fn block(name: &str, kind: u8, contents: &[u8]) -> Vec<u8> {
    changed_block(name, kind, contents, |_| ())
}

fn changed_block(
    name: &str,
    kind: u8,
    contents: &[u8],
    change: impl FnOnce(&mut [u8; BLOCK]),
) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(EntryType::new(kind));
    header.set_size(contents.len() as u64);
    for set in [tar::Header::set_uid, tar::Header::set_gid] {
        set(&mut header, 0);
    }
    header.set_mode(0o644);
    header.set_mtime(0);
    change(header.as_mut_bytes());
    header.set_cksum();
    let mut blocks = header.as_bytes().to_vec();
    blocks.extend_from_slice(contents);
    blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    blocks
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|length| *length == rest + length.to_string().len()).unwrap();
        bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

fn first(tar: Vec<u8>) -> Result<TarEntry> {
    read(&tar).map(|mut entries| entries.remove(0))
}

fn reason(tar: Vec<u8>) -> String {
    first(tar).unwrap_err().reason
}

#[test]
fn extended_headers_override_headers() {
    let local = pax(&[
        ("path", b"from-pax"),
        ("uid", b"4000000000"),
        ("mtime", b"-0.5"),
        ("SCHILY.xattr.user.newline", b"a\nb=c"),
        ("comment", b"not looked at"),
    ]);
    let entry = first([block("pax", b'x', &local), block("name", b'0', b"x")].concat()).unwrap();
    assert_eq!((&entry.path[..], entry.uid, entry.mtime), (&b"from-pax"[..], 4_000_000_000, -1));
    assert_eq!(entry.xattrs, BTreeMap::from([(b"user.newline".to_vec(), b"a\nb=c".to_vec())]));
    assert_eq!((entry.offset, entry.data_offset, entry.gnu), (0, 1536, false));

    // Global records apply to all entries that follow, with lower precedence than local ones. An
    // empty value revokes a record.
    let global = block(
        "g",
        b'g',
        &pax(&[("uid", b"7"), ("mtime", b"1.9"), ("SCHILY.xattr.user.all", b"1")]),
    );
    let local = block("x", b'x', &pax(&[("uid", b"8"), ("mtime", b"")]));
    let entries =
        read(&[global, block("a", b'0', b""), local, block("b", b'0', b"")].concat()).unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry.offset, entry.uid, entry.mtime, entry.xattrs.len()))
        .collect();
    assert_eq!(said, [(1024, 7, 1, 1), (1536, 8, 0, 1)]);

    let time = |text: &str| {
        let records = pax(&[("mtime", text.as_bytes())]);
        let tar = [block("x", b'x', &records), block("a", b'0', b"")].concat();
        let entry = first(tar).unwrap();
        (entry.mtime, entry.nanoseconds)
    };
    // As GNU tar extracts them.
    for (text, expected) in [
        ("1.9", (1, 900_000_000)),
        ("5.123456789123", (5, 123_456_789)),
        ("7.", (7, 0)),
        ("-5.75", (-6, 250_000_000)),
        ("-0.5", (-1, 500_000_000)),
        ("-3.0", (-3, 0)),
        ("-0.9999999991", (-1, 0)),
        ("-0.0000000001", (-1, 999_999_999)),
    ] {
        assert_eq!(time(text), expected, "{text}");
    }

    let device =
        block("x", b'x', &pax(&[("SCHILY.devmajor", b"4294967295"), ("SCHILY.devminor", b"5")]));
    assert_eq!(first([device, block("c", b'3', b"")].concat()).unwrap().device, (u32::MAX, 5));
    // Long names of GNU tar have lower precedence than those of pax.
    let names = [
        block("L", b'L', b"long\0"),
        block("x", b'x', &pax(&[("path", b"pax")])),
        block("a", b'0', b""),
    ];
    assert_eq!(first(names.concat()).unwrap().path, b"pax");
}

/// GNU tar 1.34 extracts these as `second`, without a time from the first header, and so do bsdtar
/// and Go.
#[test]
fn of_repeated_extended_headers_the_later_one_counts() {
    let entry = block("name", b'0', b"");
    let pax = |records: &[(&str, &[u8])]| block("x", b'x', &pax(records));
    let twice =
        [pax(&[("path", b"first"), ("mtime", b"77")]), pax(&[("path", b"second")]), entry.clone()]
            .concat();
    let found = first(twice).unwrap();
    assert_eq!(
        (&found.path[..], found.mtime, &found.oddities[..]),
        (&b"second"[..], 0, &[Oddity::RepeatedHeader][..])
    );
    let long = |name: &[u8]| block("L", b'L', name);
    let found = first([long(b"first\0"), long(b"second\0"), entry.clone()].concat()).unwrap();
    assert_eq!(
        (&found.path[..], &found.oddities[..]),
        (&b"second"[..], &[Oddity::RepeatedHeader][..])
    );
    // A pax header and a long name have different types, and can be in any order.
    for headers in
        [[pax(&[("path", b"pax")]), long(b"gnu\0")], [long(b"gnu\0"), pax(&[("path", b"pax")])]]
    {
        let found = first([headers.concat(), entry.clone()].concat()).unwrap();
        assert_eq!((&found.path[..], &found.oddities[..]), (&b"pax"[..], &[][..]));
    }
}

#[test]
fn headers_that_some_readers_refuse_are_recorded() {
    let records = pax(&[("path", b"new")]);
    let found = first([block("X", b'X', &records), block("name", b'0', b"")].concat()).unwrap();
    assert_eq!((&found.path[..], &found.oddities[..]), (&b"new"[..], &[Oddity::SolarisHeader][..]));
    let global = block("g", b'g', &pax(&[("comment", b"0123")]));
    let entries = read(&[global, block("a", b'0', b""), block("b", b'0', b"")].concat()).unwrap();
    let oddities: Vec<_> = entries.iter().map(|entry| &entry.oddities[..]).collect();
    assert_eq!(oddities, [&[Oddity::GlobalHeader][..], &[]]);
    let text = |kind| {
        changed_block("name", kind, b"", |block| block[329..337].copy_from_slice(b"no digit"))
    };
    assert_eq!(first(text(b'0')).unwrap().oddities, [Oddity::DeviceNumber]);
    assert_eq!(
        first(text(b'3')).unwrap_err().reason,
        "the major device number is not an octal number"
    );
}

#[test]
fn a_header_is_known_by_its_checksum() {
    let old = changed_block("name", 0, b"", |block| block[257..].fill(0));
    assert!(is_tar_header(&old) && is_tar_header(&block("name", b'0', b"contents")));
    let mut flipped = old.clone();
    flipped[3] ^= 1;
    assert!(!is_tar_header(&flipped) && !is_tar_header(&old[..511]) && !is_tar_header(&[0; BLOCK]));
}

#[test]
fn old_and_foreign_headers_are_read() {
    let field = |at: usize, bytes: &'static [u8]| {
        move |block: &mut [u8; BLOCK]| block[at..][..bytes.len()].copy_from_slice(bytes)
    };
    let entry =
        |change: fn(&mut [u8; BLOCK])| first(changed_block("name", b'0', b"", change)).unwrap();
    // A directory in the form from before there was a type for it.
    let old = changed_block("name/", 0, b"", |block| {
        block[156] = 0;
        block[257..].fill(0);
    });
    assert_eq!(first(old).unwrap().kind, EntryType::Directory);
    // star has times at the end of the prefix. GNU tar never has a prefix, but other values in its
    // place.
    let star = entry(|block| {
        block[345..348].copy_from_slice(b"dir");
        block[476..487].copy_from_slice(b"01234567012");
        block[508..512].copy_from_slice(b"tar\0");
    });
    assert_eq!(star.path, b"dir/name");
    let gnu = entry(|block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..357].copy_from_slice(b"01234567012\0");
    });
    assert_eq!(gnu.path, b"name");
    assert_eq!(entry(|block| block[345..348].copy_from_slice(b"dir")).path, b"dir/name");

    let mtime = |bytes: &'static [u8]| {
        first(changed_block("name", b'0', b"", field(136, bytes)))
            .map(|entry| (entry.mtime, entry.gnu))
    };
    assert_eq!(mtime(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Ok((-2, true)));
    assert_eq!(mtime(b"\x80\0\0\0\0\0\0\x01\0\0\0\0"), Ok((1 << 32, true)));
    assert_eq!(mtime(b"  17 \0rubbish"), Ok((0o17, false)));
    assert_eq!(mtime(b"777777777777"), Ok(((1 << 36) - 1, false)));
    assert_eq!(mtime(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Ok((0, false)));
    assert_eq!(
        mtime(b"\x80\0\0\xff\0\0\0\0\0\0\0\0").unwrap_err().reason,
        "the modification time does not fit 64 bits"
    );
    assert_eq!(
        mtime(b"00000000008\0").unwrap_err().reason,
        "the modification time is not an octal number"
    );
    let uid =
        first(changed_block("name", b'0', b"", field(108, b"\xff\xff\xff\xff\xff\xff\xff\xff")));
    assert_eq!(uid.unwrap_err().reason, "the owner is negative: -1");

    // Some writers summed signed bytes.
    let mut signed = block("n\u{e4}me", b'0', b"");
    let sum: i64 = signed
        .iter()
        .enumerate()
        .map(|(at, &b)| if (148..156).contains(&at) { 32 } else { i64::from(b as i8) })
        .sum();
    signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(first(signed).unwrap().path, "n\u{e4}me".as_bytes());
    // A meaningless size.
    let link = changed_block("link", b'1', b"", field(124, b"00000001000\0"));
    let entries = read(&[link, block("next", b'0', b"")].concat()).unwrap();
    assert_eq!(
        (entries[0].size, entries[0].stored_size, &entries[1].path[..]),
        (512, 0, &b"next"[..])
    );
}

#[test]
fn endings_are_distinguished() {
    let ending = |rest: &[u8]| {
        let tar = [&block("a", b'0', b"x")[..], rest].concat();
        let endings = [TarReader::new(&tar[..]).ending(), TarReader::new(&tar[..]).ending()];
        assert_eq!(endings[0], endings[1]);
        let Ending { zero_blocks, garbage } = endings[0].clone()?;
        Ok::<_, TarError>((zero_blocks, garbage))
    };
    assert_eq!(ending(&[]), Ok((0, None)));
    assert_eq!(ending(&[0; 512]), Ok((1, None)));
    assert_eq!(ending(&[0; 700]), Ok((1, None)));
    assert_eq!(ending(&[0; 1024]), Ok((2, None)));
    assert_eq!(ending(&[0; 10240]), Ok((2, None)));
    assert_eq!(ending(&[&[0; 512][..], &block("b", b'0', b"")].concat()), Ok((1, Some(1536))));
    assert_eq!(ending(&[&[0; 100_000][..], b"x"].concat()), Ok((2, Some(101_024))));
    assert_eq!(ending(&[0; 100]).unwrap_err().offset, 1124);
}

#[test]
fn what_is_in_the_buffer_never_remains_between_extents() {
    let mut tar = tempfile::tempfile().unwrap();
    tar.write_all(b"abcdef").unwrap();
    let extents = [Extent { at: 2, length: 2, offset: 0 }, Extent { at: 6, length: 3, offset: 3 }];
    let whole = b"\0\0ab\0\0def\0\0";
    for at in 0..whole.len() {
        for end in at..=whole.len() {
            let mut buffer = vec![b'x'; end - at];
            read_extents(&tar, &extents, at as u64, &mut buffer).unwrap();
            assert_eq!(buffer, whole[at..end], "{at}..{end}");
        }
    }
}
