//! Untrusted text, made safe for terminals and logs.

use std::fmt::{self, Display, Write};

/// Displays a value on one line, and escapes every character that controls a terminal, reorders
/// text or hides text.
///
/// Escaped are control characters (C0, DEL and C1, including line feeds), bidirectional controls,
/// line and paragraph separators, other format characters, invisible characters, and unassigned or
/// private ones. Letters, marks, digits, symbols and spaces of all scripts stay. Text that is
/// already escaped stays the same.
///
/// ```
/// use oci_layout::Printable;
/// assert_eq!(Printable("an é, a\u{1b}[2Jb\nand \u{202e}c").to_string(), r"an é, a\u{1b}[2Jb\nand \u{202e}c");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Printable<T>(pub T);

/// Displays JSON text so that it stays the same document and is safe for terminals. Characters in
/// its strings that [`Printable`] escapes become `\u202e` and the like. Line feeds between members
/// stay.
///
/// ```
/// use oci_layout::PrintableJson;
/// assert_eq!(PrintableJson("[\n  \"\u{202e}\u{9b}\"\n]").to_string(), "[\n  \"\\u202e\\u009b\"\n]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrintableJson<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, c: char| match c.is_ascii() {
            true => write!(f, "{}", c.escape_debug()),
            false => write!(f, "{}", c.escape_unicode()),
        };
        write!(Escaper { f, is_plain, escape }, "{}", self.0)
    }
}

impl<T: Display> Display for PrintableJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Unescaped, JSON allows these three characters only between values:
        // https://www.rfc-editor.org/rfc/rfc8259#section-7
        let is_plain = |c| is_plain(c) || matches!(c, '\n' | '\r' | '\t');
        let escape = |f: &mut fmt::Formatter<'_>, c: char| {
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
        };
        write!(Escaper { f, is_plain, escape }, "{}", self.0)
    }
}

/// Writes runs of plain characters unchanged, and escapes the others.
struct Escaper<'a, 'f, P, E> {
    f: &'a mut fmt::Formatter<'f>,
    is_plain: P,
    escape: E,
}

impl<'f, P, E> Write for Escaper<'_, 'f, P, E>
where
    P: Fn(char) -> bool,
    E: Fn(&mut fmt::Formatter<'f>, char) -> fmt::Result,
{
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while let Some((at, c)) = text.char_indices().find(|&(_, c)| !(self.is_plain)(c)) {
            self.f.write_str(&text[..at])?;
            (self.escape)(self.f, c)?;
            text = &text[at + c.len_utf8()..];
        }
        self.f.write_str(text)
    }
}

/// Whether the character is visible, or a space, and has no effect on the text around it.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    if is_ignorable(c) {
        return false;
    }
    // Spaces of any width are the only separators that do not end a line.
    if c.is_whitespace() {
        return !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    }
    // The standard library knows which characters are printable. After another character, a mark
    // combines with it.
    let mut pair = [b'x', 0, 0, 0, 0];
    let length = 1 + c.encode_utf8(&mut pair[1..]).len();
    str::from_utf8(&pair[..length]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

/// Invisible characters that are not format characters:
/// [Default_Ignorable_Code_Point](https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Python knows the general category of each character, from an older version of Unicode.
    #[test]
    fn printable_characters_are_chosen_by_category() {
        let program = "import sys, unicodedata\n\
                       for c in range(0x110000):\n    print(unicodedata.category(chr(c)))";
        let categories = Command::new("python3").args(["-c", program]).output().unwrap();
        assert!(categories.status.success(), "{categories:?}");
        let categories = String::from_utf8(categories.stdout).unwrap();
        let (mut plain, mut escaped) = (0, 0);
        for (number, category) in categories.lines().enumerate() {
            // Surrogates are not characters.
            let Some(c) = u32::try_from(number).ok().and_then(char::from_u32) else { continue };
            match category {
                "Cc" | "Cf" | "Zl" | "Zp" => {
                    assert!(!is_plain(c), "{number:x} {category}");
                    escaped += 1;
                }
                // A newer version of Unicode may have assigned it.
                "Cn" | "Co" => {}
                _ => {
                    assert_eq!(is_plain(c), !is_ignorable(c), "{number:x} {category}");
                    plain += 1;
                }
            }
        }
        assert!(plain > 100_000 && escaped > 200, "{plain} {escaped}");
    }

    #[test]
    fn json_stays_the_same_document() {
        let text: String =
            ('\0'..='\u{3000}').chain('\u{fe00}'..='\u{feff}').chain(['\u{e0041}', '𝄞']).collect();
        let document = serde_json::json!({ &text: [&text, 1] });
        let shown = PrintableJson(serde_json::to_string_pretty(&document).unwrap()).to_string();
        assert!(shown.chars().all(|c| is_plain(c) || c == '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
    }

    #[test]
    fn escaped_text_stays_the_same() {
        let once = Printable("a\x07\u{85}\r\n\\\"'\u{feff}e\u{301}\u{a0}🦀").to_string();
        assert_eq!(once, "a\\u{7}\\u{85}\\r\\n\\\"'\\u{feff}e\u{301}\u{a0}🦀");
        assert_eq!(Printable(&once).to_string(), once);
    }
}
