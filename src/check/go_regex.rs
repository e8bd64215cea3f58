//! Regular expressions in the syntax of Go, which container-structure-test uses:
//! <https://pkg.go.dev/regexp/syntax>.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

use crate::basics::text;

/// What a compiled expression may take in memory. A search takes time in proportion to it.
const MOST_BYTES: usize = 1 << 20;

/// A regular expression. It is compiled for each use, because those of a hostile policy take too much
/// memory together.
#[derive(Clone, Debug)]
pub(crate) struct GoRegex(String);

impl GoRegex {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let unreadable =
            |reason| format!("the regular expression {text:?} cannot be read: {reason}");
        let translated = translated(text).map_err(unreadable)?;
        compile(&translated).map(|_| Self(text.to_owned())).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("the regular expression {text:?} is too large: repeat less in it")
            }
            error => unreadable(last(&error)),
        })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        let translated = translated(&self.0).expect("it was translated before");
        let regex = compile(&translated).expect("it was compiled before");
        regex.is_match(text.as_bytes())
    }

    /// The expression as given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn compile(translated: &str) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(translated);
    builder.size_limit(MOST_BYTES).dfa_size_limit(8 * MOST_BYTES).build()
}

/// The reason alone, without a picture of the expression.
fn last(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    reason.trim_start_matches("error: ").to_owned()
}

impl<'de> Deserialize<'de> for GoRegex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "a regular expression", Self::new)
    }
}

/// The expression in the syntax of the crate `regex`, where it differs: classes such as `\d` are of
/// ASCII, a brace that repeats nothing is a character, `\Q…\E` quotes, and brackets in a class and
/// its operators are characters. The error is why Go does not read it, where the crate does.
fn translated(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_class = false;
    // Whether a hyphen would begin a range, and whether this character ends one.
    let (mut can_range, mut in_range) = (false, false);
    let mut is_repeated = false;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        let was_repeated = std::mem::take(&mut is_repeated);
        let ends_range = std::mem::take(&mut in_range);
        let may_range = std::mem::replace(&mut can_range, in_class && !ends_range);
        match character {
            '\\' => {
                let escaped = rest[1..].chars().next();
                length += escaped.map_or(0, char::len_utf8);
                can_range &= !escaped.is_some_and(|escaped| "dDwWsSpP".contains(escaped));
                match escaped {
                    Some('Q') if !in_class => {
                        let quoted = &rest[2..];
                        let end = quoted.find("\\E").unwrap_or(quoted.len());
                        out += &regex::escape(&quoted[..end]);
                        length = (2 + end + 2).min(rest.len());
                    }
                    Some('d') => out += "[0-9]",
                    Some('D') => out += "[^0-9]",
                    Some('w') => out += "[0-9A-Za-z_]",
                    Some('W') => out += "[^0-9A-Za-z_]",
                    Some('s') => out += r"[\t\n\f\r ]",
                    Some('S') => out += r"[^\t\n\f\r ]",
                    Some('b') if !in_class => out += r"(?-u:\b)",
                    Some('B') if !in_class => out += r"(?-u:\B)",
                    Some('u' | 'U') => return Err(r"write \x{…} for a character".to_owned()),
                    Some(kind @ ('p' | 'P')) => {
                        let (property, name) = property(kind, &rest[2..])?;
                        out += &property;
                        length = 2 + name;
                    }
                    Some('x') if rest[length..].starts_with('{') => {
                        length = rest.find('}').map_or(length, |end| end + 1);
                        out += &rest[..length];
                    }
                    Some('0'..='7') if is_octal(&rest[1..]) => {
                        let digits = rest[1..].bytes().take(3);
                        let digits = digits.take_while(|byte| (b'0'..=b'7').contains(byte));
                        let digits: Vec<_> = digits.map(|byte| u32::from(byte - b'0')).collect();
                        let value = digits.iter().fold(0, |value, digit| value * 8 + digit);
                        out += &format!("\\x{{{value:x}}}");
                        length = 1 + digits.len();
                    }
                    // In the crate, these are the beginning and the end of a word.
                    Some(bracket @ ('<' | '>')) => out.push(bracket),
                    _ => out += &rest[..length],
                }
            }
            '[' if in_class => match rest.strip_prefix("[:").and_then(|it| it.find(":]")) {
                Some(end) => {
                    let name = &rest[2..2 + end];
                    if !name.trim_start_matches('^').bytes().all(|it| it.is_ascii_lowercase()) {
                        return Err(format!("[:{name}:] is not a class: write it as in [:alpha:]"));
                    }
                    can_range = false;
                    length = 2 + end + 2;
                    out += &rest[..length];
                }
                None => out += r"\[",
            },
            '[' => {
                in_class = true;
                // A bracket that comes first does not end the class.
                length = ["[^]", "[]", "[^"]
                    .iter()
                    .find(|start| rest.starts_with(**start))
                    .map_or(1, |it| it.len());
                can_range = rest[..length].ends_with(']');
                out += &rest[..length].replace(']', r"\]");
            }
            ']' if in_class => {
                in_class = false;
                can_range = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', character]),
            '-' if in_class && may_range && !rest.starts_with("-]") => {
                (can_range, in_range) = (false, true);
                out.push('-');
            }
            '-' if in_class => out += r"\-",
            '(' if !in_class && rest.starts_with("(?") => {
                has_flags_of_go(&rest[2..])?;
                length = 2;
                out += "(?";
            }
            '{' if !in_class && !repeats(rest) => out += r"\{",
            '*' | '+' | '?' | '{' if !in_class => {
                if was_repeated {
                    return Err(format!("it repeats a repetition with {character:?}"));
                }
                is_repeated = true;
                length = if character == '{' { rest.find('}').map_or(1, |end| end + 1) } else { 1 };
                length += usize::from(rest[length..].starts_with('?'));
                out += &rest[..length];
            }
            character => out.push(character),
        }
        rest = &rest[length..];
    }
    Ok(out)
}

