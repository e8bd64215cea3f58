//! The JSON form of a layer's files and options: what `oci-layout layer-tar --spec` and the Nix functions take.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    layer_tar::{Attribute, Attributes, Compression, FileMapping, LayerOptions, OnConflict, PermissionRule, Source},
};

/// A layer's files and options, read from JSON.
///
/// The specification of a layer is an object. Every member may be left out or `null`:
///
/// | member | value | without it |
/// |---|---|---|
/// | `files` | a list of files, see below | no files |
/// | `compression` | as [`Compression`] is written; `""` is `"none"` | `"gzip"` |
/// | `mtime` | seconds since 1970, a number | 1 |
/// | `owner` | `{ "uid": NUMBER, "gid": NUMBER }`, the owner of what has none of its own | root |
/// | `perms` | a list of `{ "glob", "mode", "uid", "gid" }`, applied in this order; see [`PermissionRule`] | none |
/// | `onConflict` | `"error"`, `"first"` or `"last"`: which of two files at one path wins | `"error"` |
/// | `hardLinks` | whether identical files become hard links | `false` |
///
/// A file is an object with exactly one of the members that say what it is:
///
/// | member | value | what lands at the destination |
/// |---|---|---|
/// | `source` | path | the file, or the contents of the folder, that is there |
/// | `text` | string | a file with this text |
/// | `base64` | string | a file with these bytes |
/// | `symlink` | path | a symbolic link with this target |
/// | `directory` | `true` | a directory |
/// | `whiteout` | `true` | the mark that removes the destination from the layers below |
/// | `opaqueWhiteout` | `true` | the mark that empties the directory of what the layers below have in it |
/// | `tar` | path | the entries of this tar (plain, gzip or zstd) |
///
/// and those that say where and how:
///
/// | member | value | without it |
/// |---|---|---|
/// | `destination` | path in the image | the `source`; needed with any other |
/// | `follow` | whether a source that is a symbolic link is followed | `true` |
/// | `include` | a list of globs on paths in a source folder: only these | everything |
/// | `exclude` | a list of globs on paths in a source folder: not these | nothing |
/// | `mode` | a string of octal digits (`"0755"`), or `"keep"` for what the source has | 0755 or 0644 |
/// | `uid`, `gid` | a number, or `"keep"` | the layer's `owner` |
/// | `mtime` | seconds since 1970, a number, or `"keep"` | the layer's `mtime` |
/// | `xattrs` | `{ NAME: BASE64 }`, or `"keep"` | none |
///
/// A path is a string, or `{ "base64": STRING }` where it is not UTF-8. Relative sources are relative to the working
/// directory.
///
/// ```
/// use oci_layout::{LayerSpec, layer_tar};
/// use serde_json::json;
/// let LayerSpec { files, options } = LayerSpec::from_value(json!({
///     "files": [
///         { "text": "PORT=80\n", "destination": "/etc/app.conf", "mode": "0600", "uid": 1000 },
///         { "directory": true, "destination": "/tmp", "mode": "1777" },
///     ],
///     "compression": "zstd:9",
/// }))?;
/// layer_tar(files, options)?;
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// The mappings, in their order.
    pub files: Vec<FileMapping>,
    /// The options.
    pub options: LayerOptions,
}

const LAYER_MEMBERS: &[&str] = &["files", "compression", "mtime", "owner", "perms", "onConflict", "hardLinks"];

/// What a file can be; one of them must be there.
const SOURCES: &[&str] = &["source", "text", "base64", "symlink", "directory", "whiteout", "opaqueWhiteout", "tar"];

const FILE_MEMBERS: &[&str] = &["destination", "follow", "include", "exclude", "mode", "uid", "gid", "mtime", "xattrs"];

