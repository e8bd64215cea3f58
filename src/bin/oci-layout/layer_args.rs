//! Options for the files of a layer without a specification, shared by `build` and `layer-tar`.

use clap::Args;
use oci_layout::{Attribute, Attributes, FileMapping, HardLinks, LayerOptions, OnConflict};

use crate::args;

/// The files of a layer and their attributes.
#[derive(Args)]
#[command(next_help_heading = "What goes into the layer")]
pub(crate) struct LayerArgs {
    /// A file, or a folder whose contents are placed in DEST (default: SRC). May be repeated; - is
    /// standard input. A colon in a path is written `\:`, a backslash `\\`
    #[arg(short, long = "file", value_name = "SRC[:DEST]", num_args = 1.., value_parser = args::os(args::mapping))]
    files: Vec<FileMapping>,

    /// Exclude matching paths from every folder; a matching folder is excluded with its contents.
    /// May be repeated. `*` does not match a slash, `**` does; `!GLOB` includes paths again, as in
    /// .dockerignore
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    exclude: Vec<String>,

    /// Include only matching paths of every folder. May be repeated
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,

    /// Modification time of all files, in seconds since 1970, or `keep` for the time of each source
    /// [default: 1]
    #[arg(long, value_name = "SECONDS|keep", allow_negative_numbers = true, value_parser = kept::<i64>)]
    mtime: Option<Attribute<i64>>,

    /// Numeric owner and group of all files, or `keep` for those of each source [default: 0:0]
    #[arg(long, visible_alias = "owner", value_name = "UID[:GID]|keep", value_parser = owner)]
    chown: Option<Owner>,

    /// Mode of all files, in octal, or `keep` for the mode of each source. Directories also get
    /// execute permission wherever they have read permission [default: 0755 for directories and
    /// programs, 0644 for other files]
    #[arg(long, visible_alias = "mode", value_name = "MODE|keep", value_parser = mode)]
    chmod: Option<Attribute<u32>>,

    /// Handling of files in a folder that have several hard links: `copy` stores copies, `keep`
    /// stores hard links, `merge` stores hard links for all identical files [default: copy, with a
    /// warning]
    #[arg(long, value_name = "copy|keep|merge", value_parser = hard_links)]
    hard_links: Option<HardLinks>,

    /// Which of two different files at the same path is kept: that of the first or the last -f;
    /// error rejects them [default: error]
    #[arg(long, value_name = "error|first|last", value_parser = on_conflict)]
    on_conflict: Option<OnConflict>,

    /// If one -f has a symbolic link where another has a directory, keep the link, and place the
    /// contents of the directory in the target of the link
    #[arg(long, visible_alias = "keep-directory-symlink")]
    keep_directory_links: bool,
}

impl LayerArgs {
    /// Returns the files, and the options with these arguments applied.
    pub(crate) fn apply(self, options: LayerOptions) -> (Vec<FileMapping>, LayerOptions) {
        let (uid, gid) = self.chown.map_or_else(Default::default, |owner| (owner.uid, owner.gid));
        let attributes = Attributes {
            mode: self.chmod.unwrap_or_default(),
            uid,
            gid,
            mtime: self.mtime.unwrap_or_default(),
            ..Attributes::default()
        };
        let files = self
            .files
            .into_iter()
            .map(|file| FileMapping { attributes: attributes.clone(), ..file });
        let mut options = options
            .on_conflict(self.on_conflict.unwrap_or_default())
            .keep_directory_links(self.keep_directory_links);
        (options.include, options.exclude) = (self.include, self.exclude);
        options.hard_links = self.hard_links;
        (files.collect(), options)
    }
}

#[derive(Clone)]
struct Owner {
    uid: Attribute<u64>,
    gid: Attribute<u64>,
}

/// Parses `UID[:GID]|keep`. The default for the group is the number of the user, as with `COPY
/// --chown`.
fn owner(text: &str) -> Result<Owner, String> {
    if text == "keep" {
        return Ok(Owner { uid: Attribute::Keep, gid: Attribute::Keep });
    }
    let number = |text: &str| {
        let number = text.parse().map(Attribute::Set);
        number.map_err(|_| "expected UID[:GID] in numbers, as in 1000:1000, or keep".to_owned())
    };
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    Ok(Owner { uid: number(uid)?, gid: number(gid)? })
}

/// Parses octal digits, or `keep`.
fn mode(text: &str) -> Result<Attribute<u32>, String> {
    let is_octal =
        (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(text, 8) {
        _ if text == "keep" => Ok(Attribute::Keep),
        Ok(mode) if is_octal => Ok(Attribute::Set(mode)),
        _ => Err("expected up to four octal digits, as in 0755, or keep".to_owned()),
    }
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

fn hard_links(text: &str) -> Result<HardLinks, String> {
    match text {
        "copy" => Ok(HardLinks::Copy),
        "keep" => Ok(HardLinks::Keep),
        "merge" => Ok(HardLinks::Merge),
        _ => Err("expected copy, keep or merge".to_owned()),
    }
}

fn on_conflict(text: &str) -> Result<OnConflict, String> {
    match text {
        "error" => Ok(OnConflict::Error),
        "first" => Ok(OnConflict::FirstWins),
        "last" => Ok(OnConflict::LastWins),
        _ => Err("expected error, first or last".to_owned()),
    }
}
