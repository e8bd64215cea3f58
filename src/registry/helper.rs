//! Calls a [credential helper](https://github.com/docker/docker-credential-helpers#development), a
//! program that stores passwords.

use std::{
    io::{ErrorKind, Write},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The credentials that a helper has stored for a registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) user: String,
    pub(crate) secret: String,
}

/// Asks the helper with this name, as configurations contain it, for its credentials for `server`.
/// The result is `None` if it has none. The error is a message that contains nothing of the
/// helper's output, which may contain a password.
pub(crate) fn get(name: &str, server: &str) -> Result<Option<Answer>, String> {
    let program = format!("docker-credential-{name}");
    let failed = |why: &str| format!("the credential helper {program} {why}");
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helper = command.spawn().map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => failed("is not on PATH: install it, or log in again"),
        _ => failed(&format!("cannot be run ({cause}): fix it, or log in again")),
    })?;
    if let Some(mut stdin) = helper.stdin.take() {
        // A helper can answer without reading all of its input.
        let _ = stdin.write_all(server.as_bytes());
    }
    let output =
        helper.wait_with_output().map_err(|cause| failed(&format!("cannot be read ({cause})")))?;
    if !output.status.success() {
        // The messages of the library that most helpers use, and of Docker Desktop.
        let says_none = [output.stdout, output.stderr].iter().any(|said| {
            let said = String::from_utf8_lossy(said).to_lowercase();
            said.contains("credentials not found") || said.contains("no stored credential")
        });
        return if says_none {
            Ok(None)
        } else {
            Err(failed(&format!("failed: run `{program} get` to see why")))
        };
    }
    let said = String::from_utf8_lossy(&output.stdout);
    match (said.trim(), serde_json::from_str::<Value>(said.trim())) {
        ("", _) | (_, Ok(Value::Null)) => Ok(None),
        (_, Ok(Value::Object(members))) => {
            let member = |name: &str| {
                let found = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
            };
            let answer = Answer { user: member("Username"), secret: member("Secret") };
            Ok((!answer.user.is_empty() || !answer.secret.is_empty()).then_some(answer))
        }
        _ => Err(failed("returned an invalid response: reinstall it, or log in again")),
    }
}
