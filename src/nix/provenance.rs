//! Writes the provenance of an image: the predicate of [SLSA v1](https://slsa.dev/spec/v1.1/provenance).

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
    },
    document::descriptor::Platform,
    layout::read::ImageLayout,
    nix::{attributes::Attributes, documents::SCRATCH, path_info::PathInfo},
    signature::statement::Statement,
};

/// What the parameters and dependencies mean: the page `docs/provenance.md`. A change of their
/// meaning needs another name.
const BUILD_TYPE: &str =
    "https://docs.rs/crate/oci-layout/latest/source/docs/provenance.md#build-type-1";

const SLSA: &str = "https://slsa.dev/provenance/v1";

/// A base image, and the platform of the image that is built on it.
#[derive(Deserialize)]
struct Base {
    layout: PathBuf,
    tag: Option<String>,
    platform: Option<Platform>,
}

/// Writes a statement about all images of a layout, and about their manifests for each platform. It
/// contains no time, and the same store contents give the same bytes.
///
/// # Errors
///
/// [`Error::Invalid`] for an invalid attribute, and those of reading the layout and the base images.
pub fn provenance(attributes: &Attributes) -> Result<()> {
    let layout = ImageLayout::open(attributes.get::<PathBuf>("layout")?)?.trust(attributes.trust());
    let mut subjects = Vec::new();
    for image in layout.images()? {
        let manifests = image.blobs().iter().map(|blob| blob.descriptor());
        let is_subject = |media_type: &crate::document::descriptor::MediaType| {
            media_type.is_manifest() || media_type.is_index()
        };
        subjects.extend(
            manifests.filter(|it| is_subject(&it.media_type)).map(|descriptor| descriptor.digest),
        );
    }
    subjects.sort_unstable_by_key(Digest::hex);
    subjects.dedup();

    let mut parameters: Map<String, Value> = attributes.get("parameters")?;
    parameters.insert("derivation".to_owned(), attributes.get("derivation")?);
    let mut dependencies = bases(attributes)?;
    dependencies.extend(store_paths(attributes)?);
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": parameters,
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {
                "id": attributes.get::<String>("builderId")?,
                "version": { env!("CARGO_PKG_NAME"): env!("CARGO_PKG_VERSION") },
            },
        },
    });
    let statement = Statement::new(&subjects, SLSA, &json::to_bytes(&predicate))?;
    let bytes = [statement.json(), b"\n"].concat();
    fs::write(attributes.output(), bytes).map_err(Error::write(attributes.output()))
}

/// The manifests of the base images.
fn bases(attributes: &Attributes) -> Result<Vec<Value>> {
    let mut digests = BTreeSet::new();
    for Base { layout, tag, platform } in attributes.list("bases")? {
        let layout = ImageLayout::open_in(layout, SCRATCH)?.trust(attributes.trust());
        let base = layout.image(tag.as_deref(), Some(&platform.unwrap_or_default()))?;
        digests.insert((base.descriptor().digest.hex(), base.descriptor().media_type.to_string()));
    }
    let described = |(sha256, media_type)| json!({ "name": "base image", "digest": { "sha256": sha256 }, "mediaType": media_type });
    Ok(digests.into_iter().map(described).collect())
}

/// The store paths that the builds of the layers could read, except for the list of them.
fn store_paths(attributes: &Attributes) -> Result<Vec<Value>> {
    let without: Vec<PathBuf> = attributes.list("without")?;
    let mut paths = PathInfo::list(&attributes.graph()?)?;
    paths.retain(|info| !without.contains(&info.path));
    paths.sort_by(|one, other| one.path.cmp(&other.path));
    let described = |info: &PathInfo| {
        Ok(json!({ "name": info.path, "digest": { "narHash": info.nar_hash()? } }))
    };
    paths.iter().map(described).collect()
}
