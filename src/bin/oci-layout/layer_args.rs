//! Options for the files of a layer without a specification, shared by `build` and `layer-tar`.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use oci_layout::{
    Attribute, Attributes, FileMapping, HardLinks, LayerOptions, OnConflict, PermissionRule,
    Result, Source,
};

use crate::{Warnings, args, ignore_file::IgnoreFile};

/// The heading of these options in the help.
pub(crate) const FILES: &str = "What goes into the layer";

/// The files of a layer and their attributes.
#[derive(Args, Clone)]
#[command(next_help_heading = FILES)]
pub(crate) struct LayerArgs {
    #[command(flatten)]
    pub(crate) files: Files,

    /// Exclude matching paths from every folder and tar; a matching folder is excluded with its
    /// contents. Paths are relative to the folder, and not those in the image. May be repeated. `*`
    /// does not match a slash, `**` does; `!GLOB` includes paths again, as in .dockerignore
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    exclude: Vec<String>,

    /// Include only matching paths of every folder and tar. May be repeated
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// File with globs to exclude, such as .dockerignore. They are relative to the file's folder for
    /// sources in that folder, and to the source for others. A file with the name .gitignore is
    /// read by git's rules, and excludes .git too. May be repeated
    #[arg(long, value_name = "FILE")]
    ignore_file: Vec<PathBuf>,

    /// Modification time of all files, in seconds since 1970, or `keep` for the time of each source
    /// [default: 1]
    #[arg(long, value_name = "SECONDS|keep", allow_negative_numbers = true, value_parser = kept::<i64>)]
    mtime: Option<Attribute<i64>>,

    /// Numeric owner and group of all files, or `keep` for those of each source. GLOB= limits it to
    /// matching paths in the image, as in 'srv/**=1000'; the last match applies. May be repeated
    /// [default: 0:0]
    #[arg(long, visible_alias = "owner", value_name = "[GLOB=]UID[:GID]|keep", value_parser = owner)]
    chown: Vec<Limited<Owner>>,

    /// Mode of all files, in octal, or `keep` for the mode of each source. Directories also get
    /// execute permission wherever they have read permission. GLOB= limits it to matching paths in
    /// the image, and sets exactly this mode, as in tmp=1777. May be repeated [default: 0755 for
    /// directories and programs, 0644 for other files]
    #[arg(long, visible_alias = "mode", value_name = "[GLOB=]MODE|keep", value_parser = mode)]
    chmod: Vec<Limited<Attribute<u32>>>,

    /// How the layer stores files that have several names (hard links) in a folder [default: copy,
    /// with a warning]
    #[arg(long, value_name = "HOW", value_parser = args::one_of(&HARD_LINKS))]
    hard_links: Option<HardLinks>,

    /// Which of two different files at the same path is kept [default: error]
    #[arg(long, value_name = "WHICH", value_parser = args::one_of(&ON_CONFLICT))]
    on_conflict: Option<OnConflict>,

    /// If one -f has a symbolic link where another has a directory, keep the link, and place the
    /// contents of the directory in the target of the link
    #[arg(long, visible_alias = "keep-directory-symlink")]
    keep_directory_links: bool,
}

const HARD_LINKS: [(&str, HardLinks, &str); 3] = [
    ("copy", HardLinks::Copy, "A copy for each name"),
    ("keep", HardLinks::Keep, "Hard links, as in the folder"),
    ("merge", HardLinks::Merge, "Hard links between all files with the same contents"),
];

const ON_CONFLICT: [(&str, OnConflict, &str); 3] = [
    ("error", OnConflict::Error, "Neither: it is an error"),
    ("first", OnConflict::FirstWins, "That of the first -f"),
    ("last", OnConflict::LastWins, "That of the last -f"),
];

/// The options that name files.
#[derive(Args)]
struct FileArgs {
    /// A file, or a folder whose contents are placed in DEST (default: SRC). May be repeated; - is
    /// standard input. A colon in a path is written `\:`, a backslash `\\`
    #[arg(short, long = "file", value_name = "SRC[:DEST]", value_parser = args::os(args::mapping))]
    files: Vec<FileMapping>,

