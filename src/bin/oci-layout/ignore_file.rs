//! Files with globs to exclude: `.dockerignore` and `.gitignore`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use oci_layout::Result;

use crate::errors;

/// The globs of a file, which are relative to its folder.
pub(crate) struct IgnoreFile {
    folder: PathBuf,
    globs: Vec<String>,
}

impl IgnoreFile {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let globs = read(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).map_err(errors::read(folder))?;
        Ok(Self { folder, globs })
    }

    /// Returns the globs for a source, in the form of `--exclude`. A source in another folder is
    /// taken for the folder of the file.
    pub(crate) fn for_source(&self, source: &Path) -> Vec<String> {
        let whole = fs::canonicalize(source).unwrap_or_default();
        let Some(prefix) = whole.strip_prefix(&self.folder).ok().and_then(Path::to_str) else {
            return self.globs.clone();
        };
        let prefix: Vec<_> = prefix.split('/').filter(|name| !name.is_empty()).collect();
        self.globs.iter().filter_map(|glob| below(glob, &prefix)).collect()
    }
}

/// What a glob means below a folder. `None` if it matches nothing there.
fn below(glob: &str, prefix: &[&str]) -> Option<String> {
    let (not, pattern) = match glob.strip_prefix('!') {
        Some(pattern) => ("!", pattern.trim_start()),
        None => ("", glob),
    };
    let mut names = pattern.split('/').filter(|name| !name.is_empty() && *name != ".").peekable();
    for folder in prefix {
        match names.peek() {
            // It matches a folder above.
            None => return Some(format!("{not}**")),
            Some(&"**") => break,
            Some(name) if is_match(name, folder) => names.next(),
            Some(_) => return None,
        };
    }
    let rest = names.collect::<Vec<_>>().join("/");
    Some(format!("{not}{}", if rest.is_empty() { "**" } else { &rest }))
}

fn is_match(glob: &str, name: &str) -> bool {
    globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// Returns the globs in this file, in the form of `--exclude`.
fn read(path: &Path) -> Result<Vec<String>> {
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
    fn globs_are_relative_to_the_folder_of_the_file() {
        for (glob, prefix, inside) in [
            ("src/test", &["src"][..], Some("test")),
            ("src/test", &[], Some("src/test")),
            ("src/test", &["src", "test"], Some("**")),
            ("src", &["src", "deep"], Some("**")),
            ("other/test", &["src"], None),
            ("!s*/keep", &["src"], Some("!keep")),
            ("**/*.o", &["src"], Some("**/*.o")),
            ("/src/", &["src"], Some("**")),
        ] {
            assert_eq!(below(glob, prefix).as_deref(), inside, "{glob} in {prefix:?}");
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