/// A class of Unicode, whose name begins here, and the length of the name. Categories have one or two
/// letters, and all other names are those of scripts.
fn property(kind: char, rest: &str) -> Result<(String, usize), String> {
    let (text, length) = match rest.strip_prefix('{') {
        Some(inside) => {
            let end = inside.find('}').ok_or("a name in braces does not end")?;
            (&inside[..end], end + 2)
        }
        None => {
            let first = rest.chars().next().map_or(0, char::len_utf8);
            (&rest[..first], first)
        }
    };
    let name = text.strip_prefix('^').unwrap_or(text);
    let kind = if (kind == 'P') == (name == text) { 'P' } else { 'p' };
    let is_upper = |at: usize| name.as_bytes().get(at).is_some_and(u8::is_ascii_uppercase);
    if !is_upper(0) || name.len() == 2 && is_upper(1) {
        return Err(format!("{name:?} is not a category or a script: write it as in \\p{{Lu}}"));
    }
    let script = if name.len() > 2 && name != "Any" { "Script=" } else { "" };
    Ok((format!("\\{kind}{{{script}{name}}}"), length))
}

/// Refuses flags that the crate alone has. The text follows `(?`.
fn has_flags_of_go(text: &str) -> Result<(), String> {
    let mut flags = text.chars().take_while(|flag| flag.is_ascii_alphabetic() || *flag == '-');
    // A name of a group, as in `(?P<name>`.
    match flags.find(|flag| !"imsUP-".contains(*flag)) {
        Some(flag) => Err(format!("the flag {flag:?} does not exist: use i, m, s or U")),
        None => Ok(()),
    }
}

/// Whether these digits are the number of a character. One digit alone, but for 0, would refer to a
/// group.
fn is_octal(digits: &str) -> bool {
    let second = digits.as_bytes().get(1);
    digits.starts_with('0') || second.is_some_and(|byte| (b'0'..=b'7').contains(byte))
}

/// Whether the text begins with `{n}`, `{n,}` or `{n,m}`.
fn repeats(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        None => is_number(inside),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(&str, &str, bool)] = include!("go_regex/cases.rs");

    #[test]
    fn expressions_match_as_in_go() {
        for (expression, text, matches) in CASES {
            let regex = GoRegex::new(expression).unwrap();
            assert_eq!(regex.is_match(text), *matches, "{expression} {text}");
        }
    }

    #[test]
    fn bad_expressions_are_refused() {
        for (expression, reason) in [
            ("a(", "unclosed group"),
            ("[a", "unclosed character class"),
            ("*", "missing expression"),
            ("a**", "repeats a repetition"),
            ("a+{2}", "repeats a repetition"),
            ("a*??", "repeats a repetition"),
            ("(?R)a", "the flag 'R'"),
            ("(?iu:a)", "the flag 'u'"),
            ("(?-u)a", "the flag 'u'"),
            (r"\u0041", "write \\x{"),
            (r"\U00000041", "write \\x{"),
            (r"[\u0041]", "write \\x{"),
            (r"\p{Letter}", "Unicode property"),
            (r"\p{Alphabetic}", "Unicode property"),
            (r"\p{ASCII}", "Unicode property"),
            (r"\p{Script=Greek}", "Unicode property"),
            (r"\p{lu}", "not a category or a script"),
            (r"\p{LU}", "not a category or a script"),
            (r"\p{^lu}", "not a category or a script"),
            (r"\p{Lu", "does not end"),
            ("[[:]x[:alpha:]]", "is not a class"),
            (r"\p", "not a category or a script"),
            ("[a--z]", "invalid character class range"),
            (r"[a-\d]", "invalid character class range"),
            (r"(a)\1x", "backreference"),
            ("(?=a)", "look-around"),
            (r"((\pL{100}){100}){100}", "too large"),
            (r"((a{1000}){1000}){1000}", "too large"),
        ] {
            let error = GoRegex::new(expression).unwrap_err();
            assert!(error.contains(reason), "{expression}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
