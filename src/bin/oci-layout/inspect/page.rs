//! Why an image is as large as it is, as one page for a browser.
//!
//! The page contains the explanation as JSON, and a script that shows it. The script makes text of
//! it and never markup, and the page's policy allows this script only, and no network.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_layout::{Digest, Result, WriteOptions};
use serde::{Serialize, Serializer};

use super::explanation::{Explanation, FilePart};
use crate::{errors, output::OutputFile};

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(include_str!("page/treemap.js"), include_str!("page/page.js"));

/// Writes the page. It appears at its path when it is complete.
pub(super) fn write(path: &Path, explanation: &Explanation<'_>) -> Result<()> {
    let mut file = OutputFile::claim(path, WriteOptions::default())?;
    page(&mut BufWriter::new(&mut file), explanation).map_err(errors::write(path))?;
    file.keep()
}

fn page(out: &mut impl Write, explanation: &Explanation<'_>) -> io::Result<()> {
    let template = TEMPLATE
        .replace("{style hash}", &hash(STYLE))
        .replace("{script hash}", &hash(SCRIPT))
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT);
    let (before, after) = template.split_once("{data}").unwrap_or((&template, ""));
    out.write_all(before.as_bytes())?;
    serde_json::to_writer(InScript(&mut *out), &explanation.with_files(CompactFile))?;
    out.write_all(after.as_bytes())?;
    out.flush()
}

/// A source of a content security policy: <https://www.w3.org/TR/CSP3/#grammardef-hash-source>.
fn hash(text: &str) -> String {
    let hex = Digest::of(text).hex();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_default();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    format!("'sha256-{}'", BASE64_STANDARD.encode(bytes))
}

#[derive(Clone, Copy)]
struct CompactFile<'a>(FilePart<'a>);

/// Path, size, layer, state, and the layer that overwrites or deletes the file.
impl Serialize for CompactFile<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(part) = self;
        let (state, by) = part.state();
        (part.path(), part.0.size, part.0.layer, &state[..1], by).serialize(serializer)
    }
}

/// JSON in a script element, which `</script` would end and `<!--` would change:
/// <https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>.
struct InScript<W>(W);

impl<W: Write> Write for InScript<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'<') {
            match part.strip_suffix(b"<") {
                Some(text) => {
                    self.0.write_all(text)?;
                    self.0.write_all(br"\u003c")?;
                }
                None => self.0.write_all(part)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
