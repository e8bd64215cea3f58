//! The bill of materials of an image that Nix builds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    basics::error::{Error, Result},
    blob::Blob,
    folder,
    image::platform_image::PlatformImage,
    nix::{attributes::Attributes, output::warn, path_info::PathInfo},
    pool::Pool,
    sbom::{
        self, SbomFormat,
        nix_store::{self, StorePath},
    },
};

/// Writes the bill of materials of an image: what its files say, and what Nix knows of its store
/// paths.
///
/// The attribute `copied` is a list of `{ layer, paths }`: packages that the layer has the contents
/// of, at other places than in the store. `packages` is a list of `{ paths, licences, cpe }`, from
/// `meta`.
///
/// # Errors
///
/// As [`image_sbom`](crate::sbom::image_sbom), [`Error::Invalid`] for an invalid attribute, and
/// [`Error::Write`].
pub fn sbom(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let image = folder::open_image(attributes.get::<PathBuf>("image")?, &attributes.trust())?;
    // The store of the output, wherever it is.
    let store = attributes.output().parent().unwrap_or(Path::new("/nix/store"));
    let image = PlatformImage::of(&image, None)?;
    let mut bill = sbom::image_sbom_with_store(&image, store, pool)?;
    for (path, reason) in &bill.unread {
        warn(&format!("{path:?} says nothing of packages, because {reason}"));
    }
    for Copied { layer, paths } in attributes.list("copied")? {
        let layers = folder::open_layers(&[layer], &attributes.trust())?;
        let digest = layers.last().map(|layer| layer.descriptor().digest);
        let place = bill.layers.iter().rposition(|layer| Some(*layer) == digest);
        let Some(place) = place else { continue };
        bill.packages.extend(paths.iter().filter_map(|path| nix_store::package(path, place)));
    }
    bill.packages.sort();
    bill.packages.dedup_by(|one, other| one.purl == other.purl);

    let graph = PathInfo::list(&attributes.graph()?)?.into_iter().map(|info| {
        let nar_hash = info.nar_hash()?;
        Ok(StorePath { path: info.path, nar_hash, references: info.references })
    });
    nix_store::add_graph(&graph.collect::<Result<Vec<_>>>()?, &mut bill.packages);

    let mut described = BTreeMap::new();
    for Meta { paths, licences, cpe } in attributes.list("packages")? {
        described.extend(paths.into_iter().map(|path| (path, (licences.join(", "), cpe.clone()))));
    }
    for package in &mut bill.packages {
        if let Some((licence, cpe)) = described.get(&package.path) {
            package.licence = Some(licence.clone()).filter(|licence| !licence.is_empty());
            package.cpe = cpe.clone();
        }
    }
    let format = match attributes.get::<String>("format")?.as_str() {
        "cyclonedx" => SbomFormat::CycloneDx,
        "spdx" => SbomFormat::Spdx,
        other => {
            return Err(Error::invalid("format", format!("{other:?} is not cyclonedx or spdx")));
        }
    };
    fs::write(attributes.output(), bill.to_json(format)).map_err(Error::write(attributes.output()))
}

/// Packages whose contents a layer has.
#[derive(Deserialize)]
struct Copied {
    layer: PathBuf,
    paths: Vec<PathBuf>,
}

/// What evaluation knows of a package: the paths of its outputs, and texts of its `meta`. Several
/// licences remain a list: nixpkgs does not say whether all of them hold, or one.
#[derive(Deserialize)]
struct Meta {
    paths: Vec<PathBuf>,
    licences: Vec<String>,
    cpe: Option<String>,
}
