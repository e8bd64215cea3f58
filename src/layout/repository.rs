//! The default repository for the images of a layout.

use std::path::Path;

use crate::{document::name::is_repository, layout::read::ImageLayout};

impl ImageLayout {
    /// Returns the default repository for bare tags of this layout, as `serve` and `export` use it.
    /// It is the name of the folder or archive without `.tar` and without the hash of a store path.
    /// Upper case becomes lower case, and characters that a repository
    /// [name](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)
    /// cannot contain become `-`. Symlinks are resolved, so that `result` gets the name of the Nix
    /// output. Returns `None` if no valid character is left.
    ///
    /// ```
    /// # use oci_layout::{ImageLayout, Image, image_layout};
    /// # use serde_json::json;
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("My App");
    /// # image_layout(&dir, [] as [Image; 0], json!({}))?;
    /// assert_eq!(ImageLayout::open(dir)?.repository().as_deref(), Some("my-app"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn repository(&self) -> Option<String> {
        let path = self.path();
        repository_of(&path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }
}

fn repository_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let name = without_hash(&name).to_lowercase();
    let name = name.strip_suffix(".tar").unwrap_or(&name);
    if is_repository(name) {
        return Some(name.to_owned());
    }
    let mut valid = String::new();
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' => valid.push(c),
            // A run of separators becomes one separator, whatever characters it has.
            _ if !valid.ends_with(|last: char| last.is_ascii_alphanumeric()) => {}
            '.' | '_' => valid.push(c),
            _ => valid.push('-'),
        }
    }
    let valid = valid.trim_end_matches(['.', '_', '-']).to_owned();
    is_repository(&valid).then_some(valid)
}

/// Removes the hash of a store path: 32 of these digits and `-`.
pub(crate) fn without_hash(name: &str) -> &str {
    let is_digit = |b: u8| b"0123456789abcdfghijklmnpqrsvwxyz".contains(&b);
    match name.split_once('-') {
        Some((hash, name)) if hash.len() == 32 && hash.bytes().all(is_digit) => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_are_derived_from_paths() {
        for (path, name) in [
            ("/image", "image"),
            ("/a/b/My App/", "my-app"),
            ("/app-1.0_x", "app-1.0_x"),
            ("/App.TAR", "app"),
            ("/a__b--c", "a__b--c"),
            ("/_a..b--c__d.", "a.b-c_d"),
            ("/a@#$b", "a-b"),
            ("/ä1", "1"),
            ("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-Hello-1.0.tar", "hello-1.0"),
            ("/0123456789abcdefghijklmnopqrstuv-hello", "0123456789abcdefghijklmnopqrstuv-hello"),
        ] {
            assert_eq!(repository_of(path.as_ref()).as_deref(), Some(name), "{path}");
        }
        for path in ["/ä", "/---", "/"] {
            assert_eq!(repository_of(path.as_ref()), None, "{path}");
        }
    }
}
