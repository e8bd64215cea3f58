//! Finds private keys in the contents of a file, which pass once.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// The longest match of the expression is shorter.
const LONGEST: usize = 512;

/// The beginning of a [PEM](https://www.rfc-editor.org/rfc/rfc7468) block, or of a block of
/// [OpenPGP](https://www.rfc-editor.org/rfc/rfc9580#section-6.2), with a header or the first
/// characters of a key. Programs contain the first line alone. In JSON, the line feed is `\n`.
/// Without a line feed, only the first characters of ASN.1 and of OpenSSH count: programs have other
/// texts there.
fn expression() -> &'static Regex {
    static EXPRESSION: OnceLock<Regex> = OnceLock::new();
    EXPRESSION.get_or_init(|| {
        let begin = r"-----BEGIN ((?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?)-----[ \t]{0,80}";
        let lines = r"(?:\r\n|\r|\n|\\r\\n|\\n)(?:\s|\\r|\\n){0,80}";
        let characters = r"(?:[A-Za-z0-9+/=](?:\r?\n)?){16}";
        let header = "[A-Za-z][A-Za-z-]{1,31}: ";
        let same_line = "M[A-P][A-Za-z0-9+/=]{22}|b3BlbnNzaC1r[A-Za-z0-9+/=]{12}";
        let text = format!("{begin}(?:{lines}(?:{characters}|{header})|{same_line})");
        let expression = RegexBuilder::new(&text).unicode(false).build();
        expression.expect("the expression is constant")
    })
}

/// Looks for a private key in parts of a file.
#[derive(Default)]
pub(crate) struct KeySearch {
    /// The end of what was read, in which a match may begin.
    tail: Vec<u8>,
    end: u64,
    /// The label of the first block.
    pub(crate) label: Option<String>,
}

impl KeySearch {
    /// Adds a part with its place in the file.
    pub(crate) fn add(&mut self, at: u64, bytes: &[u8]) {
        if self.label.is_some() {
            return;
        }
        // A hole ends any text.
        if at != self.end {
            self.tail.clear();
        }
        self.end = at + bytes.len() as u64;
        self.tail.extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
        self.label = label(&self.tail).or_else(|| label(bytes));
        if bytes.len() > LONGEST {
            self.tail.clear();
            self.tail.extend_from_slice(&bytes[bytes.len() - LONGEST..]);
        }
        let old = self.tail.len().saturating_sub(LONGEST);
        self.tail.drain(..old);
    }
}

fn label(bytes: &[u8]) -> Option<String> {
    let captures = expression().captures(bytes)?;
    Some(String::from_utf8_lossy(captures.get(1)?.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_in(text: &[u8], part: usize) -> Option<String> {
        let mut search = KeySearch::default();
        let mut at = 0;
        for bytes in text.chunks(part) {
            search.add(at, bytes);
            at += bytes.len() as u64;
        }
        search.label
    }

    #[test]
    fn keys_are_found_however_the_file_is_cut() {
        let dashes = "-----";
        let block = |label: &str| format!("{dashes}BEGIN {label}{dashes}");
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ";
        for (label, after) in [
            ("PRIVATE KEY", format!("\n{body}\n")),
            ("ENCRYPTED PRIVATE KEY", format!("\r\n{body}\r\n")),
            ("RSA PRIVATE KEY", format!("\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n{body}")),
            ("EC PRIVATE KEY", format!("\n    {body}")),
            ("OPENSSH PRIVATE KEY", format!("\n{body}")),
            ("PGP PRIVATE KEY BLOCK", format!("\n\n{body}")),
            ("PRIVATE KEY", format!("\\n{body}\\n")),
            ("PRIVATE KEY", format!(" {body}")),
            ("PRIVATE KEY", body.to_owned()),
            ("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAA".to_owned()),
            ("PRIVATE KEY", format!("\r{body}\r")),
            ("PRIVATE KEY", format!("{}\n{body}", " \t".repeat(20))),
            ("PRIVATE KEY", "\nMIIEvQIB\nADANBgkq\nhkiG9w0B\n".to_owned()),
            ("PRIVATE KEY", "\r\nMIIEvQIB\r\nADANBgkq\r\nhkiG9w0B\r\n".to_owned()),
        ] {
            let text =
                format!("{}key: \"{}{after}\"{}", "x".repeat(700), block(label), "y".repeat(900));
            for part in [1, 7, 64, 511, 512, 513, 720, 1 << 20] {
                assert_eq!(
                    label_in(text.as_bytes(), part).as_deref(),
                    Some(label),
                    "{label} {part}"
                );
            }
        }
        for text in [
            format!("{}\n{body}", block("PUBLIC KEY")),
            format!("{}\n{body}", block("CERTIFICATE")),
            // As programs contain it.
            format!("{}\0{}\0{body}", block("PRIVATE KEY"), block("RSA PRIVATE KEY")),
            format!("{}\n\0\0{body}", block("PRIVATE KEY")),
            format!("{} starts a key\n", block("PRIVATE KEY")),
            format!("{} Note: it starts a key", block("PRIVATE KEY")),
            // As programs of Go contain it, without anything between texts.
            format!("{}unsupportedAlgorithmInTheKey", block("PRIVATE KEY")),
            format!("{}{}", block("PRIVATE KEY"), block("RSA PRIVATE KEY")),
            format!("{}\nput your own key here\n", block("PRIVATE KEY")),
            format!("{}\n...\n", block("PRIVATE KEY")),
        ] {
            for part in [1, 100, 1 << 20] {
                assert_eq!(label_in(text.as_bytes(), part), None, "{text:?} {part}");
            }
        }
    }

    #[test]
    fn a_hole_ends_a_block() {
        let mut search = KeySearch::default();
        let begin = format!("{0}BEGIN PRIVATE KEY{0}", "-----");
        search.add(0, begin.as_bytes());
        search.add(4096, b"\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC");
        assert_eq!(search.label, None);
    }
}
