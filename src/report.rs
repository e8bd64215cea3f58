//! Why an image is as large as it is, and what in it deserves a look.

pub(crate) mod contents;
pub(crate) mod image_report;
pub(crate) mod scan;
pub(crate) mod scanned_files;

pub use crate::report::image_report::{Fate, ImageReport, LayerReport, ReportedFile};

use crate::{
    basics::Result,
    image::{PlatformImage, runnable},
    report::{scan::Scan, scanned_files::ScannedFiles},
};

/// Reads the layers of an image, each once, and verifies their digests.
///
/// ```
/// use oci_layout::{
///     ConfigOptions, FileMapping, Image, LayerOptions, ManifestOptions, PlatformImage,
///     image_config, image_manifest, layer_tar, report::image_report
/// };
/// let layer = |text| layer_tar([FileMapping::text(text, "/motd")], LayerOptions::default());
/// let layers = [layer("long text\n")?, layer("text\n")?];
/// let config = image_config(&layers, ConfigOptions::default())?;
/// let image = Image::from(image_manifest(config, layers, ManifestOptions::default())?);
/// let report = image_report(&PlatformImage::of(&image, None)?)?;
/// assert_eq!(report.size(), 5);
/// assert_eq!(report.overwritten().map(|file| file.size).sum::<u64>(), 10);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// Those of reading a layer, and [`Error::BlobDamaged`](crate::Error::BlobDamaged) if its bytes are
/// not those of its digest.
pub fn image_report(image: &PlatformImage) -> Result<ImageReport> {
    let scan = Scan::new(image.layers())?;
    let warnings = runnable::check(image.configuration(), &ScannedFiles::new(&scan))?;
    let Scan { layers, files, skipped, .. } = scan;
    Ok(ImageReport { layers, files, warnings, skipped })
}
