//! Sections for images of packages.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    basics::{error::Error, text},
    document::descriptor::Platform,
    on_demand::{
        Layering, Metapackage, NameOptions, NixOptions, PackageImagesOptions, SourceKind,
        SourceOptions, StoredLayers,
    },
    registry::MakingLimits,
    serve_config::{
        section::{Kind, section},
        values::{Number, Period, Size},
    },
    tarfile::compression::Compression,
};

section! {
    /// Images of packages.
    PackageSection {
        /// Serve images of packages by their names: shell/git/htop has a shell and two packages,
        /// which Nix substitutes when somebody pulls it. The package set is path:DIR (a folder with
        /// a default.nix, such as nixpkgs), git:URL, channel:NAME or flake:REF
        source: Option<Source> = None, "--packages";

        /// Serve the images that this file or folder declares by names of their own: TOML, YAML or
        /// JSON. Changes are served within seconds
        images: Option<PathBuf> = None, "--images";

        /// Folder that remembers images, and keeps the garbage collector away from their packages.
        /// By default, it is in $XDG_STATE_HOME or ~/.local/state
        state: Option<PathBuf> = None, "--state";

        /// Build packages that no binary cache has. Otherwise, they are errors
        allow_builds: bool = false, "--allow-builds";

        /// Run as root. Nix's evaluator then reads untrusted package sets as root too
        allow_root: bool = false, "--allow-root";

        /// Plan that plan-layers wrote, by which images share layers. Another plan gives every image
        /// other layers
        plan: Option<PathBuf> = None, "--plan";

        /// The maximum number of layers of an image, at least 2
        max_layers: Number<2, 127> = Number(count(Layering::default().max_layers)), "--max-layers";

        /// The compression of layers: `gzip`, `zstd` or `none`, with an optional level as in
        /// `zstd:9`. Another one gives every image other layers
        compression: Codec = Codec(Layering::default().compression);

        /// Which layers the state contains, besides how each is made: `never` any, `built` for those
        /// with packages that were built on this machine, because a new build may give something
        /// else, or `always` all
        store_layers: Stored = Stored(StoredLayers::default()), "--store-layers";

        /// How long a tag keeps its meaning after it was looked up
        pin: Period<0> = Period(PackageImagesOptions::new("").pin);

        /// The branches of a git repository that may be used. Without any, all may be
        branches: Vec<String> = Vec::new();

        /// What a tag means: a folder, a branch, a channel or a flake, as the source has them.
        /// `latest` is what `source` names, or the branch of the repository's HEAD
        tags: BTreeMap<String, String> = BTreeMap::new();

        /// The address below which channels are
        channels: String = SourceOptions::default().channels;

        /// Settings of Nix, such as `substituters`, in place of those in its files. A daemon ignores
        /// those that it allows trusted users only: set these in its nix.conf
        nix: BTreeMap<String, String> = BTreeMap::new();
    }
}

section! {
    /// What names mean.
    NameSection {
        /// The platform of images whose names begin with no platform. It is the same on every
        /// machine unless it is set
        platform: OsArch = OsArch::default();

        /// The package that a component means, for names that clients cannot spell
        aliases: BTreeMap<String, String> = BTreeMap::new();

        /// Packages in every image. One with a question mark is left out if the package set does not
        /// have it
        always: Vec<String> = NameOptions::default().always;
    }
}

section! {
    /// Limits on work and time.
    LimitSection {
        /// The number of images that are made at a time: the number of evaluations
        at_once: Number<1, 1000> = Number(count(MakingLimits::default().at_once));

        /// The number of images that wait until they are made. Further ones get status 429
        queue: Number<0, 100_000> = Number(count(MakingLimits::default().queued));

        /// The number of images that one client can have in work and in the queue
        per_client: Number<1, 100_000> = Number(count(MakingLimits::default().of_client));

        /// How long a failure is returned again without another attempt
        retry: Period<0> = Period(MakingLimits::default().remember_failures);

        /// How long an evaluation may take, and reading a source or Nix's database
        evaluation_time: Period<1> = Period(NixOptions::default().evaluation_time);

        /// The address space of an evaluation, of which newer versions of Nix reserve much more than
        /// they use
        evaluation_memory: Option<Size> = NixOptions::default().evaluation_memory.map(Size);

        /// How long Nix may substitute and build the packages of one image
        nix_timeout: Period<1> = Period(NixOptions::default().realisation_time), "--nix-timeout";

        /// How long a builder may write nothing
        silent_time: Period<1> = Period(NixOptions::default().silent_time);

        /// The size of all store paths of an image
        closure_size: Size = Size(NixOptions::default().closure_size);

        /// The number of derivations that one image builds at a time
        builds: Number<1, 1000> = Number(NixOptions::default().jobs);
    }
}

section! {
    /// Which images are forgotten.
    EvictionSection {
        /// Once an hour, forget images that nobody pulled for this time. Nix's garbage collector can
        /// then remove their packages
        keep: Option<Period<0>> = None, "--keep";

        /// Once an hour, forget the images that nobody pulled for the longest time, until the
        /// packages of the others have this size. Images of the last hour stay
        max_size: Option<Size> = None, "--max-size";
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A shorter time than most, so that what tags mean is asked at least this often.
pub(crate) const MOST_REMEMBERED: Duration = Duration::from_secs(120);

/// Where a package set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(pub SourceKind);

/// The compression of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec(pub Compression);

/// Which layers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored(pub StoredLayers);

/// The platform of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsArch(pub Platform);

/// Values that are written as text: their types, their names, and an example for errors.
macro_rules! texts {
    ($($value:ident: $name:literal, $expected:literal;)+) => {
        $(
            impl Kind for $value {
                const NAME: &'static str = $name;
            }

            impl<'de> Deserialize<'de> for $value {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    text::deserialize(deserializer, $expected, |text| text.parse().map(Self))
                }
            }

            impl Serialize for $value {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(&self.0)
                }
            }
        )+
    };
}

texts! {
    Codec: "compression", "\"gzip\", \"zstd\" or \"none\"";
    Stored: "`never`, `built` or `always`", "\"never\", \"built\" or \"always\"";
    OsArch: "platform", "a platform such as \"linux/amd64\"";
}

impl Kind for Source {
    const NAME: &'static str = "source";
}

impl Kind for BTreeMap<String, Metapackage> {
    const NAME: &'static str = "table";
    const CHOSEN: &'static str = ".NAME";
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| {
            // The error would show the password.
            if has_password(text) {
                return Err("a password does not belong into this file: git reads it from \
                            home/.netrc in the state"
                    .to_owned());
            }
            text.parse().map(Self).map_err(|error: Error| error.to_string())
        };
        text::deserialize(deserializer, "path:DIR, git:URL, channel:NAME or flake:REF", read)
    }
}

/// Whether a URL in the text has a user and a password.
fn has_password(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next());
    let user = authority.flatten().and_then(|authority| authority.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains(':'))
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&match &self.0 {
            SourceKind::Path(folder) => format!("path:{}", folder.display()),
            SourceKind::Git(url) => format!("git:{url}"),
            SourceKind::Channel(name) => format!("channel:{name}"),
            SourceKind::Flake(reference) => format!("flake:{reference}"),
        })
    }
}
