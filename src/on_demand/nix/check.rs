//! Whether Nix can be used safely for strangers.

use rustix::process::geteuid;
use serde_json::Value;

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    on_demand::nix::programs::{Programs, Unsuccessful},
    registry::Stop,
};

/// As [`NixPackages::check`](crate::on_demand::NixPackages::check).
pub(crate) fn check(programs: &Programs, allow_root: bool) -> Result<()> {
    let user = match geteuid().is_root() {
        true => None,
        false => Some(User { name: of_id(programs, "-un")?, groups: of_id(programs, "-Gn")? }),
    };
    if user.is_none() && !allow_root {
        let reason = "this process is root, so that a fault in Nix gives strangers the machine: \
                      run it as another user, or give --allow-root";
        return Err(Error::invalid("Nix", reason));
    }
    match trouble(&settings(programs)?, user.as_ref()) {
        Some(reason) => Err(Error::invalid("Nix", reason)),
        None => Ok(()),
    }
}

/// A user who is not root.
struct User {
    name: String,
    /// The names of the groups, with spaces between them.
    groups: String,
}

/// What is unsafe in these settings. Without a user, this process is root.
fn trouble(settings: &Value, user: Option<&User>) -> Option<String> {
    let setting = |name: &str| settings.get(name).and_then(|setting| setting.get("value"));
    let is_on = match setting("sandbox") {
        Some(Value::Bool(is_on)) => *is_on,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    if !is_on {
        let reason = "its sandbox is off or relaxed: set `sandbox = true` in nix.conf";
        return Some(reason.to_owned());
    }
    let User { name, groups } = user?;
    let trusted = match setting("trusted-users") {
        Some(Value::Array(users)) => users.as_slice(),
        _ => &[],
    };
    let mut trusted = trusted.iter().filter_map(Value::as_str);
    let word = trusted.find(|word| match word.strip_prefix('@') {
        Some(group) => groups.split_whitespace().any(|of| of == group),
        None => *word == "*" || word == name,
    })?;
    Some(format!(
        "its daemon trusts this user because of {word:?} in `trusted-users`, and a trusted user \
         can become root: run as another user"
    ))
}

/// The settings of Nix.
fn settings(programs: &Programs) -> Result<Value> {
    // The name of the command changed in Nix 2.14.
    let mut errors = Vec::new();
    for words in [&["config", "show"][..], &["show-config"]] {
        let mut command = programs.nix("nix");
        command.args(["--extra-experimental-features", "nix-command"]).args(words).arg("--json");
        match run(programs, &mut command) {
            Ok(stdout) => {
                return json::value(&stdout).map_err(|reason| Error::invalid("Nix", reason));
            }
            Err(reason) => errors.push(reason),
        }
    }
    let reason = format!("its settings cannot be read: {}", errors.join("; "));
    Err(Error::invalid("Nix", reason))
}

/// What the program `id` says of this user.
fn of_id(programs: &Programs, option: &str) -> Result<String> {
    let mut command = programs.command("id".as_ref());
    let stdout = run(programs, command.arg(option));
    let stdout = stdout.map_err(|reason| Error::invalid("Nix", format!("id failed: {reason}")))?;
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

fn run(
    programs: &Programs,
    command: &mut std::process::Command,
) -> std::result::Result<Vec<u8>, String> {
    match programs.run(command, "asking for the settings", &Stop::default()) {
        Ok(output) => Ok(output),
        Err(Unsuccessful::Refused(stderr)) => Err(stderr.trim().to_owned()),
        Err(Unsuccessful::Error(error)) => Err(error.detail.unwrap_or(error.message)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unsafe_settings_are_found() {
        let safe = || {
            json!({
                "sandbox": { "value": true },
                "trusted-users": { "value": ["root", "@wheel"] },
            })
        };
        let user = User { name: "me".to_owned(), groups: "me users".to_owned() };
        assert_eq!(trouble(&safe(), None), None);
        assert_eq!(trouble(&safe(), Some(&user)), None);
        for (name, value, expected) in [
            ("sandbox", json!(false), "off or relaxed"),
            ("sandbox", json!("relaxed"), "off or relaxed"),
            ("sandbox", json!(null), "off or relaxed"),
            ("trusted-users", json!(["root", "me"]), "because of \"me\""),
            ("trusted-users", json!(["@users"]), "because of \"@users\""),
            ("trusted-users", json!(["*"]), "because of \"*\""),
        ] {
            let mut settings = safe();
            settings[name]["value"] = value.clone();
            let reason = trouble(&settings, Some(&user)).unwrap_or_default();
            assert!(reason.contains(expected), "{name} = {value}: {reason}");
        }
        // Older versions write "true" in quotes.
        let mut settings = safe();
        settings["sandbox"]["value"] = json!("true");
        assert_eq!(trouble(&settings, None), None);
    }
}
