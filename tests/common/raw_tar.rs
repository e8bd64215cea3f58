//! Tars made byte by byte, because no library writes invalid ones.

/// A header and its contents, padded.
pub fn entry(name: &str, flag: u8, link: &str, contents: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", contents.len()).as_bytes());
    put(136, b"00000000001\0");
    put(148, b"        ");
    put(156, &[flag]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let mut bytes = with_checksum(header).to_vec();
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn with_checksum(mut header: [u8; 512]) -> [u8; 512] {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

pub fn file(name: &str, contents: &[u8]) -> Vec<u8> {
    entry(name, b'0', "", contents)
}

pub fn directory(name: &str) -> Vec<u8> {
    entry(name, b'5', "", b"")
}

pub fn hard_link(name: &str, target: &str) -> Vec<u8> {
    entry(name, b'1', target, b"")
}

pub fn symlink(name: &str, target: &str) -> Vec<u8> {
    entry(name, b'2', target, b"")
}

/// A file whose path, or anything else, is in a pax header.
pub fn pax(records: &[(&str, &str)], of: &[u8]) -> Vec<u8> {
    let mut contents = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|length| length.to_string().len() + rest == *length).unwrap();
        contents.extend(format!("{length} {key}={value}\n").into_bytes());
    }
    [entry("pax", b'x', "", &contents), of.to_vec()].concat()
}

/// Entries and the two blocks at the end.
pub fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.resize(tar.len() + 1024, 0);
    tar
}
