//! Rules for values beyond their types.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use crate::document::{
    config_values::kinds::{Context, Verdict, Wrong},
    platform_names,
};

const fn wrong(verdict: Verdict, expected: &'static str) -> Option<Wrong> {
    Some((verdict, Cow::Borrowed(expected)))
}

/// A time of [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339). Go programs cannot read a document
/// with any other.
pub(crate) fn time(text: &str, _: Context<'_>) -> Option<Wrong> {
    const TIME: &str = "a time as RFC 3339 writes it, as in \"2026-01-31T12:00:00Z\"";
    if is_rfc3339(text) { None } else { wrong(Verdict::Forbidden, TIME) }
}

/// [RFC 3339, section 5.6](https://www.rfc-editor.org/rfc/rfc3339#section-5.6), which requires a
/// zone.
fn is_rfc3339(time: &str) -> bool {
    let bytes = time.as_bytes();
    // jiff also accepts a named zone in brackets, and an offset without minutes.
    let zone = matches!(bytes, [.., b'Z' | b'z'] | [.., b'+' | b'-', _, _, b':', _, _]);
    zone && bytes.len() >= 20
        && bytes[10].eq_ignore_ascii_case(&b'T')
        && time.parse::<jiff::Timestamp>().is_ok()
}

/// Tools that do not know the value write an empty string, and podman and Docker run such images.
const NOT_EMPTY: &str = "a string that is not empty";

pub(crate) fn architecture(text: &str, _: Context<'_>) -> Option<Wrong> {
    if text.is_empty() {
        return wrong(Verdict::Refused, NOT_EMPTY);
    }
    if platform_names::is_architecture(text) {
        return None;
    }
    let (name, variant) = platform_names::architecture(text, None);
    if !platform_names::is_architecture(&name) {
        return wrong(
            Verdict::Unusual,
            "one of Go's names of architectures, as in \"amd64\" or \"arm64\"",
        );
    }
    let variant =
        variant.map(|variant| format!(" with the variant \"{variant}\"")).unwrap_or_default();
    Some((Verdict::Unusual, format!("\"{name}\"{variant}, the name that images use").into()))
}

pub(crate) fn os(text: &str, _: Context<'_>) -> Option<Wrong> {
    if text.is_empty() {
        return wrong(Verdict::Refused, NOT_EMPTY);
    }
    let name = platform_names::os(text);
    match platform_names::is_os(&name) {
        true if name == text => None,
        true => Some((Verdict::Unusual, format!("\"{name}\", the name that images use").into())),
        false => wrong(Verdict::Unusual, "one of Go's names of operating systems, as in \"linux\""),
    }
}

/// The variant of an architecture that has levels.
pub(crate) fn variant(text: &str, context: Context<'_>) -> Option<Wrong> {
    if text.is_empty() {
        return None;
    }
    let (name, _) = platform_names::architecture(context.architecture, None);
    let expected = match name.as_str() {
        "amd64" => "\"v1\" to \"v4\"",
        "arm" => "\"v5\" to \"v8\"",
        "arm64" => "\"v8\" or a later level, as in \"v8.2\" or \"v9\"",
        _ => return None,
    };
    let level =
        text.strip_prefix('v').and_then(|level| level.split('.').next()?.parse::<u8>().ok());
    let fits = level.is_some_and(|level| match name.as_str() {
        "amd64" => (1..=4).contains(&level) && text.len() == 2,
        "arm" => (5..=8).contains(&level) && text.len() == 2,
        _ => (8..=9).contains(&level),
    });
    if fits { None } else { wrong(Verdict::Unusual, expected) }
}

/// `USER[:GROUP]`, each a name or a number. runc: "uids and gids must be in range 0-2147483647".
pub(crate) fn user(text: &str, context: Context<'_>) -> Option<Wrong> {
    if context.os == "windows" {
        return nul(text);
    }
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let is_number = |part: &str| {
        let digits = part.strip_prefix(['-', '+']).unwrap_or(part);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let out_of_range =
        |part: &str| is_number(part) && part.parse::<i32>().ok().is_none_or(|id| id < 0);
    if out_of_range(user) || out_of_range(group) {
        return wrong(Verdict::Forbidden, "USER[:GROUP] with numbers from 0 to 2147483647");
    }
    // No line of /etc/passwd or /etc/group can have such a name.
    let impossible = |name: &str| {
        name.chars().any(|c| c == ':' || c == '/' || c.is_control()) || name.trim() != name
    };
    if impossible(user) || impossible(group) {
        return wrong(
            Verdict::Refused,
            "USER[:GROUP], each a name or a number, as in \"app\" or \"1000:1000\"",
        );
    }
    None
}

/// `80/tcp`, `80/udp` or `80`. Newer releases of Docker refuse an image with any other key.
pub(crate) fn port(text: &str, _: Context<'_>) -> Option<Wrong> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_port =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let lower = protocol.to_ascii_lowercase();
    if is_port && ["tcp", "udp", "sctp"].contains(&&*lower) {
        return (lower != protocol)
            .then(|| (Verdict::Unusual, format!("\"{port}/{lower}\"").into()));
    }
    wrong(
        Verdict::Refused,
        "one port from 1 to 65535, with the protocol tcp, udp or sctp, as in \"80/tcp\"",
    )
}

/// `NAME=VALUE`.
pub(crate) fn variable(text: &str, _: Context<'_>) -> Option<Wrong> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => nul(text),
        _ => wrong(Verdict::Forbidden, "NAME=VALUE"),
    }
}

