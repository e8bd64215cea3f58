//! Where skopeo reads an image: from this process, or without the feature `registry` from the
//! layout.

use oci_layout::{Image, Pool, Result};

use crate::image_arg::ImageArg;

#[cfg(feature = "registry")]
use crate::out::say;

/// What skopeo reads from. It is served until this value is dropped.
pub(super) struct Source {
    pub(super) options: &'static [&'static str],
    /// `TRANSPORT:REFERENCE`.
    pub(super) reference: String,
    #[cfg(feature = "registry")]
    _serving: oci_layout::registry::Serving,
}

/// A registry on this machine. skopeo requests only the blobs that the destination lacks, so a
/// layer that exists as a recipe is built only when it is requested.
#[cfg(feature = "registry")]
impl Source {
    pub(super) fn new(_: &ImageArg, image: &Image, pool: &Pool) -> Result<Self> {
        use oci_layout::{
            Report,
            registry::{Endpoint, Event},
        };

        let endpoint = Endpoint::new([("image", vec![image.clone()])])?.pool(pool).log(|event| {
            // If a connection breaks, skopeo does not know the reason.
            if let Event::Failed { error, .. } = event {
                say(format_args!("oci-layout: error: {}", Report(&**error)));
            }
        });
        let serving = endpoint.listen(([127, 0, 0, 1], 0).into())?;
        let reference = format!("docker://{}/image@{}", serving.address(), image.digest());
        Ok(Self { options: &["--src-tls-verify=false"], reference, _serving: serving })
    }
}

#[cfg(not(feature = "registry"))]
impl Source {
    pub(super) fn new(from: &ImageArg, image: &Image, _: &Pool) -> Result<Self> {
        use oci_layout::Blob;

        use crate::errors;

        let ImageArg::Layout(from) = from;
        let path = &*from.layout;
        let whole = std::path::absolute(path).map_err(errors::read(path))?;
        let is_in = |blob: &dyn Blob| {
            let recipe = blob.recipe();
            recipe
                .and_then(|recipe| Some(recipe.lies_in()?.0.starts_with(&whole)))
                .unwrap_or_default()
        };
        if !image.blobs().iter().all(|blob| is_in(blob)) {
            let reason = "has recipes instead of layers, which only oci-layout can read: use a \
                build with the feature `registry`, or run `oci-layout fill` first";
            return Err(errors::layout(path, reason));
        }
        let transport = if path.is_dir() { "oci" } else { "oci-archive" };
        let tag = image.descriptor().annotations.get("org.opencontainers.image.ref.name");
        let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
        Ok(Self { options: &[], reference: format!("{transport}:{}{tag}", path.display()) })
    }
}
