//! Calls a [credential helper](https://github.com/docker/docker-credential-helpers#development), a
//! program that stores passwords.
//!
//! Errors are messages without the password, which the output of a helper may contain.

use std::{
    io::{ErrorKind, Write},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// The credentials that a helper has stored for a registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) user: String,
    pub(crate) secret: String,
}

/// Asks the helper with this name, as configurations contain it, for its credentials for `server`.
/// The result is `None` if it has none.
pub(crate) fn get(name: &str, server: &str) -> Result<Option<Answer>, String> {
    let output = call(name, "get", server)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // The messages of the library that most helpers use, and of Docker Desktop.
        let says_none = [&output.stdout, &output.stderr].iter().any(|said| {
            let said = String::from_utf8_lossy(said).to_lowercase();
            said.contains("credentials not found") || said.contains("no stored credential")
        });
        return match says_none {
            true => Ok(None),
            false => Err(failed(name, &format!("failed: run `{} get` to see why", program(name)))),
        };
    }
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
        _ => Err(failed(
            name,
            "returned an invalid response: reinstall it, or remove it from the file",
        )),
    }
}

/// Lets the helper store these credentials for `server` instead of those that it has.
pub(crate) fn store(name: &str, server: &str, answer: &Answer) -> Result<(), String> {
    let Answer { user, secret } = answer;
    let input = json!({ "ServerURL": server, "Username": user, "Secret": secret });
    change(name, "store", &input.to_string(), secret)
}

/// Lets the helper remove its credentials for `server`. Returns whether it had any.
pub(crate) fn erase(name: &str, server: &str) -> Result<bool, String> {
    let Some(Answer { secret, .. }) = get(name, server)? else { return Ok(false) };
    change(name, "erase", server, &secret).map(|()| true)
}

/// Calls the helper for a change. If it fails, the error has the first line of what it says, unless
/// that contains the secret.
fn change(name: &str, action: &str, input: &str, secret: &str) -> Result<(), String> {
    let output = call(name, action, input)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let why = match line.filter(|_| !said.contains(secret)) {
        Some(line) => format!("failed to {action} the credentials: {line}"),
        None => format!("failed to {action} the credentials, without a reason"),
    };
    Err(failed(name, &why))
}

fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

fn failed(name: &str, why: &str) -> String {
    format!("the credential helper {} {why}", program(name))
}

fn call(name: &str, action: &str, input: &str) -> Result<Output, String> {
    let mut command = Command::new(program(name));
    command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut helper = command.spawn().map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => {
            failed(name, "is not on PATH: install it, or remove it from the file")
        }
        _ => failed(name, &format!("cannot be run ({cause}): fix it, or remove it from the file")),
    })?;
    if let Some(mut stdin) = helper.stdin.take() {
        // A helper can answer without reading all of its input.
        let _ = stdin.write_all(input.as_bytes());
    }
    helper.wait_with_output().map_err(|cause| failed(name, &format!("cannot be read ({cause})")))
}
