//! `Env`: merges by name and expands references to variables.

use serde_json::Value;

use crate::basics::Warning;

/// Sets variables in `env`, in order. `source` is their source in messages.
///
/// An existing variable gets the new value and keeps its index. References in a new value use the
/// current values in `env`, as in a Dockerfile. A reference to a variable that is not set is not
/// expanded, with a warning. Returns the new entries with their expanded values.
pub(crate) fn set(
    env: &mut Vec<Value>,
    new: Vec<Value>,
    source: &str,
    warnings: &mut Vec<Warning>,
) -> Vec<Value> {
    let mut all = Vec::with_capacity(new.len());
    for entry in new {
        let Some((name, value)) = variable(&entry) else {
            // The check of all members reports entries that are not variables.
            env.push(entry.clone());
            all.push(entry);
            continue;
        };
        let value = expand(value, env, &mut |reference, reason| {
            warnings.push(Warning::Reference {
                variable: name.to_owned(),
                source_name: source.to_owned(),
                reference: reference.to_owned(),
                reason,
            });
        });
        let set = Value::from(format!("{name}={value}"));
        if all.iter().filter_map(variable).any(|(other, _)| other == name) {
            warnings.push(Warning::VariableTwice {
                variable: name.to_owned(),
                source_name: source.to_owned(),
            });
        }
        all.push(set.clone());
        let mut places = (0..env.len())
            .filter(|&place| variable(&env[place]).is_some_and(|(other, _)| other == name));
        match places.next() {
            None => env.push(set),
            Some(first) => {
                // Engines use the last of several entries.
                let others: Vec<_> = places.collect();
                env[first] = set;
                others.into_iter().rev().for_each(|other| drop(env.remove(other)));
            }
        }
    }
    all
}

/// Removes a variable. Returns whether it existed.
pub(crate) fn unset(env: &mut Vec<Value>, name: &str) -> bool {
    let before = env.len();
    env.retain(|entry| variable(entry).is_none_or(|(other, _)| other != name));
    env.len() < before
}

fn variable(entry: &Value) -> Option<(&str, &str)> {
    entry.as_str()?.split_once('=').filter(|(name, _)| !name.is_empty())
}

fn value_of<'a>(env: &'a [Value], name: &str) -> Option<&'a str> {
    env.iter().rev().filter_map(variable).find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// Expands references to variables: `$NAME`, `${NAME}`, `${NAME:-WORD}`, `${NAME-WORD}`,
/// `${NAME:+WORD}` and `${NAME+WORD}`, as in a
/// [Dockerfile](https://docs.docker.com/reference/dockerfile/#environment-replacement). `$$` stands
/// for a dollar sign, and so does `\$` before a name. Any other dollar sign stays.
fn expand(text: &str, env: &[Value], unknown: &mut dyn FnMut(&str, &'static str)) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        let after = &from[1..];
        let is_reference =
            after.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic());
        if let Some(before) = before.strip_suffix('\\').filter(|_| is_reference) {
            out.extend([before, "$"]);
            rest = after;
            continue;
        }
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        if !is_reference {
            out.push('$');
            rest = after;
            continue;
        }
        let (length, reference) = read(after);
        let written = &from[..1 + length];
        match reference.map(|reference| reference.value(env, unknown)) {
            Some(Some(value)) => out.push_str(&value),
            Some(None) => {
                unknown(written, "is not set before, by the base image or here");
                out.push_str(written);
            }
            None => {
                unknown(written, "is not a reference that can be read");
                out.push_str(written);
            }
        }
        rest = &from[1 + length..];
    }
    out + rest
}

struct Reference<'a> {
    name: &'a str,
    /// The operator and the word after the name.
    word: Option<(&'a str, &'a str)>,
}

