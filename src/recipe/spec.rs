//! The JSON form of a layer's files and options, which `oci-layout layer-tar --spec` and the Nix
//! functions read.

pub(crate) mod base;
pub(crate) mod members;
pub(crate) mod values;

use serde_json::{Map, Value, json};

use crate::{
    basics::{Error, Result},
    recipe::{
        mapping::{Attribute, Attributes, FileMapping, Source},
        options::{LayerOptions, PermissionRule},
        spec::{
            members::{Members, each, object},
            values::*,
        },
    },
    tarfile::Compression,
};

/// The files and options of a layer, in a form that can be read from JSON and written to it.
///
/// The specification of a layer is an object. All members can be omitted or `null`:
///
/// | member | value | default |
/// |---|---|---|
/// | `files` | a list of files, see below | no files |
/// | `compression` | the text form of [`Compression`]; `""` is `"none"` | `"gzip"` |
/// | `mtime` | seconds since 1970, a number | 1 |
/// | `owner` | `{ "uid": NUMBER, "gid": NUMBER }`, the owner of files without an explicit one | root |
/// | `perms` | a list of `{ "glob", "mode", "uid", "gid" }`, which apply in this order: see [`PermissionRule`] | none |
/// | `onConflict` | `"error"`, `"first"` or `"last"`: which of two files at one path wins | `"error"` |
/// | `keepDirectoryLinks` | whether a symbolic link is kept if other files have a directory at its path | `false` |
/// | `include`, `exclude` | lists of globs on paths in every source folder and tar, see below | everything, nothing |
/// | `hardLinks` | `"copy"` (or `false`), `"keep"` or `"merge"` (or `true`), see [`HardLinks`](crate::HardLinks) | `"copy"`, with a warning |
/// | `unpackLimit` | the maximum number of bytes that unpacking adds to a tar | 16 GiB |
/// | `replace` | whether a file may replace a directory of the base, or a directory a file | `false` |
/// | `strict` | whether warnings are errors | `false` |
/// | `base` | the layers below, as recorded in a recipe | none: see [`LayerOptions::above`] |
///
/// A file is an object with exactly one of the members that say what it is:
///
/// | member | value | contents of the destination |
/// |---|---|---|
/// | `source` | path | this file, or the contents of this folder |
/// | `text` | string | a file with this text |
/// | `base64` | string | a file with these bytes |
/// | `symlink` | path | a symbolic link with this target |
/// | `directory` | `true` | a directory |
/// | `whiteout` | `true` | a whiteout, which removes the destination of the layers below |
/// | `opaqueWhiteout` | `true` | an opaque whiteout, which removes the contents that the layers below have in the directory |
/// | `tar` | path | the entries of this tar (uncompressed, gzip or zstd) |
///
/// Other members say where the file is, and set its attributes:
///
/// | member | value | default |
/// |---|---|---|
/// | `destination` | path in the image | the `source`; required for anything else |
/// | `follow` | whether to follow a source that is a symbolic link | `true` |
/// | `include` | globs on paths in a source folder or tar to include | everything |
/// | `exclude` | globs on the same paths to exclude; a glob after `!` includes paths again | nothing |
/// | `mode` | a string of octal digits (`"0755"`), or `"keep"` for the mode of the source | 0755 or 0644 |
/// | `uid`, `gid` | a number, or `"keep"` | the layer's `owner` |
/// | `mtime` | seconds since 1970, a number, or `"keep"` | the layer's `mtime` |
/// | `xattrs` | `{ NAME: BASE64 }`, or `"keep"` | none |
///
/// A destination that ends with a slash is a directory, in which the file keeps its own name.
///
/// A path is a string, or `{ "base64": STRING }` if it is not UTF-8. Relative sources are relative
/// to the working directory.
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

const LAYER_MEMBERS: &[&str] = &[
    "files",
    "compression",
    "mtime",
    "owner",
    "perms",
    "onConflict",
    "keepDirectoryLinks",
    "include",
    "exclude",
    "hardLinks",
    "unpackLimit",
    "replace",
    "strict",
    "base",
];

/// The members that say what a file is. Exactly one is required.
const SOURCES: &[&str] =
    &["source", "text", "base64", "symlink", "directory", "whiteout", "opaqueWhiteout", "tar"];

const FILE_MEMBERS: &[&str] =
    &["destination", "follow", "include", "exclude", "mode", "uid", "gid", "mtime", "xattrs"];

