//! SQLite databases from images, which may come from strangers.

use std::io::Read;

use rusqlite::{Connection, Result, limits::Limit};

/// Opens a database in memory. Its values have at most a megabyte, unless the caller changes that,
/// and the number of steps is limited, whatever its tables compute.
pub(crate) fn open(bytes: &[u8]) -> Result<Connection> {
    /// In thousands. The databases of a million paths take fewer.
    const MOST_STEPS: u32 = 100_000;
    let mut connection = Connection::open_in_memory()?;
    // A database in memory has no log beside it: it must not say that it has one
    // (https://www.sqlite.org/fileformat2.html#file_format_version_numbers).
    let (head, rest) = bytes.split_at(bytes.len().min(18));
    let versions: &[u8] = if rest.starts_with(&[2, 2]) { &[1, 1] } else { &[] };
    let all = head.chain(versions).chain(&rest[versions.len()..]);
    connection.deserialize_read_exact("main", all, bytes.len(), true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20)?;
    let mut steps = 0;
    let ends = move || {
        steps += 1;
        steps > MOST_STEPS
    };
    connection.progress_handler(1000, Some(ends))?;
    Ok(connection)
}