/// Parses the reference after a dollar sign, and returns its length. Returns `None` if it is
/// malformed.
fn read(after: &str) -> (usize, Option<Reference<'_>>) {
    let name_length =
        |text: &str| text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let Some(inner) = after.strip_prefix('{') else {
        let length = name_length(after);
        return (length, Some(Reference { name: &after[..length], word: None }));
    };
    let Some(end) = closing(inner) else { return (after.len(), None) };
    let length = end + 2;
    let inner = &inner[..end];
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return (length, None);
    }
    if rest.is_empty() {
        return (length, Some(Reference { name, word: None }));
    }
    let word = [":-", "-", ":+", "+"]
        .into_iter()
        .find_map(|operator| Some((operator, rest.strip_prefix(operator)?)));
    (length, word.map(|word| Reference { name, word: Some(word) }))
}

/// The index of the brace that closes the one before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if at > 0 && text.as_bytes()[at - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Reference<'_> {
    fn value(&self, env: &[Value], unknown: &mut dyn FnMut(&str, &'static str)) -> Option<String> {
        let value = value_of(env, self.name);
        let Some((operator, word)) = self.word else { return value.map(str::to_owned) };
        let counts = value.filter(|value| !operator.starts_with(':') || !value.is_empty());
        match (operator.ends_with('-'), counts) {
            (true, Some(value)) => Some(value.to_owned()),
            (false, None) => Some(String::new()),
            _ => Some(expand(word, env, unknown)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn env(entries: &[&str]) -> Vec<Value> {
        entries.iter().map(|&entry| entry.into()).collect()
    }

    /// The results of `ENV` in BuildKit and buildah, except for `$$`, and for variables that are
    /// not set, which they remove.
    #[test]
    fn references_are_those_of_a_dockerfile() {
        let set = env(&["PATH=/usr/bin:/bin", "EMPTY=", "A=1", "A=2", "LAST=x=y"]);
        for (text, expected) in [
            ("/app:$PATH", "/app:/usr/bin:/bin"),
            ("${PATH}:/app", "/usr/bin:/bin:/app"),
            ("$PATH$A", "/usr/bin:/bin2"),
            ("${A}B", "2B"),
            ("${NONE:-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${NONE-x}", "x"),
            ("${A:-x}", "2"),
            ("${A:+x}", "x"),
            ("${NONE:+x}", ""),
            ("${EMPTY:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${NONE:-${A}}", "2"),
            ("${NONE:-a${A:-b}c}d", "a2cd"),
            ("${NONE:-}", ""),
            ("$LAST", "x=y"),
            ("$$PATH", "$PATH"),
            ("a$$b", "a$b"),
            ("$$$A", "$2"),
            (r"\$A", "$A"),
            (r"\${A}", "${A}"),
            (r"\u@\h:\w\$ ", r"\u@\h:\w\$ "),
            ("$", "$"),
            ("5$ or $5", "5$ or $5"),
            ("$(A)", "$(A)"),
            ("é$A", "é2"),
        ] {
            let expanded =
                expand(text, &set, &mut |reference, reason| panic!("{text}: {reference} {reason}"));
            assert_eq!(expanded, expected, "{text}");
        }
    }

    #[test]
    fn references_to_unset_variables_are_not_expanded() {
        for text in [
            "a:$NONE", "${NONE}b", "${", "${A", "${}", "${1}", "${A:?x}", "${A:x}", "$NONEé",
            "${A/b/c}",
        ] {
            let mut said = 0;
            assert_eq!(expand(text, &env(&["A=1"]), &mut |_, _| said += 1), text);
            assert_eq!(said, 1, "{text}");
        }
    }

    #[test]
    fn variables_keep_their_places() {
        let (mut merged, mut warnings) = (env(&["A=1", "B=1", "A=2", "C=1"]), Vec::new());
        set(&mut merged, env(&["A=$A:3", "D=$A", "B=x"]), "--env", &mut warnings);
        assert_eq!(merged, env(&["A=2:3", "B=x", "C=1", "D=2:3"]));
        assert!(warnings.is_empty());
        assert!(unset(&mut merged, "C") && !unset(&mut merged, "C"));
        assert_eq!(Value::from(merged), json!(["A=2:3", "B=x", "D=2:3"]));
    }
}
