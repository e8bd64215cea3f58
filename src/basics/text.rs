//! Text: values that documents represent as text, similar names, and lists of names.

use std::{fmt, iter};

use serde::{
    Deserializer,
    de::{self, Visitor},
};

/// Deserializes a value from text without copying the text: an index may have thousands of such
/// values. `what` is the expected value in errors about another type.
pub(crate) fn deserialize<'de, D, T, E>(
    deserializer: D,
    what: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct Text<'a, F>(&'a str, F);

    impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Visitor<'_> for Text<'_, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<D: de::Error>(self, text: &str) -> Result<T, D> {
            self.1(text).map_err(D::custom)
        }
    }

    deserializer.deserialize_str(Text(what, parse))
}

/// Returns the number of the line in which these bytes of a text begin, counted from 1, for errors.
/// It is 1 if the place is not known.
#[cfg(any(feature = "on-demand", all(feature = "cli", feature = "registry")))]
pub(crate) fn line_of(text: &str, place: Option<std::ops::Range<usize>>) -> usize {
    let before = place.and_then(|place| text.get(..place.start));
    before.map_or(1, |before| before.matches('\n').count() + 1)
}

/// Joins names for a sentence: the first twelve, and how many more there are.
pub(crate) fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    match names {
        [] => "none".to_owned(),
        names if names.len() <= MOST => names.join(", "),
        names => format!("{}, and {} more", names[..MOST].join(", "), names.len() - MOST),
    }
}

/// Returns the name that a word abbreviates: the only one that begins with it. Otherwise returns the
/// name most similar to it, unless they differ in more than a third of the letters. The case of
/// letters does not count.
pub(crate) fn closest<'a>(misspelt: &str, names: &[&'a str]) -> Option<&'a str> {
    // Shorter words begin too many names by chance.
    const ABBREVIATION: usize = 3;
    let begins = |name: &&&str| {
        let start = name.get(..misspelt.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(misspelt))
    };
    let mut longer = names.iter().filter(begins);
    if let (Some(name), None) = (longer.next(), longer.next())
        && misspelt.len() >= ABBREVIATION
    {
        return Some(name);
    }
    let distances = names.iter().map(|name| (distance(misspelt, name), *name));
    let (least, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (least <= misspelt.len().div_ceil(3)).then_some(name)
}

/// Returns the number of letters to insert, remove or replace to turn one text into the other
/// (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.to_ascii_lowercase().into_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.to_ascii_lowercase().bytes().enumerate() {
        let replaced =
            row.iter().zip(&other).map(|(cost, same)| cost + usize::from(*same != letter));
        let replaced: Vec<usize> = replaced.collect();
        let steps =
            replaced.into_iter().zip(row.iter().skip(1)).map(|(a, removed)| a.min(removed + 1));
        let steps: Vec<usize> = steps.collect();
        row = iter::once(index + 1).collect();
        for step in steps {
            row.push(step.min(row[row.len() - 1] + 1));
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_suggested_for_a_typo() {
        let names = ["Entrypoint", "Env", "Cmd", "User", "WorkingDir"];
        for (misspelt, expected) in [
            ("Entripoint", Some("Entrypoint")),
            ("entry_point", Some("Entrypoint")),
            ("Envs", Some("Env")),
            ("cmds", Some("Cmd")),
            ("workdir", Some("WorkingDir")),
            ("workinDirs", Some("WorkingDir")),
            ("work", Some("WorkingDir")),
            ("ent", Some("Entrypoint")),
            ("en", Some("Env")),
            ("wö", None),
            ("Labels", None),
            ("", None),
        ] {
            assert_eq!(closest(misspelt, &names), expected, "{misspelt}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
