//! Values that documents represent as text.

use std::fmt;

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
