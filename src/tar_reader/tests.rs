//! What other programs wrote is read as they say it is; what is broken is an error, and nothing else.

use std::{
    io::{Cursor, Read},
    process::Command,
};

use super::*;

/// All entries with their contents, by both ways to read a tar.
fn read(tar: &[u8]) -> Result<Vec<(TarEntry, Vec<u8>)>, TarError> {
    let mut streamed = Vec::new();
    let mut reader = TarReader::new(tar);
    while let Some(entry) = reader.next_entry()? {
        let mut contents = Vec::new();
        reader.contents(&entry).read_to_end(&mut contents).unwrap();
        streamed.push((entry, contents));
    }
    let mut reader = TarReader::seekable(Cursor::new(tar)).unwrap();
    for (streamed, _) in &streamed {
        assert_eq!(reader.next_entry()?.as_ref(), Some(streamed));
    }
    assert_eq!(reader.next_entry()?, None);
    Ok(streamed)
}

#[test]
fn gnu_tar_writes_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mkdir d && echo hello > d/f && ln d/f d/h && ln -s f d/s && mkfifo d/p && truncate -s 1M d/z &&
        printf x | dd of=d/z bs=1 seek=500000 conv=notrunc status=none && touch -d @-5.5 d/f && mkdir -p d/$(printf %090d 1)/$(printf %090d 2) &&
        echo long > d/$(printf %090d 1)/$(printf %090d 2)/$(printf %090d 3) && ls -R d > /dev/null";
    assert!(Command::new("sh").args(["-c", script]).current_dir(&dir).status().unwrap().success());
    for options in [
        &["--format=gnu", "--sparse"][..],
        &["--format=pax", "--sparse"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=gnu"],
        &["--format=oldgnu"],
    ] {
        let tar =
            Command::new("tar").args(options).args(["--sort=name", "-c", "d"]).current_dir(&dir).output().unwrap();
        assert!(tar.status.success(), "{tar:?}");
        assert_eq!(read(&tar.stdout).unwrap().len(), 8);
    }
}