impl LayerSpec {
    /// Reads the JSON that the table above describes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a member that does not exist, a value of the wrong type, a file that is two things or
    /// none; it names the file by its place in the list, from 0, and its destination. [`Error::Compression`] for a
    /// compression that does not exist.
    pub fn from_value(spec: Value) -> Result<Self> {
        let mut spec = Members::new("layer specification".to_owned(), spec, &[LAYER_MEMBERS])?;
        let default = LayerOptions::default();
        let options = LayerOptions {
            compression: match spec.take("compression", string)?.as_deref() {
                None => default.compression,
                Some("") => Compression::NONE,
                Some(text) => text.parse()?,
            },
            mtime: spec.take("mtime", seconds)?.unwrap_or(default.mtime),
            owner: match spec.take("owner", Ok)? {
                None => default.owner,
                Some(owner) => {
                    let mut owner = Members::new("owner".to_owned(), owner, &[&["uid", "gid"]])?;
                    (owner.take("uid", number)?.unwrap_or(0), owner.take("gid", number)?.unwrap_or(0))
                }
            },
            permissions: each(spec.take("perms", list)?, permission_rule)?,
            on_conflict: spec.take("onConflict", on_conflict)?.unwrap_or_default(),
            hard_links: spec.take("hardLinks", boolean)?.unwrap_or(default.hard_links),
            ..default
        };
        Ok(Self { files: each(spec.take("files", list)?, file)?, options })
    }
}

fn file(index: usize, value: Value) -> Result<FileMapping> {
    let mut file = Members::new(format!("files[{index}]"), value, &[SOURCES, FILE_MEMBERS])?;
    // What people look for is the destination; the place in the list is for programs that wrote the list.
    let destination = file.take("destination", path)?;
    let shown = destination.clone().or_else(|| path(file.members.get("source")?.clone()).ok());
    if let Some(shown) = shown {
        file.what = format!("files[{index}] ({shown:?})");
    }
    let source = source(&mut file)?;
    let destination = match (destination, &source) {
        (Some(destination), _) => destination,
        (None, Source::Path(path)) => path.clone(),
        (None, _) => return Err(file.refuse("it has no destination, which only a source has by itself: give one")),
    };
    Ok(FileMapping {
        follow: file.take("follow", boolean)?.unwrap_or(true),
        include: file.take("include", strings)?.unwrap_or_default(),
        exclude: file.take("exclude", strings)?.unwrap_or_default(),
        attributes: Attributes {
            mode: file.attribute("mode", mode)?,
            uid: file.attribute("uid", number)?,
            gid: file.attribute("gid", number)?,
            mtime: file.attribute("mtime", seconds)?,
            xattrs: file.attribute("xattrs", xattrs)?,
        },
        ..FileMapping::from_source(source, destination)
    })
}

fn source(file: &mut Members) -> Result<Source> {
    // A mark that is not set is not there.
    let is_given = |name: &&&str| file.members.get(**name).is_some_and(|value| !matches!(value, Value::Bool(false)));
    let given: Vec<&str> = SOURCES.iter().filter(is_given).copied().collect();
    let [name] = given[..] else {
        return Err(file.refuse(match &given[..] {
            [] => format!("it does not say what the file is: give one of {}", SOURCES.join(", ")),
            several => format!("it is two things, {}: give one", several.join(" and ")),
        }));
    };
    let mark = |value| match value {
        Value::Bool(true) => Ok(()),
        _ => Err("it is true, or left out".to_owned()),
    };
    let source = match name {
        "source" => file.take(name, path)?.map(Source::Path),
        "text" => file.take(name, string)?.map(|text| Source::Bytes(text.into_bytes().into())),
        "base64" => file.take(name, bytes)?.map(|bytes| Source::Bytes(bytes.into())),
        "symlink" => file.take(name, path)?.map(Source::Symlink),
        "directory" => file.take(name, mark)?.map(|()| Source::Directory),
        "whiteout" => file.take(name, mark)?.map(|()| Source::Whiteout),
        "opaqueWhiteout" => file.take(name, mark)?.map(|()| Source::OpaqueWhiteout),
        _ => file.take(name, path)?.map(Source::Tar),
    };
    Ok(source.expect("it was found to be there"))
}

fn permission_rule(index: usize, value: Value) -> Result<PermissionRule> {
    let mut rule = Members::new(format!("perms[{index}]"), value, &[&["glob", "mode", "uid", "gid"]])?;
    let Some(glob) = rule.take("glob", string)? else {
        return Err(rule.refuse("it has no glob: give one that matches destinations, as in \"bin/*\""));
    };
    Ok(PermissionRule {
        glob,
        mode: rule.take("mode", mode)?,
        uid: rule.take("uid", number)?,
        gid: rule.take("gid", number)?,
    })
}

