//! Words of the two languages of scripts.

/// A word of an execline script with exactly this text.
pub(crate) fn execline(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

/// A word of a shell script with exactly this text.
pub(crate) fn shell(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-:,+".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let rows = [
            ("/bin/x-1_2.3", "/bin/x-1_2.3", "/bin/x-1_2.3"),
            ("", "\"\"", "''"),
            ("a b", "\"a b\"", "'a b'"),
            ("{", "\"{\"", "'{'"),
            ("#", "\"#\"", "'#'"),
            ("$x", "\"$x\"", "'$x'"),
            (r#"say "a\b""#, r#""say \"a\\b\"""#, r#"'say "a\b"'"#),
            ("it's", "\"it's\"", r"'it'\''s'"),
            ("a\nb\tc", "\"a\\nb\tc\"", "'a\nb\tc'"),
            ("é", "\"é\"", "'é'"),
        ];
        for (text, in_execline, in_shell) in rows {
            assert_eq!(execline(text), in_execline);
            assert_eq!(shell(text), in_shell);
        }
    }
}