impl LayerSpec {
    /// Reads the JSON that the tables above describe.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an unknown member, a value of the wrong type, and a file with none or
    /// several of the members that say what it is. The error names the file by its index in the
    /// list and its destination. [`Error::Compression`] for an unknown compression.
    pub fn from_value(spec: Value) -> Result<Self> {
        let mut spec = Members::new("layer specification".to_owned(), spec, &[LAYER_MEMBERS])?;
        let default = LayerOptions::default();
        let options = LayerOptions {
            compression: match spec.take("compression", string)?.as_deref() {
                None => default.compression,
                Some("") => Compression::None,
                Some(text) => text.parse()?,
            },
            mtime: spec.take("mtime", seconds)?.unwrap_or(default.mtime),
            owner: match spec.take("owner", Ok)? {
                None => default.owner,
                Some(owner) => {
                    let mut owner = Members::new("owner".to_owned(), owner, &[&["uid", "gid"]])?;
                    (
                        owner.take("uid", number)?.unwrap_or(0),
                        owner.take("gid", number)?.unwrap_or(0),
                    )
                }
            },
            permissions: each(spec.take("perms", list)?, permission_rule)?,
            on_conflict: spec.take("onConflict", on_conflict)?.unwrap_or_default(),
            keep_directory_links: spec
                .take("keepDirectoryLinks", boolean)?
                .unwrap_or(default.keep_directory_links),
            include: spec.take("include", strings)?.unwrap_or_default(),
            exclude: spec.take("exclude", strings)?.unwrap_or_default(),
            hard_links: spec.take("hardLinks", hard_links)?,
            unpack_limit: spec.take("unpackLimit", number)?.unwrap_or(default.unpack_limit),
            strict: spec.take("strict", boolean)?.unwrap_or(default.strict),
            replace: spec.take("replace", boolean)?.unwrap_or(default.replace),
            base: spec.take("base", Ok)?.map(base::read).transpose()?,
            ..default
        };
        Ok(Self { files: each(spec.take("files", list)?, file)?, options })
    }

    /// Writes the JSON that [`LayerSpec::from_value`] reads: the mappings and the options that the
    /// JSON form has. Default values are omitted, except for the compression.
    ///
    /// ```
    /// use oci_layout::{Compression, FileMapping, LayerSpec};
    /// let files = vec![FileMapping::text("PORT=80\n", "/etc/app.conf").mode(0o600)];
    /// let spec = LayerSpec { files, options: Compression::ZSTD.into() };
    /// assert_eq!(
    ///     spec.to_value()?.to_string(),
    ///     r#"{"compression":"zstd","files":[{"destination":"/etc/app.conf","mode":"0600","text":"PORT=80\n"}]}"#,
    /// );
    /// # Ok::<_, oci_layout::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an extended attribute whose name is not UTF-8, and for a base, which
    /// only a recipe can contain.
    pub fn to_value(&self) -> Result<Value> {
        let files = self.files.iter().map(write_file).collect::<Result<Vec<_>>>()?;
        let mut spec = object([("files", files.into())]);
        let default = write_options(&LayerOptions::default())?;
        for (name, value) in write_options(&self.options)? {
            if name == "compression" || default.get(&name) != Some(&value) {
                spec[name] = value;
            }
        }
        // Another crate of the program may have enabled the feature of serde_json that keeps the
        // order in which members are added.
        spec.sort_all_objects();
        Ok(spec)
    }
}

