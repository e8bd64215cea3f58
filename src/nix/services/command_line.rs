//! Command lines with systemd's quoting: the section "COMMAND LINES" of systemd.service(5).

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Texts and variables in a row, which are one argument.
    Joined(Vec<Part>),
    /// `$NAME`: the value of the variable is split at white space, into any number of arguments.
    Split(String),
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A text.
    Text(String),
    /// `${NAME}`: the value of the variable, or nothing if it is not set.
    Variable(String),
}

impl Word {
    /// An argument with this text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Joined(vec![Part::Text(text.into())])
    }
}

/// Splits a command line into words. The error says what is wrong with the line.
///
/// Quotes may be anywhere in a word, and an escape that does not exist is kept with its backslash.
/// The manual says less, but this is what systemd does.
pub(crate) fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(is_space);
    while !rest.is_empty() {
        let written = rest.split(is_space).next().unwrap_or(rest);
        let word = match written {
            ";" => {
                return Err(
                    "\";\" separates two commands: write each into a line of its own".into()
                );
            }
            r"\;" => {
                rest = &rest[written.len()..];
                Word::text(";")
            }
            _ => {
                let (text, after) = unquoted(rest)?;
                rest = after;
                variables(&text)
            }
        };
        words.push(word);
        rest = rest.trim_start_matches(is_space);
    }
    match words.first() {
        None => Err("it is empty".into()),
        Some(Word::Joined(parts))
            if !parts.iter().any(|part| matches!(part, Part::Variable(_))) =>
        {
            Ok(words)
        }
        Some(_) => Err("the program is a variable: write its path".into()),
    }
}

/// systemd's white space.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The first word without its quotes and escapes, and what follows it.
fn unquoted(line: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match (character, quote) {
            ('\\', _) if rest.is_empty() => return Err("it ends with a backslash".into()),
            ('\\', _) => match escape(rest) {
                Some((character, length)) => {
                    word.push(character);
                    rest = &rest[length..];
                }
                None => word.push('\\'),
            },
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (_, None) if is_space(character) => break,
            _ => word.push(character),
        }
    }
    match quote {
        Some(open) => Err(format!("the quote {open} is not closed")),
        None => Ok((word, rest)),
    }
}

/// What the escape sequence at the beginning of this text means, and its length without the
/// backslash. `None` if it is not one, or means half of a character or the end of all texts.
fn escape(text: &str) -> Option<(char, usize)> {
    let number = |from: usize, digits: usize, radix: u32| {
        let written = text.get(from..from + digits)?;
        let is_number = written.chars().all(|digit| digit.is_digit(radix));
        let number = u32::from_str_radix(written, radix).ok().filter(|_| is_number)?;
        let is_whole = digits > 3 || number < 0x80;
        let character = char::from_u32(number).filter(|_| number != 0 && is_whole)?;
        Some((character, from + digits))
    };
    let character = match text.chars().next()? {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        's' => ' ',
        same @ ('\\' | '"' | '\'') => same,
        'x' => return number(1, 2, 16),
        'u' => return number(1, 4, 16),
        'U' => return number(1, 8, 16),
        '0'..='7' => return number(0, 3, 8),
        _ => return None,
    };
    Some((character, 1))
}

/// The variables in a word. `$$` is a dollar sign.
fn variables(text: &str) -> Word {
    if let Some(name) = text.strip_prefix('$')
        && is_name(name)
    {
        return Word::Split(name.to_owned());
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if let Some((name, after)) = braced.filter(|(name, _)| is_name(name)) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        } else {
            // Any other dollar sign is itself.
            rest = rest.strip_prefix('$').unwrap_or(rest);
            plain.push('$');
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    Word::Joined(parts)
}

/// Whether this is the name of a variable that systemd replaces.
fn is_name(name: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words in a row, each in brackets, variables as `<NAME>` and `<NAME…>`.
    fn shown(line: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(name) => format!("<{name}>"),
        };
        let word = |word: &Word| match word {
            Word::Joined(parts) => format!("[{}]", parts.iter().map(part).collect::<String>()),
            Word::Split(name) => format!("[<{name}…>]"),
        };
        match words(line) {
            Ok(words) => words.iter().map(word).collect(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn lines_are_split_as_by_systemd() {
        let rows = [
            ("/bin/echo one two", "[/bin/echo][one][two]"),
            ("  /bin/echo \t one\n", "[/bin/echo][one]"),
            // The examples of systemd.service(5).
            ("echo 'a b' \"c d\"", "[echo][a b][c d]"),
            ("echo ${ONE} ${TWO} $THREE", "[echo][<ONE>][<TWO>][<THREE…>]"),
            ("echo / >/dev/null & \\; ls", "[echo][/][>/dev/null][&][;][ls]"),
            (
                "echo one ; echo two",
                "! \";\" separates two commands: write each into a line of its own",
            ),
            ("echo ';' a;", "[echo][;][a;]"),
            // Quotes.
            ("echo \"it's\" 'say \"x\"'", "[echo][it's][say \"x\"]"),
            ("echo '' \"\"", "[echo][][]"),
            ("echo --x=\"a b\" 'a'b\"c\"", "[echo][--x=a b][abc]"),
            ("echo 'a", "! the quote ' is not closed"),
            // Escapes, also between single quotes.
            (r"echo \ta\x41\101\u00e9\U0001F600\s\\ '\n'", "[echo][\taAAé😀 \\][\n]"),
            (r#"echo \" \'"#, "[echo][\"][']"),
            (r"echo \q \x4 \x00 \xff \. \;a", r"[echo][\q][\x4][\x00][\xff][\.][\;a]"),
            ("echo \\", "! it ends with a backslash"),
            // Variables.
            ("echo a${B}c$D ${E}${F}", "[echo][a<B>c$D][<E><F>]"),
            ("echo $$HOME $${X} $$", "[echo][$HOME][${X}][$]"),
            ("echo '$X' \"${Y}\" $1 ${a-b} $", "[echo][<X…>][<Y>][$1][${a-b}][$]"),
            ("$X a", "! the program is a variable: write its path"),
            ("/bin/${X}", "! the program is a variable: write its path"),
            ("  ", "! it is empty"),
            // No globs, no redirections, no substitutions of commands.
            ("echo * ~ `a` $(b) a|b", "[echo][*][~][`a`][$(b)][a|b]"),
        ];
        for (line, expected) in rows {
            assert_eq!(shown(line), expected, "{line:?}");
        }
    }
}
