//! What goes into a layer, and where: a source, a destination, and how it shall look there.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc};

/// One source and its destination.
///
/// A mapping is plain data; nothing is read before [`layer_tar`](crate::layer_tar()).
///
/// ```
/// use oci_layout::FileMapping;
/// let files = [
///     FileMapping::new("target/release/app", "/bin/app"),
///     FileMapping::new("assets", "/srv/www").include("**/*.html").exclude("drafts"),
///     FileMapping::text("PORT=80\n", "/etc/app.conf").mode(0o600).owner(1000, 1000),
///     FileMapping::directory("/tmp").mode(0o1777),
///     FileMapping::symlink("app", "/bin/start"),
/// ];
/// # let _ = files;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct FileMapping {
    /// What lands there.
    pub source: Source,
    /// Where in the image: a path from the root, with or without the leading slash. `..` is
    /// refused.
    pub destination: PathBuf,
    /// Whether a symbolic link that is itself the named source is followed, as `cp -H` and `COPY`
    /// do; on by default. Links found inside a folder always stay links.
    pub follow: bool,
    /// Globs on paths relative to a source folder, or on those in a tar: when there are any, only
    /// what matches one, or lies in a folder that does, is taken, with the folders on the way. `*`
    /// does not cross `/`, `**` does. `./a`, `/a`, `a/` and `x/../a` are `a`, and `.` is the whole
    /// folder. Brackets are a set of characters (`[ab]`), and stand for themselves too, so that
    /// `app/[slug]` matches a folder of that name; `\[` is a bracket and nothing else. A glob that
    /// matches nothing is a [`Warning`](crate::Warning).
    pub include: Vec<String>,
    /// Globs on the same paths: what matches is left out, a folder with all that is in it. A glob
    /// behind `!` takes back what those before it leave out, as in `.dockerignore`: the last one
    /// that matches decides.
    pub exclude: Vec<String>,
    /// Mode, owner, time and extended attributes.
    pub attributes: Attributes,
}

/// What a mapping takes its bytes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A file, or a folder whose contents land in the destination. A pipe is a file with what it
    /// gives, if the layer has a [`store`](crate::LayerOptions::store) or
    /// [`scratch`](crate::LayerOptions::scratch) to keep that in.
    Path(PathBuf),
    /// These bytes, as a file.
    Bytes(Arc<[u8]>),
    /// A symbolic link with this target, which is not looked at.
    Symlink(PathBuf),
    /// A directory, empty but for what other mappings put there.
    Directory,
    /// Removes the destination from the layers below:
    /// [whiteout](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts).
    Whiteout,
    /// Removes all that the layers below have in the destination, a directory: [opaque
    /// whiteout](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#opaque-whiteout).
    OpaqueWhiteout,
    /// The entries of a tar (plain, gzip or zstd), below the destination; they keep their
    /// attributes by default.
    ///
    /// What lands there is what extracting the tar leaves: of entries under one name the last,
    /// without the slash in front of absolute names, and behind a link of the tar what its later
    /// entries have below it. `./` is the destination itself, and `.wh.` names are whiteouts. Names
    /// with `..`, hard links to what does not come before them, links that lead nowhere, and what
    /// no layer can hold are errors, unless they are excluded.
    Tar(PathBuf),
}

/// One attribute of a file in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Attribute<T> {
    /// What the layer says; for the entries of a tar, what they have there.
    #[default]
    Normal,
    /// What the source has.
    Keep,
    /// This.
    Set(T),
}

/// Mode, owner, time and extended attributes of what a mapping brings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Permission bits, set-id and sticky included. Normal is 0755 for directories and executables,
    /// 0644 otherwise. A value on a source folder holds for its files; its directories get the same
    /// and may be entered by whoever may read them. Symbolic links are 0777.
    pub mode: Attribute<u32>,
    /// The owner's number. Normal is the layer's.
    pub uid: Attribute<u64>,
    /// The group's number. Normal is the layer's.
    pub gid: Attribute<u64>,
    /// Seconds since 1970, possibly negative; fractions are not kept. Normal is the layer's.
    pub mtime: Attribute<i64>,
    /// Extended attributes by name. Normal is none. Those that belong to the machine
    /// (`security.selinux`, `security.ima`, marks of overlay file systems, and others: see
    /// `docs/byte-format.md`) are left out, and refused where they are set.
    pub xattrs: Attribute<BTreeMap<OsString, Vec<u8>>>,
}

