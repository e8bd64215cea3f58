//! The authentication schemes that a registry accepts: the header
//! [WWW-Authenticate](https://www.rfc-editor.org/rfc/rfc9110.html#section-11.6.1), parsed as
//! leniently as other clients do.
//!
//! Registries and proxies send values that the grammar does not allow: realms without quotes or
//! with non-ASCII letters, semicolons for commas, tabs. Their meaning is still clear.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// An authentication scheme that the server accepts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    /// In their original order, with lower-case names.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges in the headers, in their order.
    pub(crate) fn all(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        values.flat_map(|value| parse(&String::from_utf8_lossy(value.as_bytes()))).collect()
    }

    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, unless it is empty. `name` is in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = skip_separators(text);
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = split_value(value);
            // Ignore a parameter without a name, and one before the first scheme.
            if let (Some(challenge), false) = (challenges.last_mut(), word.is_empty()) {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = skip_separators(after);
        } else if word.is_empty() {
            let mut chars = rest.chars();
            chars.next();
            rest = skip_separators(chars.as_str());
        } else {
            challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
            rest = skip_separators(skip_token68(after));
        }
    }
    challenges
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':'))
}

/// Splits off the [token](https://www.rfc-editor.org/rfc/rfc9110.html#section-5.6.2) at the
/// beginning.
fn split_word(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Skips the token that schemes such as Negotiate have instead of parameters. It ends with its
/// padding, `=`.
fn skip_token68(after: &str) -> &str {
    let (word, rest) = split_word(after.trim_start());
    let after_token = rest.trim_start_matches('=');
    let is_last = after_token.trim_start().is_empty() || after_token.trim_start().starts_with(',');
    if !word.is_empty() && is_last { after_token } else { after }
}

/// Splits off the value of a parameter.
fn split_value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else { return split_unquoted(text) };
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// Splits off a value without quotes. It may contain spaces, and ends before a separator or the
/// next parameter.
fn split_unquoted(text: &str) -> (String, &str) {
    let end = text.find([',', ';']).unwrap_or(text.len());
    let next =
        text[..end].char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at).find(
            |&at| {
                let (word, after) = split_word(text[at..end].trim_start());
                !word.is_empty() && after.trim_start().starts_with('=')
            },
        );
    let (value, after) = text.split_at(next.unwrap_or(end));
    let value = value.trim();
    let unquoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    (unquoted.unwrap_or(value).to_owned(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SCHEME name=value|name=value; …`
    fn shown(text: &str) -> String {
        let one = |Challenge { scheme, parameters }: &Challenge| {
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{scheme} {}", parameters.join("|")).trim_end().to_owned()
        };
        parse(text).iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn challenges_of_the_grammar_are_parsed() {
        for (text, expected) in [
            // RFC 9110, section 11.6.1.
            (
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
                r#"Basic realm=simple; Newauth realm=apps|type=1|title=Login to "apps""#,
            ),
            (
                r#"Bearer realm="https://a.b/token",service="x""#,
                "Bearer realm=https://a.b/token|service=x",
            ),
            (r#"Bearer  realm="r" , service = "x","#, "Bearer realm=r|service=x"),
            (r#"BEARER REALM="r""#, "BEARER realm=r"),
            ("Negotiate", "Negotiate"),
            ("Negotiate, NTLM", "Negotiate; NTLM"),
            ("Negotiate YWJj", "Negotiate"),
            (r#"Negotiate oYG3, Basic realm="x""#, "Negotiate; Basic realm=x"),
            (r#"Negotiate oY/G+3==, Basic realm="x""#, "Negotiate; Basic realm=x"),
            (r#"Basic realm="x", Negotiate oYG3="#, "Basic realm=x; Negotiate"),
            (r#", ,Basic realm="a, b=c", Bearer realm="r""#, "Basic realm=a, b=c; Bearer realm=r"),
            (
                r#"Bearer realm="r",scope="repository:a/b:pull,push repository:c:pull",error="insufficient_scope""#,
                "Bearer realm=r|scope=repository:a/b:pull,push \
                 repository:c:pull|error=insufficient_scope",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn challenges_that_violate_the_grammar_are_parsed() {
        for (text, expected) in [
            ("Basic\trealm=\"x\"", "Basic realm=x"),
            ("Basic realm=\"Regístre\"", "Basic realm=Regístre"),
            (
                "Basic realm=\"Reg\u{fffd}stre\", charset=UTF-8",
                "Basic realm=Reg\u{fffd}stre|charset=UTF-8",
            ),
            (
                r#"Bearer realm="https://a.b/t?x=y&z=1";service="x""#,
                "Bearer realm=https://a.b/t?x=y&z=1|service=x",
            ),
            (r#"Bearer realm="r" service="x""#, "Bearer realm=r|service=x"),
            (
                "Bearer realm=https://a.b/t?x=y service=x y",
                "Bearer realm=https://a.b/t?x=y|service=x y",
            ),
            (
                "Bearer realm=https://a.b:5000/t,service=x:y",
                "Bearer realm=https://a.b:5000/t|service=x:y",
            ),
            ("Bearer realm='https://a.b/t', service='x'", "Bearer realm=https://a.b/t|service=x"),
            (
                "Basic realm=Sonatype Nexus Repository Manager, Bearer realm=r",
                "Basic realm=Sonatype Nexus Repository Manager; Bearer realm=r",
            ),
            ("Basic realm=", "Basic"),
            ("Basic realm=, Bearer realm=\"r\"", "Basic; Bearer realm=r"),
            ("Basic realm=\"\"", "Basic realm="),
            ("Basic realm=\"never ends", "Basic realm=never ends"),
            ("Basic realm=\"x\\", "Basic realm=x"),
            ("Basic realm=\"x\" Bearer realm=\"r\"", "Basic realm=x; Bearer realm=r"),
            ("Bearer: realm=\"r\"", "Bearer realm=r"),
            ("Basic", "Basic"),
            ("", ""),
            (" , ", ""),
            ("=\"x\"", ""),
            ("realm=\"x\"", ""),
            ("\"Basic\" {}", "Basic"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    /// In Latin-1 and in UTF-8, and in several headers.
    #[test]
    fn letters_beyond_ascii() {
        let mut headers = HeaderMap::new();
        for bytes in [
            &b"Basic realm=\"Reg\xedstre\""[..],
            b"Bearer realm=\"/t\", service=\"Reg\xc3\xadstre\"",
        ] {
            headers.append(WWW_AUTHENTICATE, bytes.try_into().unwrap());
        }
        let [basic, bearer] = &Challenge::all(&headers)[..] else { panic!("two challenges") };
        assert!(basic.is("basic") && basic.parameter("realm") == Some("Reg\u{fffd}stre"));
        assert_eq!(
            (bearer.parameter("realm"), bearer.parameter("service")),
            (Some("/t"), Some("Regístre"))
        );
    }

    #[test]
    fn parsing_terminates_for_any_text() {
        for text in [
            "é",
            "(((",
            "a=b=c=d",
            "\u{0}\u{1}",
            "Basic \u{e9}=x",
            "a b c d",
            "==,==",
            "Negotiate ====",
        ] {
            parse(text);
        }
    }
}