fn each<T>(list: Option<Vec<Value>>, read: impl Fn(usize, Value) -> Result<T>) -> Result<Vec<T>> {
    list.into_iter().flatten().enumerate().map(|(index, value)| read(index, value)).collect()
}

/// The members of an object that were not read yet, and how a message names it.
struct Members {
    what: String,
    members: Map<String, Value>,
}

impl Members {
    fn new(what: String, value: Value, known: &[&[&str]]) -> Result<Self> {
        let Value::Object(mut members) = value else {
            return Err(Error::invalid(what, format!("it is a JSON object, and this is not: {value}")));
        };
        let known = known.concat();
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Error::invalid(what, format!("there is no member {name:?}; there are {}", known.join(", "))));
        }
        members.retain(|_, value| !value.is_null());
        Ok(Self { what, members })
    }

    fn take<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Result<Option<T>> {
        let value = self.members.remove(name).map(read).transpose();
        value.map_err(|reason| Error::invalid(format!("{}, {name}", self.what), reason))
    }

    fn attribute<T>(&mut self, name: &str, read: fn(Value) -> Result<T, String>) -> Result<Attribute<T>> {
        let read = |value| match value {
            Value::String(keep) if keep == "keep" => Ok(Attribute::Keep),
            value => read(value).map(Attribute::Set).map_err(|reason| reason + "; or it is \"keep\""),
        };
        Ok(self.take(name, read)?.unwrap_or_default())
    }

    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::invalid(&self.what, reason)
    }
}

fn string(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("it is a string, and this is not: {other}")),
    }
}

fn boolean(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("it is true or false, and this is not: {value}"))
}

fn number(value: Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("it is a number from 0 on, and this is not: {value}"))
}

fn seconds(value: Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("it is a whole number of seconds since 1970, and this is not: {value}"))
}

fn list(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(format!("it is a list, and this is not: {other}")),
    }
}

fn strings(value: Value) -> Result<Vec<String>, String> {
    list(value)?.into_iter().map(string).collect()
}

fn bytes(value: Value) -> Result<Vec<u8>, String> {
    let text = string(value)?;
    STANDARD.decode(&text).map_err(|error| format!("it is in base64, and this is not: {text:?} ({error})"))
}

fn path(value: Value) -> Result<PathBuf, String> {
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Object(mut members) if members.len() == 1 && members.contains_key("base64") => {
            bytes(members.remove("base64").unwrap_or_default()).map(|bytes| OsString::from_vec(bytes).into())
        }
        other => Err(format!("it is a path, a string or {{ \"base64\": STRING }}, and this is not: {other}")),
    }
}

/// Octal, and so never a JSON number: `755` would be read as decimal, and nobody would notice.
fn mode(value: Value) -> Result<u32, String> {
    if value.is_number() {
        return Err(format!("write the octal digits as a string, as in \"0755\", and not {value}"));
    }
    let octal = |text: &str| (text.len() <= 4).then(|| u32::from_str_radix(text, 8).ok()).flatten();
    // `from_str_radix` takes a sign too.
    let mode = value.as_str().filter(|text| !text.starts_with('+')).and_then(octal);
    mode.ok_or_else(|| format!("it is a string of up to four octal digits, as in \"0755\", and this is not: {value}"))
}

fn xattrs(value: Value) -> Result<BTreeMap<OsString, Vec<u8>>, String> {
    let Value::Object(members) = value else {
        return Err(format!("it is an object of names and their values in base64, and this is not: {value}"));
    };
    let read = |(name, value)| match bytes(value) {
        Ok(value) => Ok((OsString::from(&name), value)),
        Err(reason) => Err(format!("{name}: {reason}")),
    };
    members.into_iter().map(read).collect()
}

fn on_conflict(value: Value) -> Result<OnConflict, String> {
    match value.as_str() {
        Some("error") => Ok(OnConflict::Error),
        Some("first") => Ok(OnConflict::FirstWins),
        Some("last") => Ok(OnConflict::LastWins),
        _ => Err(format!("it is \"error\", \"first\" or \"last\", and this is not: {value}")),
    }
}
