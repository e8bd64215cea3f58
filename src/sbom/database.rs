//! SQLite databases from images, which may come from strangers.

use std::io::Read;

use rusqlite::{Connection, Result, limits::Limit};

/// Opens a database in memory. Its values have at most a megabyte, unless the caller changes that,
/// the number of steps is limited, and these tables compute nothing. The error is a message.
pub(crate) fn open(bytes: &[u8], tables: &[&str]) -> Result<Connection, String> {
    let connection = in_memory(bytes).map_err(|error| error.to_string())?;
    for table in tables {
        if !is_stored(&connection, table).map_err(|error| error.to_string())? {
            return Err(format!("it has no table {table} whose values are stored"));
        }
    }
    Ok(connection)
}

fn in_memory(bytes: &[u8]) -> Result<Connection> {
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

/// Whether all values of a table are in the file. A view, a virtual table and a generated column
/// compute theirs, for as long as they like.
fn is_stored(connection: &Connection, table: &str) -> Result<bool> {
    let stored = "select count(*) from sqlite_schema \
                  where name = ? and type = 'table' and rootpage > 0";
    let computed = "select count(*) from pragma_table_xinfo(?) where hidden <> 0";
    let count = |query: &str| connection.query_row(query, [table], |row| row.get::<_, i64>(0));
    Ok(count(stored)? == 1 && count(computed)? == 0)
}