    /// A file with this text. May be repeated
    #[arg(long, value_name = "DEST=TEXT", value_parser = args::os(args::text))]
    text: Vec<FileMapping>,

    /// An empty directory. May be repeated
    #[arg(long, value_name = "DEST", value_parser = args::os(args::directory))]
    dir: Vec<FileMapping>,

    /// A symbolic link. May be repeated
    #[arg(long, value_name = "DEST=TARGET", value_parser = args::os(args::symlink))]
    symlink: Vec<FileMapping>,

    /// A tar, plain or compressed, whose members are placed in DEST (default: /). May be repeated
    #[arg(long, value_name = "FILE[:DEST]", value_parser = args::os(args::tar))]
    tar: Vec<FileMapping>,
}

/// The files in the order of the command line, each with the position of its argument.
#[derive(Clone)]
pub(crate) struct Files(pub(crate) Vec<(usize, FileMapping)>);

impl FromArgMatches for Files {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let FileArgs { files, text, dir, symlink, tar } = FileArgs::from_arg_matches(matches)?;
        let mut all: Vec<_> = [
            at(matches, "files", files),
            at(matches, "text", text),
            at(matches, "dir", dir),
            at(matches, "symlink", symlink),
            at(matches, "tar", tar),
        ]
        .concat();
        all.sort_by_key(|(at, _)| *at);
        Ok(Self(all))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Files {
    fn augment_args(command: Command) -> Command {
        FileArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        FileArgs::augment_args_for_update(command)
    }
}

/// The values of an option, each with the position of its argument.
pub(crate) fn at<T>(matches: &ArgMatches, option: &str, values: Vec<T>) -> Vec<(usize, T)> {
    matches.indices_of(option).into_iter().flatten().zip(values).collect()
}

impl LayerArgs {
    /// Returns the files in order.
    pub(crate) fn mappings(&self) -> Result<Vec<FileMapping>> {
        let ignore = self.ignore_files()?;
        let complete = |(_, file): &(_, FileMapping)| self.complete(file.clone(), &ignore);
        Ok(self.files.0.iter().map(complete).collect())
    }

    pub(crate) fn ignore_files(&self) -> Result<Vec<IgnoreFile>> {
        self.ignore_file.iter().map(|file| IgnoreFile::read(file)).collect()
    }

    /// Returns the file with the attributes and globs that apply to it.
    pub(crate) fn complete(&self, file: FileMapping, ignore: &[IgnoreFile]) -> FileMapping {
        let file = self.with_attributes(file);
        let Source::Path(source) = &file.source else { return file };
        let globs: Vec<_> = ignore.iter().flat_map(|ignore| ignore.for_source(source)).collect();
        globs.into_iter().fold(file, FileMapping::exclude)
    }

    /// Warns of a .dockerignore that is not used.
    pub(crate) fn warn_of_unused_ignore_files(&self, warnings: Warnings) -> Result<()> {
        if !self.ignore_file.is_empty() || !self.exclude.is_empty() {
            return Ok(());
        }
        for (_, file) in &self.files.0 {
            let Source::Path(source) = &file.source else { continue };
            let unused = source.join(".dockerignore");
            if unused.is_file() {
                let reason = format!(
                    "is not used: add it with --ignore-file {}, or exclude it",
                    unused.display()
                );
                warnings.say(&unused, &reason)?;
            }
        }
        Ok(())
    }

    /// Returns the file with the attributes that apply to all files.
    fn with_attributes(&self, file: FileMapping) -> FileMapping {
        let owner = for_all(&self.chown).cloned().unwrap_or_default();
        let attributes = Attributes {
            mode: for_all(&self.chmod).copied().unwrap_or_default(),
            uid: owner.uid,
            gid: owner.gid,
            mtime: self.mtime.unwrap_or_default(),
            ..Attributes::default()
        };
        FileMapping { attributes, ..file }
    }

