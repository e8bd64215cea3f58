//! Which store paths were built on this machine, and not substituted.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

use crate::{
    basics::json,
    on_demand::nix::{database::AT_ONCE, programs::Programs},
    registry::{NamedImageError, NamedImageErrorKind::Failed, Stop},
};

/// As [`PackageSource::built`](crate::on_demand::PackageSource::built).
pub(crate) fn built(
    programs: &Programs,
    paths: &[PathBuf],
    stop: &Stop,
) -> Result<BTreeSet<PathBuf>, NamedImageError> {
    let mut built = BTreeSet::new();
    for paths in paths.chunks(AT_ONCE) {
        let ask = |format: &[&str]| {
            let mut command = programs.nix("nix");
            command.args(["--extra-experimental-features", "nix-command", "path-info", "--json"]);
            programs.run(command.args(format).args(paths), "reading the database", stop)
        };
        // Later versions want to know the form of the answer, and 2.8 knows no such option.
        let output = ask(&[]).or_else(|_| ask(&["--json-format", "1"])).map_err(|failure| {
            failure.because(|reason| format!("Nix does not say what it built: {reason}"))
        })?;
        let answer = json::value(&output).ok().and_then(|value| parse(&value));
        built.extend(answer.ok_or_else(|| {
            NamedImageError::new(Failed, "the registry does not understand what Nix built")
        })?);
    }
    Ok(built)
}

/// The paths that are `ultimate`, which is Nix's word for a path that this machine built. They are
/// in a list or, from 2.19, in an object by their paths.
fn parse(value: &Value) -> Option<Vec<PathBuf>> {
    let is_built = |info: &Value| info["ultimate"] == true;
    let path = |path: &str| path.starts_with('/').then(|| PathBuf::from(path));
    match value {
        Value::Array(infos) => {
            let built = infos.iter().filter(|info| is_built(info));
            built.map(|info| path(info["path"].as_str()?)).collect()
        }
        Value::Object(infos) => {
            let built = infos.iter().filter(|(_, info)| is_built(info));
            built.map(|(name, _)| path(name)).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let old = json!([
            { "path": "/s/a", "ultimate": true }, { "path": "/s/b" },
            { "path": "/s/c", "ultimate": false },
        ]);
        let new = json!({
            "/s/a": { "ultimate": true }, "/s/b": { "ultimate": false }, "/s/c": null,
        });
        for form in [old, new] {
            assert_eq!(parse(&form).unwrap(), [PathBuf::from("/s/a")]);
        }
        for other in [json!([{ "ultimate": true }]), json!({ "a": { "ultimate": true } }), json!(1)]
        {
            assert_eq!(parse(&other), None, "{other}");
        }
    }
}
