//! The results of checks: those that passed, and findings with their places.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    basics::{Digest, Printable},
    check::violation::Violation,
    image::PlatformImage,
    verify::Severity,
};

/// The checks of an image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageChecks {
    /// The platform, such as `linux/amd64`.
    pub platform: String,
    /// The digest of the image's manifest.
    pub image: Digest,
    /// All checks, in the order of the policies.
    pub checks: Vec<Check>,
}

impl ImageChecks {
    /// The findings of all checks.
    pub fn findings(&self) -> impl Iterator<Item = &CheckFinding> {
        self.checks.iter().flat_map(|check| &check.findings)
    }
}

/// A check that was made. It passed if it has no findings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The name of the policy: usually its file.
    pub policy: String,
    /// The member of the policy.
    pub rule: Rule,
    /// What the check is about, such as the name of a test or a glob.
    pub name: String,
    /// What it found.
    pub findings: Vec<CheckFinding>,
}

/// What violates a policy, and where.
///
/// Serialised, it is an object with the members of a [`Finding`](crate::verify::Finding) of
/// `verify`: `severity` (always `error`), `place`, `digest` (or `null`), `defect` (the name of
/// the [`Violation`], such as `private-key`) and `message`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckFinding {
    /// The path of a file in the image, or the place in its documents, such as `configuration,
    /// config.User`.
    pub place: String,
    /// The layer that has the file, or the document.
    pub digest: Option<Digest>,
    /// The violation.
    pub violation: Violation,
}

impl CheckFinding {
    /// Whether the place is the path of a file in the image.
    pub(crate) fn is_file(&self) -> bool {
        let is_path = !matches!(
            self.violation,
            Violation::RequiredFileMissing | Violation::EntryLeftOut { .. }
        );
        self.place.starts_with('/') && is_path
    }
}

impl fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(&self.place))?;
        self.digest.iter().try_for_each(|digest| write!(f, " ({digest})"))?;
        write!(f, ": {}", Printable(&self.violation))
    }
}

impl Serialize for CheckFinding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("CheckFinding", 5)?;
        members.serialize_field("severity", Severity::Error.as_str())?;
        members.serialize_field("place", &self.place)?;
        members.serialize_field("digest", &self.digest)?;
        members.serialize_field("defect", self.violation.name())?;
        members.serialize_field("message", &self.violation.to_string())?;
        members.end()
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $member:literal, $sentence:literal;)+) => {
        /// The members of a policy that check something.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name of the member, such as `privateKeys`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $member,)+ }
            }

            /// What the rule demands, as a sentence.
            pub(crate) fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

rules! {
    /// Whether files exist, and their modes and owners.
    FileExistenceTests = "fileExistenceTests", "A file exists or does not, with these permissions and owners.";
    /// What files contain.
    FileContentTests = "fileContentTests", "The contents of a file match regular expressions.";
    /// What the configuration contains.
    MetadataTest = "metadataTest", "The configuration of the image has these values.";
    /// How large the image may be.
    Sizes = "sizes", "The image is within its size budget.";
    /// Files that the image must have.
    RequiredFiles = "requiredFiles", "The image has these files.";
    /// Files that no layer may have.
    ForbiddenFiles = "forbiddenFiles", "No layer has these files.";
    /// The user of containers.
    RootUser = "rootUser", "Containers do not run as root.";
    /// Files that change the user or the group of who runs them.
    SetuidFiles = "setuidFiles", "No program has the setuid or setgid bit.";
    /// Files that everybody can change.
    WorldWritableFiles = "worldWritableFiles", "Not everybody can write to a file or directory.";
    /// Private keys.
    PrivateKeys = "privateKeys", "No layer has a private key.";
    /// Labels that the image must have.
    RequiredLabels = "requiredLabels", "The image has these labels.";
    /// Entries of layers that no check sees, or that container runtimes may apply in another way. No
    /// policy has it as a member, and it has a check only if there are such entries.
    Entries = "entries", "All entries of the layers can be checked, and have one meaning.";
}

/// The largest number of findings of one check. A hostile image can cause millions.
const MOST_FINDINGS: usize = 1000;

/// The largest number of findings in all. After them, a check has one.
const MOST_OF_ALL: usize = 100_000;

/// Collects checks.
pub(crate) struct Checks {
    policy: String,
    image: ImageChecks,
    configuration: Digest,
    /// How many findings there are.
    count: usize,
}

impl Checks {
    pub(crate) fn new(image: &PlatformImage) -> Self {
        let platform = image.descriptor().platform.clone();
        let platform = platform.unwrap_or_else(|| image.configuration().platform());
        Self {
            policy: String::new(),
            image: ImageChecks {
                platform: platform.to_string(),
                image: image.descriptor().digest,
                checks: Vec::new(),
            },
            configuration: image.manifest().config.digest,
            count: 0,
        }
    }

    /// Begins the checks of the policy with this name.
    pub(crate) fn begin(&mut self, policy: &str) {
        policy.clone_into(&mut self.policy);
    }

    /// Adds a check with its findings.
    pub(crate) fn add(
        &mut self,
        rule: Rule,
        name: impl Into<String>,
        found: impl IntoIterator<Item = CheckFinding>,
    ) {
        let mut found = found.into_iter();
        let most = MOST_OF_ALL.saturating_sub(self.count).clamp(1, MOST_FINDINGS);
        let mut findings: Vec<_> = found.by_ref().take(most).collect();
        self.count += findings.len();
        let count = found.count() as u64;
        if let (Some(last), true) = (findings.last(), count > 0) {
            let place = last.place.clone();
            findings.push(CheckFinding {
                place,
                digest: None,
                violation: Violation::More { count },
            });
        }
        let (policy, name) = (self.policy.clone(), name.into());
        self.image.checks.push(Check { policy, rule, name, findings });
    }

    /// Adds a check of the configuration.
    pub(crate) fn add_configuration(
        &mut self,
        rule: Rule,
        name: impl Into<String>,
        member: &str,
        found: impl IntoIterator<Item = Violation>,
    ) {
        let digest = Some(self.configuration);
        let finding = |violation| CheckFinding {
            place: format!("configuration, config.{member}"),
            digest,
            violation,
        };
        self.add(rule, name, found.into_iter().map(finding).collect::<Vec<_>>());
    }

    pub(crate) fn finish(self) -> ImageChecks {
        self.image
    }
}
