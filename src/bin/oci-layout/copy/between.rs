//! From registry to registry.

use oci_layout::{Image, Result, registry::Reference};

use crate::{out::print, progress, registries::Registries};

/// Copies an image of one repository to another one. Blobs are read while they are sent.
pub(super) fn copy(
    image: &Image,
    from: &Reference,
    to: Reference,
    registries: &Registries,
) -> Result<()> {
    let client = registries.client()?;
    let client = match from.registry == to.registry {
        true => client.mount_from(&from.repository),
        false => client,
    };
    let copied =
        progress::show("copying", |bytes| client.progress(bytes.progress()).push(image, &[to]))?;
    copied.iter().try_for_each(print)
}
