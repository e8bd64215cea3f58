//! From registry to registry.

use std::ffi::OsStr;

use oci_layout::{Error, Image, Result, registry::Reference};

use crate::{
    attached::{Place, push_attached},
    errors,
    image_arg::{ImageArg, reference},
    out::print,
    progress,
    registries::{Registries, in_bar},
};

/// Returns the destination if it is a registry: with `docker`, or a name that begins with a host.
pub(super) fn destination(to: Option<&str>, given: Option<&str>) -> Result<Option<Reference>> {
    let Some(given) = given else { return Ok(None) };
    let bare = given.strip_prefix("docker:").unwrap_or(given).trim_start_matches('/');
    match (to, ImageArg::parse(OsStr::new(given))) {
        (None, Ok(ImageArg::Registry(reference))) => Ok(Some(reference)),
        (None, _) if !given.starts_with("docker:") => Ok(None),
        (None | Some("docker"), _) => {
            reference(bare).map(Some).map_err(|reason| errors::invalid("DEST", reason))
        }
        _ => Ok(None),
    }
}

/// Copies an image of one repository to another one. Blobs are read while they are sent.
pub(super) fn copy(
    image: &Image,
    from: &Reference,
    to: Reference,
    referrers: bool,
    registries: &Registries,
) -> Result<()> {
    let client = registries.client()?;
    let client = match from.registry == to.registry {
        true => client.mount_from(&from.repository),
        false => client,
    };
    let copied = progress::show("copying", |bytes| {
        let client = in_bar(client, bytes);
        let copied = client.push(image, std::slice::from_ref(&to))?;
        if referrers {
            let attached = Place::Registry(&client, from).attached(image)?;
            push_attached(&client, &attached, &[to])?;
        }
        Ok::<_, Error>(copied)
    })?;
    copied.iter().try_for_each(print)
}
