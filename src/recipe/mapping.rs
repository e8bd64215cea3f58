//! File mappings: a source, a destination, and the attributes of the files.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One source and its destination.
///
/// A mapping is plain data. Nothing is read before [`layer_tar`](crate::layer_tar()).
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
    /// Where the contents come from.
    pub source: Source,
    /// The path in the image, starting at the root, with or without a leading slash. `..` is an
    /// error.
    pub destination: PathBuf,
    /// Whether to follow a symbolic link that is itself the source, as `cp -H` and `COPY` do. The
    /// default is true. Links in a source folder always stay links.
    pub follow: bool,
    /// Globs on paths relative to a source folder, or on paths in a tar. If there are any, the
    /// layer only contains paths that match one of them, everything in folders that match, and
    /// their parent folders. `*` does not match `/`, but `**` does. `./a`, `/a`, `a/` and `x/../a`
    /// are the same as `a`, and `.` is the whole folder. Brackets stand for a set of characters
    /// (`[ab]`), but also for themselves, so `app/[slug]` matches a folder of that name. `\[` only
    /// matches a bracket. A glob that matches nothing is a [`Warning`](crate::Warning).
    pub include: Vec<String>,
    /// Globs on the same paths, which exclude files, and folders with all their contents. A glob
    /// after `!` includes again what earlier globs exclude, as in `.dockerignore`: the last glob
    /// that matches decides.
    pub exclude: Vec<String>,
    /// Mode, owner, time and extended attributes.
    pub attributes: Attributes,
}

/// Where the contents of a mapping come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A file, or a folder whose contents land in the destination. A pipe is read as a file. This
    /// requires a folder to keep its bytes in: [`store`](crate::LayerOptions::store) or
    /// [`scratch`](crate::LayerOptions::scratch).
    Path(PathBuf),
    /// A file with these bytes.
    Bytes(Arc<[u8]>),
    /// A symbolic link with this target, which is not checked.
    Symlink(PathBuf),
    /// A directory, without contents unless other mappings add some.
    Directory,
    /// Removes the destination of the layers below:
    /// [whiteout](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts).
    Whiteout,
    /// Removes everything that the layers below have in the destination, which is a directory:
    /// [opaque
    /// whiteout](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#opaque-whiteout).
    OpaqueWhiteout,
    /// The entries of a tar (uncompressed, gzip or zstd), below the destination. They keep their
    /// attributes by default.
    ///
    /// The layer contains the files that extracting the tar would create: of several entries with
    /// the same name, the last; absolute names without their leading slash; and entries below a
    /// symbolic link of the tar in the target of that link. `./` is the destination itself, and
    /// names that start with `.wh.` are whiteouts. Names with `..`, hard links to anything but an
    /// earlier entry, links that lead nowhere, and files that a layer cannot contain are errors,
    /// unless they are excluded.
    Tar(PathBuf),
}

impl Source {
    /// The path that it reads. This decides whether recipes of others are trusted, so every kind is
    /// listed here.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) | Self::Tar(path) => Some(path),
            Self::Bytes(_)
            | Self::Symlink(_)
            | Self::Directory
            | Self::Whiteout
            | Self::OpaqueWhiteout => None,
        }
    }
}

/// One attribute of a file in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Attribute<T> {
    /// The default of the layer. For entries of a tar, the value in the tar.
    #[default]
    Normal,
    /// The value of the source.
    Keep,
    /// This value.
    Set(T),
}

/// The mode, owner, time and extended attributes of the files of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Permission bits, including set-id and sticky bits. The default is 0755 for directories and
    /// executables, and 0644 for other files. For a source folder, the value applies to its files.
    /// Its directories get the same value, plus execute permission for everyone with read
    /// permission. Symbolic links always have 0777.
    pub mode: Attribute<u32>,
    /// The user ID. The default is that of the layer.
    pub uid: Attribute<u64>,
    /// The group ID. The default is that of the layer.
    pub gid: Attribute<u64>,
    /// The modification time in whole seconds since 1970, which may be negative. The default is
    /// that of the layer.
    pub mtime: Attribute<i64>,
    /// Extended attributes by name. The default is none. Attributes that belong to the machine are
    /// omitted, and setting them is an error: `security.selinux`, `security.ima`, marks of overlay
    /// file systems, and others in `docs/byte-format.md`.
    pub xattrs: Attribute<BTreeMap<OsString, Vec<u8>>>,
}

impl FileMapping {
    /// A file, or a folder whose contents land in `destination`.
    pub fn new(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Path(source.into()), destination)
    }

    /// A file or folder at the path that it has on this machine. A relative path is relative to the
    /// root of the layer: `target/app` becomes `/target/app`.
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

    /// A symbolic link to `target`, which is stored as given.
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

    /// Removes everything that the layers below have in the directory `destination`.
    pub fn opaque_whiteout(destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::OpaqueWhiteout, destination)
    }

    /// The entries of a tar, below `destination`.
    pub fn tar(tar: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Self {
        Self::from_source(Source::Tar(tar.into()), destination)
    }

    /// A mapping from any source.
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

    /// Sets whether to follow a symbolic link that is itself the source.
    pub fn follow(self, follow: bool) -> Self {
        Self { follow, ..self }
    }

    /// Includes only paths that match this glob or another one.
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Excludes paths that match this glob.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Sets the permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.attributes.mode = Attribute::Set(mode);
        self
    }

    /// Sets the owner and group.
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.attributes.uid = Attribute::Set(uid);
        self.attributes.gid = Attribute::Set(gid);
        self
    }

    /// Sets the modification time in seconds since 1970.
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

    /// Keeps the mode, owner, time and extended attributes of the source.
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

    /// The name of this mapping in messages.
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
