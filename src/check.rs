//! Checks images against policies: what files and configurations must have, and must not have.

pub(crate) mod ambiguous;
pub(crate) mod configuration;
pub(crate) mod contents;
pub(crate) mod file_tests;
pub(crate) mod finding;
pub(crate) mod globs;
pub(crate) mod go_regex;
pub(crate) mod go_values;
pub(crate) mod junit;
pub(crate) mod kinds;
pub(crate) mod modes;
pub(crate) mod platforms;
pub(crate) mod policy;
pub(crate) mod private_key;
pub(crate) mod report;
pub(crate) mod sarif;
pub(crate) mod shell;
pub(crate) mod sizes;
pub(crate) mod structure_tests;
pub(crate) mod user;
pub(crate) mod violation;

pub use crate::check::{
    finding::{Check, CheckFinding, ImageChecks, Rule},
    junit::junit,
    policy::Policy,
    report::{json, text},
    sarif::sarif,
    violation::{Hidden, Violation},
};

use crate::{
    basics::{Error, Result},
    check::{contents::ImageContents, finding::Checks, platforms::refuse_others},
    image::{Image, PlatformImage},
    pool::Pool,
};

/// Checks an image against policies, all of which apply.
///
/// Each layer is read once. Those with files whose contents a policy names, and with `/etc/passwd` if
/// the user has a name, are read again.
///
/// ```
/// use oci_layout::{
///     ConfigOptions, FileMapping, Image, LayerOptions, ManifestOptions, PlatformImage, Pool,
///     check::{Policy, Violation, check_image}, image_config, image_manifest, layer_tar
/// };
/// let layers = [layer_tar([FileMapping::text("secret\n", "/root/.netrc")], LayerOptions::default())?];
/// let config = image_config(&layers, ConfigOptions::default().user("1000"))?;
/// let image = Image::from(image_manifest(config, layers, ManifestOptions::default())?);
/// let policy = Policy::from_yaml("policy.yaml", "\
/// rootUser: forbidden
/// forbiddenFiles: ['**/.netrc']
/// ")?;
/// let result = check_image(&PlatformImage::of(&image, None)?, &[policy], &Pool::available())?;
/// let [user, files] = &result.checks[..] else { unreachable!() };
/// assert!(user.findings.is_empty());
/// assert_eq!(files.findings[0].place, "/root/.netrc");
/// assert!(matches!(files.findings[0].violation, Violation::ForbiddenFile { .. }));
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// Those of reading a layer, and [`Error::BlobDamaged`] if its bytes are not those of
/// its digest.
pub fn check_image(image: &PlatformImage, policies: &[Policy], pool: &Pool) -> Result<ImageChecks> {
    let wants_keys = policies.iter().any(|policy| policy.members.private_keys.is_some());
    let contents = ImageContents::read(image, wants_keys, pool)?;
    let mut checks = Checks::new(image);
    for policy in policies {
        checks.begin(policy.name());
        file_tests::check(policy, &contents, image, &mut checks)?;
        configuration::check(policy, image.configuration(), &mut checks);
        sizes::check(policy, &contents, image, &mut checks);
        user::check(policy, &contents, image.configuration(), &mut checks)?;
        kinds::check(policy, &contents, &mut checks)?;
    }
    kinds::check_entries(&contents, &mut checks);
    Ok(checks.finish())
}

/// Checks an image as [`check_image`] does, for each of its platforms, in the order of its index.
///
/// # Errors
///
/// As of [`check_image`], and [`Error::Invalid`] for an artifact, and for an image for an unknown
/// platform among the others, because it would not be checked.
pub fn check_platforms(
    image: &Image,
    policies: &[Policy],
    pool: &Pool,
) -> Result<Vec<ImageChecks>> {
    let images: Vec<_> = image.platform_images()?.into_iter().map(|(_, image)| image).collect();
    refuse_others(image, &images)?;
    if images.is_empty() {
        let digest = image.descriptor().digest;
        let reason = "it has no image of a container to check";
        return Err(Error::invalid(format!("image {digest}"), reason));
    }
    images.iter().map(|image| check_image(image, policies, pool)).collect()
}
