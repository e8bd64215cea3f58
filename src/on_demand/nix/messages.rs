//! What Nix says, shortened to what a client may see.

/// The longest reason in a message, in characters.
const LONGEST: usize = 400;

/// The number of lines of a builder's log in a message.
const LOG_LINES: usize = 3;

/// The error in what Nix wrote, in one line. With a newer Nix, the last of several lines that begin
/// with `error:` is the cause of the others.
pub(crate) fn reason(stderr: &str) -> String {
    let mut errors =
        stderr.lines().filter_map(|line| Some(line.trim().strip_prefix("error:")?.trim()));
    let last = errors.rfind(|error| !error.is_empty());
    let last = last.or_else(|| stderr.lines().map(str::trim).rfind(|line| !line.is_empty()));
    shorten(&without_paths(last.unwrap_or("it gave no reason").trim_end_matches(['.', ';'])))
}

/// The first error of a build, which caused the others, and the end of the builder's log.
pub(crate) fn build_reason(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).collect();
    let first = lines.iter().position(|line| line.starts_with("error:"));
    let lines = &lines[first.unwrap_or(0)..];
    let error = lines.first().map_or("", |line| line.trim_start_matches("error:").trim());
    // The error ends where the next one begins.
    let next = lines.iter().skip(1).position(|line| line.starts_with("error:"));
    let rest = lines.get(1..next.map_or(lines.len(), |next| next + 1)).unwrap_or_default();
    let mut text = error.trim_end_matches(['.', ';']).to_owned();
    if let Some(why) = rest.iter().find_map(|line| line.strip_prefix("Reason:")) {
        text.push_str(&format!(": {}", why.trim().trim_end_matches('.')));
    }
    let log: Vec<&str> =
        rest.iter().filter_map(|line| line.strip_prefix('>')).map(str::trim).collect();
    if let Some(end) = log.get(log.len().saturating_sub(LOG_LINES)..).filter(|end| !end.is_empty())
    {
        text.push_str(&format!("; its log ends with: {}", end.join(" | ")));
    }
    shorten(&without_paths(&text))
}

/// Replaces each path of this machine: a path in the store by its name, and any other by `…`.
pub(crate) fn without_paths(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let before = rest[..at].chars().next_back();
        // A slash after a word, as in "and/or", begins no path.
        let begins = !before.is_some_and(|c| c.is_alphanumeric());
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_part = |c: char| !c.is_whitespace() && !"'\"`‘’“”:;,()[]{}<>|".contains(c);
        let path = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if begins && path.len() > 1 {
            result.push_str(&of_store(path).unwrap_or("…".to_owned()));
        } else {
            result.push_str(path);
        }
        rest = &rest[path.len()..];
    }
    result.push_str(rest);
    result.chars().filter(|c| !c.is_control()).collect()
}

/// The name of a store path without its hash.
fn of_store(path: &str) -> Option<String> {
    let after = path.split('/').find_map(|part| {
        let (hash, name) = part.split_at_checked(32)?;
        let is_hash = hash.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        is_hash.then(|| name.strip_prefix('-')).flatten()
    })?;
    Some(after.to_owned())
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_the_reason() {
        for (stderr, expected) in [
            ("error: no way\n\n       at /etc/set/default.nix:3:4:\n", "no way"),
            (
                "error:\n       … while calling the 'map' builtin\n         at /a/b.nix:1:2:\n\n       \
                 error: attribute 'x' missing\n       at /a/b.nix:1:9:\n",
                "attribute 'x' missing",
            ),
            ("warning: something\nerror: stack overflow\n", "stack overflow"),
            ("Killed\n", "Killed"),
            ("", "it gave no reason"),
            (
                "error: access to absolute path '/etc/passwd' is forbidden in restricted mode\n",
                "access to absolute path '…' is forbidden in restricted mode",
            ),
        ] {
            assert_eq!(reason(stderr), expected);
        }
        assert_eq!(reason(&format!("error: {}", "ä".repeat(1000))).chars().count(), LONGEST + 1);
    }

    /// As Nix 2.8 and 2.34 write it.
    #[test]
    fn the_reason_of_a_failed_build_has_the_end_of_the_log() {
        let old = "this derivation will be built:\n  /nix/store/aaaa.drv\n\
            error: builder for '/nix/store/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-bad-1.drv' failed with \
            exit code 7;\n       last 2 log lines:\n       > cannot find\n       > /etc/x is missing\n       \
            For full logs, run 'nix log /nix/store/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-bad-1.drv'.\n\
            error: 1 dependencies of derivation '/nix/store/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-x.drv' \
            failed to build\n";
        assert_eq!(
            build_reason(old),
            "builder for 'bad-1.drv' failed with exit code 7; its log ends with: cannot find | … is \
             missing"
        );
        let new = "error: Cannot build '/nix/store/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-bad-1.drv'.\n       \
            Reason: builder failed with exit code 7.\n       Output paths:\n         \
            /nix/store/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-bad-1\n       Last 1 log lines:\n       > no\n";
        assert_eq!(
            build_reason(new),
            "Cannot build 'bad-1.drv': builder failed with exit code 7; its log ends with: no"
        );
    }

    #[test]
    fn paths_of_the_machine_are_left_out() {
        for (text, expected) in [
            ("read /var/lib/state/x: denied", "read …: denied"),
            ("and/or 1/2", "and/or 1/2"),
            ("'/srv/st/yk66c9qh0mnlrdmkzal63syzrv3ibvnq-a-1/bin/x'", "'a-1'"),
            ("file:///srv/cache/x.narinfo failed", "file:… failed"),
            ("git@host:/srv/x", "git@host:…"),
            ("a /", "a /"),
            ("\u{1b}[31mred", "[31mred"),
            ("(/root)", "(…)"),
        ] {
            assert_eq!(without_paths(text), expected);
        }
    }
}
