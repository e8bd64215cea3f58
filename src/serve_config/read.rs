//! Reads the file of `serve --config`.

use std::{fs, path::Path};

use crate::{
    basics::{
        error::{Error, Result},
        text::line_of,
    },
    serve_config::config::ServeConfig,
};

/// Reads a configuration. Relative paths in it are relative to the folder of the file.
///
/// # Errors
///
/// The errors of reading the file, and those of [`parse`].
pub fn read(file: &Path) -> Result<ServeConfig> {
    let text = fs::read_to_string(file).map_err(Error::read(file))?;
    let mut config = parse(&format!("{file:?}"), &text)?;
    config.relative_to(file.parent().unwrap_or(Path::new("")));
    Ok(config)
}

/// Reads the text of a configuration. `what` names it in errors.
///
/// # Errors
///
/// [`Error::UnknownMember`] and [`Error::Invalid`] with the line and the key. They show no value of
/// an unknown key, because it might be a credential.
pub fn parse(what: &str, text: &str) -> Result<ServeConfig> {
    let at = |error: &toml::de::Error| format!("{what}, line {}", line_of(text, error.span()));
    let document = toml::Deserializer::parse(text)
        .map_err(|error| Error::invalid(at(&error), format!("not TOML: {}", error.message())))?;
    let config = serde_path_to_error::deserialize(document).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let error = error.into_inner();
        let place = at(&error);
        match unknown_field(error.message()) {
            Some((member, _)) if is_secret(member) => {
                let reason = "credentials do not belong into this file: set them in the \
                              environment, as in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                Error::invalid(format!("{place}, {member}"), reason)
            }
            #[cfg(not(feature = "on-demand"))]
            Some((member, _)) if path == member && OF_PACKAGES.contains(&member) => {
                let reason = "this program was built without the feature on-demand";
                Error::invalid(format!("{place}, {member}"), reason)
            }
            Some((member, known)) => {
                // The path can end with the unknown member.
                let section =
                    path.strip_suffix(member).map_or(&*path, |of| of.trim_end_matches('.'));
                let place = if section.is_empty() { place } else { format!("{place}, {section}") };
                Error::unknown_member(place, member, &known)
            }
            None if path.is_empty() => Error::invalid(place, error.message()),
            None => Error::invalid(format!("{place}, {path}"), error.message()),
        }
    })?;
    check(what, &config)?;
    Ok(config)
}

/// The sections of programs that make images of packages.
#[cfg(not(feature = "on-demand"))]
const OF_PACKAGES: [&str; 6] =
    ["packages", "names", "metapackages", "limits", "eviction", "storage"];

/// What single keys cannot tell.
fn check(what: &str, config: &ServeConfig) -> Result<()> {
    let refuse = |section, reason: &str| Err(Error::invalid(format!("{what}, {section}"), reason));
    if config.tls.cert.is_some() != config.tls.key.is_some() {
        return refuse("tls", "cert and key belong together, and one of them is missing");
    }
    #[cfg(feature = "on-demand")]
    {
        if config.packages.nix.contains_key("access-tokens") {
            let reason = "credentials do not belong into this file: set access-tokens in nix.conf";
            return refuse("packages.nix", reason);
        }
        if let Some(reason) = config.storage.contradiction() {
            return refuse("storage", reason);
        }
        config.parsed_names().map_err(|error| match error {
            Error::Invalid { what: part, reason } => {
                Error::invalid(format!("{what}, {part}"), reason)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// The unknown field and the known ones, if this is serde's sentence about one.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (member, known) = rest.split_once("`, expected ")?;
    Some((member, known.split('`').skip(1).step_by(2).collect()))
}

/// Whether a key with this name would have a credential.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let words = ["secret", "password", "token", "access-key", "account-key", "credential", "sas"];
    words.iter().any(|word| key.contains(word))
}

#[cfg(all(test, not(feature = "on-demand")))]
#[test]
fn sections_of_packages_name_the_feature() {
    for section in OF_PACKAGES {
        let message = parse("file", &format!("\n[{section}]\n")).unwrap_err().to_string();
        assert!(message.starts_with(&format!("file, line 2, {section}: ")), "{message}");
        assert!(message.ends_with("without the feature on-demand"), "{message}");
    }
}
