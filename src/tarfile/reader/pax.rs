//! The records of pax extended headers.

use std::collections::BTreeMap;

/// The maximum total size of the records for all entries. Each entry has to process them again, and
/// typical tars have only a comment there, or nothing.
const MAX_GLOBAL: usize = 8 << 10;

/// The records of one header, in their order. A later one takes precedence, except for sparse maps,
/// whose keywords repeat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

/// The records that apply to all entries that follow.
#[derive(Default)]
pub(crate) struct Global(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    /// Parses records of the form `LENGTH KEYWORD=VALUE\n`, where the length includes everything.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let broken =
            || "an extended header has a record that is not LENGTH KEYWORD=VALUE".to_owned();
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&byte| byte == b' ').ok_or_else(broken)?;
            let length = usize::try_from(decimal(&bytes[..space]).ok_or_else(broken)?)
                .map_err(|_| broken())?;
            let record = bytes
                .get(space + 1..length)
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or_else(broken)?;
            let equals = record
                .iter()
                .position(|&byte| byte == b'=')
                .filter(|&at| at > 0)
                .ok_or_else(broken)?;
            records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            bytes = &bytes[length..];
        }
        Ok(Self(records))
    }

    /// These records, with the global ones as defaults.
    pub(crate) fn over(self, global: &Global) -> Self {
        let global = global.0.iter().map(|(key, value)| (key.clone(), value.clone()));
        Self(global.chain(self.0).collect())
    }

    /// All records, in their order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    /// Whether Go's
    /// [`archive/tar`](https://cs.opensource.google/go/go/+/refs/tags/go1.24.0:src/archive/tar/reader.go)
    /// refuses a record that this reader ignores or accepts: `validPAXRecord` and `mergePAX`.
    pub(crate) fn go_refuses(&self) -> bool {
        self.iter().any(|(key, value)| {
            let number = |value: &[u8]| {
                let (negative, digits) = match value.split_first() {
                    Some((sign @ (b'-' | b'+'), digits)) => (*sign == b'-', digits),
                    _ => (false, value),
                };
                let most = i64::MAX as u64 + u64::from(negative);
                decimal(digits).is_some_and(|number| number <= most)
            };
            match key {
                // The user of the entry checks its path.
                b"path" => false,
                b"linkpath" | b"uname" | b"gname" => value.contains(&0),
                key if key.contains(&0) => true,
                _ if value.is_empty() => false,
                // Systems support owners up to 2^64 - 1.
                b"uid" | b"gid" => !number(value) && decimal(value).is_none(),
                b"size" => !number(value),
                b"atime" | b"ctime" | b"mtime" => {
                    let (seconds, fraction) = value
                        .split_at(value.iter().position(|&b| b == b'.').unwrap_or(value.len()));
                    !number(seconds) || !fraction.iter().skip(1).all(u8::is_ascii_digit)
                }
                _ => false,
            }
        })
    }

    /// The value of a keyword. An empty value revokes earlier ones.
    pub(crate) fn get(&self, keyword: &str) -> Option<&[u8]> {
        let mut records = self.iter().rev();
        records
            .find(|(key, _)| *key == keyword.as_bytes())
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn text(&self, keyword: &str) -> Option<Vec<u8>> {
        self.get(keyword).map(<[u8]>::to_vec)
    }

    pub(crate) fn number(&self, keyword: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        // Sizes are added to file offsets, which are signed in the system. Owners are only numbers.
        let fits =
            |number: &u64| matches!(keyword, "uid" | "gid") || i64::try_from(*number).is_ok();
        decimal(value).filter(fits).map(Some).ok_or_else(|| unfit(keyword, value))
    }

    /// Whole seconds, rounded down, and the nanoseconds after them.
    pub(crate) fn time(&self, keyword: &str) -> Result<Option<(i64, u32)>, String> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let time = || {
            let (negative, digits) =
                value.strip_prefix(b"-").map_or((false, value), |digits| (true, digits));
            let point = digits.iter().position(|&byte| byte == b'.');
            let (seconds, fraction) = digits.split_at(point.unwrap_or(digits.len()));
            let fraction = fraction.get(1..).unwrap_or_default();
            let seconds = i128::from(decimal(seconds)?);
            if !fraction.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // In nanoseconds, rounded down too.
            let digit = |at| fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'));
            let rest = (0..9).fold(0, |number, at| number * 10 + digit(at));
            let below = fraction.iter().skip(9).any(|&digit| digit != b'0');
            let (seconds, rest) = match (negative, rest + u32::from(negative && below)) {
                (true, 0) => (-seconds, 0),
                (true, rest) => (-seconds - 1, 1_000_000_000 - rest),
                (false, rest) => (seconds, rest),
            };
            Some((i64::try_from(seconds).ok()?, rest))
        };
        time().map(Some).ok_or_else(|| unfit(keyword, value))
    }

    /// Extended attributes, with the keywords of star, GNU tar and Go.
    pub(crate) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let named = self
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?, value)));
        named.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }
}

impl Global {
    /// Adds records, which override existing ones.
    pub(crate) fn update(&mut self, records: Records) -> Result<(), String> {
        self.0.extend(records.0);
        let bytes: usize = self.0.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_GLOBAL {
            return Err(format!(
                "the global extended headers have more than {MAX_GLOBAL} bytes in total"
            ));
        }
        Ok(())
    }
}

/// Parses a number that consists only of decimal digits.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unfit(keyword: &str, value: &[u8]) -> String {
    format!(
        "an extended header has the invalid record {keyword}={}",
        String::from_utf8_lossy(value).escape_debug()
    )
}
