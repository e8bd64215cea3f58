//! Variables in paths, `$NAME` and `${NAME}`, as Go replaces them: <https://pkg.go.dev/os#Expand>.

use std::collections::BTreeMap;

/// The variables of an image, and those that a policy adds.
pub(crate) type Variables<'a> = BTreeMap<&'a str, String>;

/// Replaces the variables in a text. The error is the name of one that is not set: an empty text in
/// its place would make another path, on which a test could pass.
pub(crate) fn expand(text: &str, variables: &Variables<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        let (name, length) = name(after);
        rest = &after[length..];
        match (name, length) {
            // Bad syntax is left out, and a dollar alone stays.
            ("", 0) => out.push('$'),
            ("", _) => {}
            (name, _) => out += variables.get(name).ok_or_else(|| name.to_owned())?,
        }
    }
    Ok(out + rest)
}

/// The name at the beginning of a text, and the length of what stands for it.
fn name(text: &str) -> (&str, usize) {
    let is_special = |character: char| "*#$@!?-".contains(character) || character.is_ascii_digit();
    if let Some(inside) = text.strip_prefix('{') {
        return match inside.split_once('}') {
            Some((name, _)) => (name, name.len() + 2),
            None => ("", 1),
        };
    }
    if text.starts_with(is_special) {
        return (&text[..1], 1);
    }
    let is_name = |character: char| character == '_' || character.is_ascii_alphanumeric();
    let length = text.find(|character| !is_name(character)).unwrap_or(text.len());
    (&text[..length], length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results of Go's `os.Expand`.
    #[test]
    fn variables_are_replaced_as_in_go() {
        let variables = Variables::from([("HOME", "/root".to_owned()), ("A_1", "b".to_owned())]);
        for (text, expanded) in [
            ("/bin", "/bin"),
            ("$HOME/.ssh", "/root/.ssh"),
            ("/x/${A_1}c", "/x/bc"),
            ("/x/$A_1-c", "/x/b-c"),
            ("a$", "a$"),
            ("a$/b", "a$/b"),
            ("${}a", "a"),
            ("${HOME", "HOME"),
        ] {
            assert_eq!(expand(text, &variables).as_deref(), Ok(expanded), "{text}");
        }
        assert_eq!(expand("$NONE/bin", &variables), Err("NONE".to_owned()));
        assert_eq!(expand("$1", &variables), Err("1".to_owned()));
    }
}
