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
    let unsafe_because = |reason: &str| Err(Error::invalid("Nix", reason));
    let is_root = geteuid().is_root();
    if is_root && !allow_root {
        return unsafe_because(
            "this process is root, so that a fault in Nix gives strangers the machine: run it as \
             another user, or allow root",
        );
    }
    let settings = settings(programs)?;
    let setting = |name: &str| settings.get(name).and_then(|setting| setting.get("value"));
    let is_on = match setting("sandbox") {
        Some(Value::Bool(is_on)) => *is_on,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    if !is_on {
        return unsafe_because("its sandbox is off or relaxed: set `sandbox = true` in nix.conf");
    }
    if setting("sandbox-fallback") != Some(&Value::Bool(false)) {
        return unsafe_because(
            "it builds without a sandbox where the system has none: set `sandbox-fallback = \
             false` in nix.conf",
        );
    }
    if !is_root {
        let trusted: Vec<&str> = match setting("trusted-users") {
            Some(Value::Array(users)) => users.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let user = of_id(programs, "-un")?;
        let groups = of_id(programs, "-Gn")?;
        let is_trusted = trusted.iter().find(|name| match name.strip_prefix('@') {
            Some(group) => groups.split_whitespace().any(|of| of == group),
            None => **name == "*" || **name == user,
        });
        if let Some(name) = is_trusted {
            return unsafe_because(&format!(
                "its daemon trusts this user because of {name:?} in `trusted-users`, and a \
                 trusted user can become root: run as another user"
            ));
        }
    }
    Ok(())
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
