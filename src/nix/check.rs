//! Checks of images against policies, with a report for each reader.

use std::{fs, path::PathBuf};

use serde::Deserialize;

use crate::{
    basics::error::{Error, Result},
    check::{ImageChecks, Policy, check_platforms, json, junit, sarif, text},
    layout::read::ImageLayout,
    nix::{attributes::Attributes, documents::SCRATCH},
    pool::Pool,
};

/// Checks an image, for each of its platforms, against policies, and prints the findings. Writes a
/// folder with reports if the image keeps to all policies.
///
/// # Errors
///
/// [`Error::Invalid`] if the image does not keep to a policy; those of reading a policy, and of
/// [`check_platforms`].
pub fn check(attributes: &Attributes, pool: &Pool) -> Result<()> {
    #[derive(Deserialize)]
    struct File {
        name: String,
        file: PathBuf,
    }
    let read = |File { name, file }| {
        Policy::from_yaml(name, &fs::read_to_string(&file).map_err(Error::read(&file))?)
    };
    let policies =
        attributes.list("policies")?.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let path: PathBuf = attributes.get("layout")?;
    let tag: Option<String> = attributes.get("tag")?;
    let layout = ImageLayout::open_in(&path, SCRATCH)?.trust(attributes.trust());
    let results = check_platforms(&layout.whole_image(tag.as_deref())?, &policies, pool)?;

    eprint!("{}", text(&results));
    if results.iter().flat_map(ImageChecks::findings).next().is_some() {
        let reason = "it does not keep to its policy: the lines above name the places";
        return Err(Error::invalid(format!("{path:?}"), reason));
    }
    let output = attributes.output();
    fs::create_dir(output).map_err(Error::write(output))?;
    for (name, report) in [
        ("findings.json", json(&results)),
        ("results.sarif", sarif(&results)),
        ("junit.xml", junit(&results)),
    ] {
        let file = output.join(name);
        fs::write(&file, report).map_err(Error::write(&file))?;
    }
    Ok(())
}