/// The indexes of the variables that a later one of the same name overrides.
pub(crate) fn overridden(list: &[Value]) -> Vec<usize> {
    let name = |value: &'_ Value| {
        value.as_str().and_then(|text| text.split_once('=')).map(|(name, _)| name.to_owned())
    };
    let mut later = HashSet::new();
    let mut places: Vec<_> = (0..list.len())
        .rev()
        .filter(|&place| name(&list[place]).is_some_and(|name| !later.insert(name)))
        .collect();
    places.reverse();
    places
}

pub(crate) fn argument(text: &str, _: Context<'_>) -> Option<Wrong> {
    nul(text)
}

/// No program can be started with a NUL in its arguments or environment: execve(2).
fn nul(text: &str) -> Option<Wrong> {
    if text.contains('\0') { wrong(Verdict::Forbidden, "a string without a NUL") } else { None }
}

/// runc: "Cwd must be an absolute path".
pub(crate) fn working_dir(text: &str, context: Context<'_>) -> Option<Wrong> {
    if text.is_empty() || is_absolute(text, context) {
        return nul(text);
    }
    wrong(Verdict::Forbidden, "an absolute path, as in \"/app\"")
}

/// An absolute path, except for directories on which every container has its own mounts.
pub(crate) fn volume(text: &str, context: Context<'_>) -> Option<Wrong> {
    if context.os == "windows" {
        return nul(text);
    }
    if text.contains('\0') {
        return nul(text);
    }
    if !is_absolute(text, context) {
        return wrong(Verdict::Refused, "an absolute path, as in \"/data\"");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    match parts[..] {
        [] | ["proc"] => wrong(
            Verdict::Forbidden,
            "a directory other than \"/\" and \"/proc\", which no engine can mount over",
        ),
        _ => None,
    }
}

fn is_absolute(path: &str, context: Context<'_>) -> bool {
    let has_drive = || matches!(path.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic());
    path.starts_with('/') || context.os == "windows" && (path.starts_with('\\') || has_drive())
}

/// The names of Linux signals without `SIG`. `RTMIN` to `RTMAX` have separate names.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS",
    "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU",
    "XFSZ",
];

/// `SIGNAME` or an unsigned number:
/// [StopSignal](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).
/// Engines also read names without `SIG` and in any case.
pub(crate) fn signal(text: &str, context: Context<'_>) -> Option<Wrong> {
    if text.is_empty() || context.os == "windows" {
        return None;
    }
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |prefix, most| {
        let offset = name
            .strip_prefix(prefix)
            .filter(|offset: &&str| offset.bytes().all(|b| b.is_ascii_digit()));
        offset
            .and_then(|offset| offset.parse::<u8>().ok())
            .is_some_and(|offset| (1..=most).contains(&offset))
    };
    let fits = match is_number {
        true => text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number)),
        false => SIGNALS.contains(&name) || offset("RTMIN+", 15) || offset("RTMAX-", 14),
    };
    if fits {
        None
    } else {
        wrong(Verdict::Refused, "a signal, as in \"SIGTERM\", \"SIGRTMIN+3\" or \"15\"")
    }
}

/// An empty list, which stands for the base image's test, `NONE`, `CMD` with arguments, or
/// `CMD-SHELL` with a command.
pub(crate) fn health_test(list: &[Value]) -> Option<Wrong> {
    let fits = match (list.first().map(Value::as_str), list.len()) {
        (None, _) | (Some(None), _) | (Some(Some("NONE")), 1) => true,
        (Some(Some("CMD" | "CMD-SHELL")), length) => length > 1,
        _ => false,
    };
    const TEST: &str = "[\"NONE\"], [\"CMD\", ARGUMENTS...] or [\"CMD-SHELL\", COMMAND]";
    if fits { None } else { wrong(Verdict::Refused, TEST) }
}

/// Docker: "Interval in Healthcheck cannot be less than 1ms".
pub(crate) fn duration(nanoseconds: i64) -> Option<Wrong> {
    match nanoseconds {
        0 | 1_000_000.. => None,
        _ => {
            wrong(Verdict::Refused, "0 or at least 1000000 nanoseconds: 30 seconds are 30000000000")
        }
    }
}