impl FileMapping {
    /// A file, or a folder whose contents land in `destination`.
    pub fn new(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Path(source.into()), destination)
    }

    /// A file or folder at its own path. A relative path is relative to the root in the layer, so
    /// that `target/app` lands at `/target/app`.
    pub fn at_source(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(path.clone(), path)
    }

    /// A file with this text.
    pub fn text(text: impl Into<String>, destination: impl Into<PathBuf>) -> Self {
        Self::bytes(text.into().into_bytes(), destination)
    }

    /// A file with these bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Bytes(bytes.into()), destination)
    }

    /// A symbolic link to `target`, as given.
    pub fn symlink(target: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Symlink(target.into()), destination)
    }

    /// A directory.
    pub fn directory(destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Directory, destination)
    }

    /// Removes `destination` from the layers below.
    pub fn whiteout(destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Whiteout, destination)
    }

    /// Removes all that the layers below have in the directory `destination`.
    pub fn opaque_whiteout(destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::OpaqueWhiteout, destination)
    }

    /// The entries of a tar, below `destination`.
    pub fn tar(tar: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Tar(tar.into()), destination)
    }

    /// Any source.
    pub fn from_source(source: Source, destination: impl Into<PathBuf>) -> Self {
        Self {
            source,
            destination: destination.into(),
            follow: true,
            include: Vec::new(),
            exclude: Vec::new(),
            attributes: Attributes::default(),
        }
    }

    /// Whether a symbolic link that is itself the source is followed.
    pub fn follow(self, follow: bool) -> Self {
        Self { follow, ..self }
    }

    /// Takes only what matches this glob, or another one given.
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Leaves out what matches this glob.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Sets the permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.attributes.mode = Attribute::Set(mode);
        self
    }

    /// Sets owner and group.
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.attributes.uid = Attribute::Set(uid);
        self.attributes.gid = Attribute::Set(gid);
        self
    }

    /// Sets the time of modification, in seconds since 1970.
    pub fn mtime(mut self, seconds: i64) -> Self {
        self.attributes.mtime = Attribute::Set(seconds);
        self
    }

    /// Sets an extended attribute.
    pub fn xattr(mut self, name: impl Into<OsString>, value: impl Into<Vec<u8>>) -> Self {
        let mut xattrs = match std::mem::take(&mut self.attributes.xattrs) {
            Attribute::Set(xattrs) => xattrs,
            Attribute::Normal | Attribute::Keep => BTreeMap::new(),
        };
        xattrs.insert(name.into(), value.into());
        self.attributes.xattrs = Attribute::Set(xattrs);
        self
    }

    /// Keeps mode, owner, time and extended attributes as the source has them.
    pub fn keep(mut self) -> Self {
        self.attributes = Attributes {
            mode: Attribute::Keep,
            uid: Attribute::Keep,
            gid: Attribute::Keep,
            mtime: Attribute::Keep,
            xattrs: Attribute::Keep,
        };
        self
    }

    /// How a message names this mapping.
    pub(crate) fn describe(&self) -> String {
        match &self.source {
            Source::Path(path) => format!("{path:?}"),
            Source::Bytes(bytes) => format!("a text of {} bytes", bytes.len()),
            Source::Symlink(target) => format!("a link to {target:?}"),
            Source::Directory => "a directory".to_owned(),
            Source::Whiteout => "a whiteout".to_owned(),
            Source::OpaqueWhiteout => "an opaque whiteout".to_owned(),
            Source::Tar(path) => format!("tar {path:?}"),
        }
    }
}