    /// Returns the options with these arguments applied.
    pub(crate) fn apply(&self, options: LayerOptions) -> Result<LayerOptions> {
        let mut options = options
            .on_conflict(self.on_conflict.unwrap_or_default())
            .keep_directory_links(self.keep_directory_links);
        options.include.clone_from(&self.include);
        let ignored = self.ignore_files()?;
        for (_, file) in &self.files.0 {
            let Source::Path(source) = &file.source else { continue };
            let globs = ignored.iter().flat_map(|ignored| ignored.for_source(source));
            options.optional_globs.extend(globs);
        }
        options.exclude.extend_from_slice(&self.exclude);
        options.hard_links = self.hard_links;
        let modes = limited(&self.chmod).map(|(glob, mode)| PermissionRule {
            glob,
            mode: set(*mode),
            ..PermissionRule::default()
        });
        let owners = limited(&self.chown).map(|(glob, owner)| PermissionRule {
            glob,
            uid: set(owner.uid),
            gid: set(owner.gid),
            ..PermissionRule::default()
        });
        options.permissions.extend(modes.chain(owners));
        Ok(options)
    }
}

/// A value for all files, or for paths that match a glob.
#[derive(Clone)]
struct Limited<T> {
    glob: Option<String>,
    value: T,
}

/// The last value for all files.
fn for_all<T>(values: &[Limited<T>]) -> Option<&T> {
    values.iter().rev().find(|limited| limited.glob.is_none()).map(|limited| &limited.value)
}

fn limited<T>(values: &[Limited<T>]) -> impl Iterator<Item = (String, &T)> {
    values.iter().filter_map(|limited| Some((limited.glob.clone()?, &limited.value)))
}

fn set<T>(attribute: Attribute<T>) -> Option<T> {
    match attribute {
        Attribute::Set(value) => Some(value),
        Attribute::Normal | Attribute::Keep => None,
    }
}

/// Parses `[GLOB=]VALUE`. The value for a glob cannot be `keep`.
fn limit<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Limited<T>, String> {
    match text.rsplit_once('=') {
        Some(("", _)) => Err("the glob before the equals sign is empty".to_owned()),
        Some((_, "keep")) => Err("keep applies to all files: remove the glob".to_owned()),
        Some((glob, value)) => Ok(Limited { glob: Some(glob.to_owned()), value: parse(value)? }),
        None => Ok(Limited { glob: None, value: parse(text)? }),
    }
}

#[derive(Clone, Default)]
struct Owner {
    uid: Attribute<u64>,
    gid: Attribute<u64>,
}

/// Parses `[GLOB=]UID[:GID]|keep`. The default for the group is the number of the user, as with
/// `COPY --chown`.
fn owner(text: &str) -> Result<Limited<Owner>, String> {
    limit(text, |text| {
        if text == "keep" {
            return Ok(Owner { uid: Attribute::Keep, gid: Attribute::Keep });
        }
        let number = |text: &str| {
            let number = text.parse().map(Attribute::Set);
            number.map_err(|_| "expected UID[:GID] in numbers, as in 1000:1000, or keep".to_owned())
        };
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        Ok(Owner { uid: number(uid)?, gid: number(gid)? })
    })
}

/// Parses `[GLOB=]MODE|keep` with octal digits.
fn mode(text: &str) -> Result<Limited<Attribute<u32>>, String> {
    limit(text, |text| {
        let is_octal =
            (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(text, 8) {
            _ if text == "keep" => Ok(Attribute::Keep),
            Ok(mode) if is_octal => Ok(Attribute::Set(mode)),
            _ => Err("expected up to four octal digits, as in 0755, or keep".to_owned()),
        }
    })
}

/// Parses a number, or `keep`.
fn kept<T: std::str::FromStr>(text: &str) -> Result<Attribute<T>, String> {
    match text {
        "keep" => Ok(Attribute::Keep),
        text => text
            .parse()
            .map(Attribute::Set)
            .map_err(|_| "expected a whole number of seconds, or keep".to_owned()),
    }
}
