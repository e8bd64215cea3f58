//! Files with globs to exclude: `.dockerignore` and `.gitignore`.

use std::{fs, path::Path};

use oci_layout::Result;

use crate::errors;

/// Returns the globs in this file, in the form of `--exclude`.
pub(crate) fn read(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(errors::read(path))?;
    Ok(match path.file_name().is_some_and(|name| name == ".gitignore") {
        true => [".git".to_owned()].into_iter().chain(text.lines().filter_map(of_git)).collect(),
        false => text.lines().filter_map(of_docker).collect(),
    })
}

/// A line of a [.dockerignore](https://docs.docker.com/build/concepts/context/#syntax). Its globs
/// are those of `--exclude`.
fn of_docker(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    let glob = line.trim();
    // Docker ignores a line that excludes the folder itself.
    let is_folder = matches!(glob.trim_matches('/'), "" | ".");
    (!is_folder && glob != "!").then(|| glob.to_owned())
}

/// A line of a [.gitignore](https://git-scm.com/docs/gitignore#_pattern_format). A pattern with a
/// slash only at its end excludes files too, which git does not.
fn of_git(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}');
    if line.starts_with('#') {
        return None;
    }
    let (not, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern),
        None => ("", line),
    };
    let mut pattern = pattern.trim_end_matches([' ', '\t', '\r']).to_owned();
    if pattern.ends_with('\\') {
        // The space after a backslash belongs to the name.
        pattern.push(' ');
    }
    let pattern = match pattern.strip_prefix('\\') {
        Some(rest) if rest.starts_with('#') => rest,
        _ => &pattern,
    };
    let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
    let glob = match (pattern.strip_prefix('/'), pattern.contains('/')) {
        (_, _) if pattern.is_empty() => return None,
        (Some(anchored), _) => anchored.to_owned(),
        (None, true) => pattern.to_owned(),
        (None, false) => format!("**/{pattern}"),
    };
    Some(format!("{not}{glob}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_dockerignore() {
        for (line, glob) in [
            ("# comment", None),
            ("", None),
            ("  ", None),
            (".", None),
            ("!", None),
            ("  target/ ", Some("target/")),
            ("!target/keep", Some("!target/keep")),
            ("**/*.o", Some("**/*.o")),
        ] {
            assert_eq!(of_docker(line).as_deref(), glob, "{line:?}");
        }
    }

    #[test]
    fn lines_of_gitignore() {
        for (line, glob) in [
            ("# comment", None),
            ("", None),
            ("/", None),
            (r"\#name", Some("**/#name")),
            ("target/", Some("**/target")),
            ("/target", Some("target")),
            ("docs/*.html", Some("docs/*.html")),
            ("*.o  ", Some("**/*.o")),
            (r"space\ ", Some(r"**/space\ ")),
            ("!important.o", Some("!**/important.o")),
        ] {
            assert_eq!(of_git(line).as_deref(), glob, "{line:?}");
        }
    }
}
