//! Files of `serve --config`: see [`crate::fuzzing`].

use crate::{
    basics::error::Error,
    serve_config::{change::changed, config::ServeConfig, read::parse},
};

/// Reads a configuration. Its values are within their limits, written and read again they are the
/// same, and an error names a line.
pub fn serve_config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let config = match parse("file", text) {
        Ok(config) => config,
        Err(error) => {
            let what = match &error {
                Error::Invalid { what, .. } | Error::UnknownMember { what, .. } => what,
                other => panic!("another error: {other}"),
            };
            assert!(what.starts_with("file, line ") || what.starts_with("file, "), "{what}");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = serde_json::to_value(&config).expect("a configuration has a JSON form");
    let again: ServeConfig = serde_json::from_value(written).expect("what was written is read");
    assert_eq!(again, config, "the same after writing and reading");
    assert!(changed(&config, &again).is_empty());

    let limits = config.making_limits();
    assert!(limits.at_once > 0 && limits.of_client > 0);
    let options = config.nix_options();
    assert!(!options.realisation_time.is_zero() && options.closure_size > 0 && options.jobs > 0);
    assert!(config.source_options().remember <= config.packages.pin.0);
    let names = config.parsed_names().expect("the names were checked");
    // Whatever it is, it is read without a panic.
    let _ = names.contents("shell");
}
