//! Probable mistakes that do not stop the work.

use std::path::PathBuf;

use crate::{
    digest::Digest,
    error::{Error, Result},
};

/// A probable mistake in what was given. Displayed, it is a sentence that names the file or member and the remedy.
///
/// The values that a function returns carry its warnings, as in [`TarLayer::warnings`](crate::TarLayer::warnings). With
/// the option `strict` of that function, the first warning is [`Error::Warning`] instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A platform was given by another name than the one that images use.
    #[error("platform {given:?} is written as {used:?}, the name that images use")]
    PlatformRenamed {
        /// The platform as given.
        given: String,
        /// The platform as written.
        used: String,
    },
    /// An index names images that the layout lacks, as `docker save` leaves it for platforms that were not pulled.
    #[error("{layout:?} lacks what its index {index} names for {}: so does every copy of that image", list(.absent))]
    ImagesAbsent {
        /// The layout.
        layout: PathBuf,
        /// The index.
        index: Digest,
        /// The platforms of what is absent, or the digest where none is said.
        absent: Vec<String>,
    },
    /// An archive has an image in its layout alone, where it has a docker-archive beside that.
    #[error("{image} has no form in a docker-archive, and is in the layout alone: {reason}")]
    NoDockerForm {
        /// The image's name or digest.
        image: String,
        /// Why it has none.
        reason: String,
    },
    /// An archive has no docker-archive beside its layout.
    #[error(
        "the archive has no manifest.json, by which older releases of docker load it: it has no image of a container"
    )]
    NoManifestJson,
    /// An image of a layout was left out, and others were not.
    #[error("image {image} is left out: {reason}")]
    ImageLeftOut {
        /// The image's name or digest.
        image: String,
        /// Why it was left out.
        reason: String,
    },
    /// A value in the base image's configuration that some engines refuse.
    #[error(
        "image configuration, {member} (set by {source_name}): is {found} and must be {expected}: some engines refuse \
         the image; give it another value, or null, which removes it"
    )]
    MemberRefused {
        /// The member, by the way to it: `config.StopSignal`.
        member: String,
        /// What set it.
        source_name: String,
        /// The value.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// A value in a configuration that engines take, and that is probably a mistake.
    #[error("image configuration, {member} (set by {source_name}): is {found} and should be {expected}")]
    MemberUnusual {
        /// The member, by the way to it: `config.Env[1]`.
        member: String,
        /// What set it.
        source_name: String,
        /// The value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A reference in the value of an environment variable that stays as it is.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): {reference} {reason}, and stays as \
         it is: correct it, or write $$ for a dollar sign"
    )]
    Reference {
        /// The variable whose value has the reference.
        variable: String,
        /// What set it.
        source_name: String,
        /// The reference: `$NAME`.
        reference: String,
        /// Why it has no value.
        reason: &'static str,
    },
    /// A variable that one source sets twice.
    #[error(
        "image configuration, config.Env, variable {variable} (set by {source_name}): is there twice, and the last counts"
    )]
    VariableTwice {
        /// Its name.
        variable: String,
        /// What set it.
        source_name: String,
    },
    /// A variable that is to be removed from the base image's and is not there.
    #[error("environment variable {name} is not removed: the base image does not set it")]
    VariableNotSet {
        /// Its name.
        name: String,
    },
    /// The base image has triggers for builds, which do not run here and are not handed on.
    #[error(
        "image configuration, config.OnBuild (set by the base image): its triggers are not run, and the new image does \
         not inherit them: {}; do what they do, if the image needs it",
        triggers.join(", ")
    )]
    TriggersNotRun {
        /// The triggers, as JSON strings.
        triggers: Vec<String>,
    },
    /// An image with more layers than some engines take.
    #[error("the image has {layers} layers, and Docker refuses more than {most}: merge some")]
    ManyLayers {
        /// How many it has.
        layers: usize,
        /// How many all engines take.
        most: usize,
    },
}

/// Some words, and how many are left out of them.
fn list(words: &[String]) -> String {
    const MOST: usize = 6;
    let more = words.len().saturating_sub(MOST);
    let shown = words[..words.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

impl Warning {
    /// The first of these warnings as an error, if warnings are errors.
    pub(crate) fn refuse(warnings: &[Self], strict: bool) -> Result<()> {
        match warnings.first() {
            Some(warning) if strict => Err(Error::Warning(warning.clone())),
            _ => Ok(()),
        }
    }
}
