//! Paragraphs of `Key: value` lines, as dpkg and Python write them.

/// The paragraphs of a text. A line that begins with a blank continues the line before it, and is
/// left out: no field that is read here has more than one line.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = Vec<(&str, &str)>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        lines.peek()?;
        let mut fields = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            if let Some((key, value)) =
                line.split_once(':').filter(|_| !line.starts_with([' ', '\t']))
            {
                fields.push((key, value.trim()));
            }
        }
        Some(fields)
    })
}

/// The first field with this name; case does not matter.
pub(crate) fn field<'a>(fields: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value).filter(|value| !value.is_empty())
}