fn write_options(options: &LayerOptions) -> Result<Map<String, Value>> {
    let (uid, gid) = options.owner;
    let base = options.base.as_ref().map(base::write).transpose();
    let members = [
        ("compression", options.compression.to_string().into()),
        ("mtime", options.mtime.into()),
        ("owner", json!({ "uid": uid, "gid": gid })),
        ("perms", options.permissions.iter().map(write_rule).collect()),
        ("onConflict", from_on_conflict(options.on_conflict)),
        ("keepDirectoryLinks", options.keep_directory_links.into()),
        ("include", options.include.clone().into()),
        ("exclude", options.exclude.clone().into()),
        ("hardLinks", options.hard_links.map(from_hard_links).into()),
        ("unpackLimit", options.unpack_limit.into()),
        ("replace", options.replace.into()),
        ("strict", options.strict.into()),
        ("base", base.map_err(|reason| Error::invalid("base", reason))?.into()),
    ];
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn file(index: usize, value: Value) -> Result<FileMapping> {
    let mut file = Members::new(format!("files[{index}]"), value, &[SOURCES, FILE_MEMBERS])?;
    // People look for the destination. The index in the list is for programs that wrote the list.
    let destination = file.take("destination", path)?;
    let shown = destination.clone().or_else(|| path(file.members.get("source")?.clone()).ok());
    if let Some(shown) = shown {
        file.what = format!("files[{index}] ({shown:?})");
    }
    let source = source(&mut file)?;
    let destination = match (destination, &source) {
        (Some(destination), _) => destination,
        (None, Source::Path(path)) => path.clone(),
        (None, _) => {
            return Err(file.refuse("it has no destination, which only a source can omit: add one"));
        }
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

fn write_file(file: &FileMapping) -> Result<Value> {
    let FileMapping { destination, follow, include, exclude, attributes, .. } = file;
    let xattrs = match &attributes.xattrs {
        Attribute::Set(xattrs) => from_xattrs(xattrs)
            .map_err(|reason| Error::invalid(format!("{destination:?}"), reason))?,
        other => write_attribute(other, |_| Value::Null),
    };
    let mut value = object([
        ("destination", from_path(destination)),
        ("follow", (!follow).then_some(false).into()),
        ("include", include.clone().into()),
        ("exclude", exclude.clone().into()),
        ("mode", write_attribute(&attributes.mode, |&mode| from_mode(mode))),
        ("uid", write_attribute(&attributes.uid, |&uid| uid.into())),
        ("gid", write_attribute(&attributes.gid, |&gid| gid.into())),
        ("mtime", write_attribute(&attributes.mtime, |&mtime| mtime.into())),
        ("xattrs", xattrs),
    ]);
    let (name, source) = write_source(&file.source);
    value[name] = source;
    Ok(value)
}

fn write_attribute<T>(attribute: &Attribute<T>, write: impl FnOnce(&T) -> Value) -> Value {
    match attribute {
        Attribute::Normal => Value::Null,
        Attribute::Keep => "keep".into(),
        Attribute::Set(value) => write(value),
    }
}

fn source(file: &mut Members) -> Result<Source> {
    // A flag that is false counts as absent.
    let is_given = |name: &&&str| {
        file.members.get(**name).is_some_and(|value| !matches!(value, Value::Bool(false)))
    };
    let given: Vec<&str> = SOURCES.iter().filter(is_given).copied().collect();
    let [name] = given[..] else {
        return Err(file.refuse(match &given[..] {
            [] => format!("it does not say what the file is: add one of {}", SOURCES.join(", ")),
            several => format!("it has {}: keep only one", several.join(" and ")),
        }));
    };
    let mark = |value| match value {
        Value::Bool(true) => Ok(()),
        _ => Err("expected true, or no such member".to_owned()),
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

fn write_source(source: &Source) -> (&'static str, Value) {
    match source {
        Source::Path(path) => ("source", from_path(path)),
        Source::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => ("text", text.into()),
            Err(_) => ("base64", from_bytes(bytes)),
        },
        Source::Symlink(target) => ("symlink", from_path(target)),
        Source::Directory => ("directory", true.into()),
        Source::Whiteout => ("whiteout", true.into()),
        Source::OpaqueWhiteout => ("opaqueWhiteout", true.into()),
        Source::Tar(tar) => ("tar", from_path(tar)),
    }
}

fn permission_rule(index: usize, value: Value) -> Result<PermissionRule> {
    let mut rule =
        Members::new(format!("perms[{index}]"), value, &[&["glob", "mode", "uid", "gid"]])?;
    let Some(glob) = rule.take("glob", string)? else {
        return Err(
            rule.refuse("it has no glob: add one that matches destinations, for example \"bin/*\"")
        );
    };
    Ok(PermissionRule {
        glob,
        mode: rule.take("mode", mode)?,
        uid: rule.take("uid", number)?,
        gid: rule.take("gid", number)?,
    })
}

fn write_rule(rule: &PermissionRule) -> Value {
    object([
        ("glob", rule.glob.as_str().into()),
        ("mode", rule.mode.map_or(Value::Null, from_mode)),
        ("uid", rule.uid.into()),
        ("gid", rule.gid.into()),
    ])
}
