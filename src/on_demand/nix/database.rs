//! What Nix's database knows of store paths.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    on_demand::{
        nix::programs::{Programs, Unsuccessful},
        package_source::ClosurePath,
    },
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal},
        Stop,
    },
};

/// The number of paths in one call. Their text is far below the limit of the kernel.
pub(crate) const AT_ONCE: usize = 4000;

/// As [`PackageSource::closure`](crate::on_demand::PackageSource::closure).
pub(crate) fn closure(
    programs: &Programs,
    paths: &[PathBuf],
    stop: &Stop,
) -> Result<Vec<ClosurePath>, NamedImageError> {
    let failed = |failure: Unsuccessful| {
        failure.because(|reason| format!("the packages have no closure: {reason}"))
    };
    let mut all = BTreeSet::new();
    for paths in paths.chunks(AT_ONCE) {
        let mut command = programs.nix("nix-store");
        command.args(["--query", "--requisites"]).args(paths);
        let output = programs.run(&mut command, "reading the closure", stop).map_err(failed)?;
        let text = String::from_utf8_lossy(&output);
        all.extend(text.lines().map(PathBuf::from));
    }

    let all: Vec<PathBuf> = all.into_iter().collect();
    let mut closure = Vec::new();
    for paths in all.chunks(AT_ONCE) {
        let mut command = programs.nix("nix-store");
        command.arg("--dump-db").args(paths);
        let output = programs.run(&mut command, "reading the closure", stop).map_err(failed)?;
        let text = String::from_utf8_lossy(&output);
        let found = parse(&text).ok_or_else(|| {
            let message = "the registry does not understand Nix's database: ask its operator";
            NamedImageError::new(Internal, message)
                .detail(text.chars().take(2000).collect::<String>())
        })?;
        closure.extend(found);
    }
    closure.sort_by(|one, other| one.path.cmp(&other.path));
    closure.dedup_by(|one, other| one.path == other.path);
    if let Some(missing) =
        all.iter().find(|path| closure.binary_search_by(|known| known.path.cmp(path)).is_err())
    {
        let name = missing.file_name().unwrap_or_default().to_string_lossy();
        return Err(NamedImageError::new(Failed, format!("Nix's database does not know {name}")));
    }

    let (size, most) =
        (closure.iter().map(|path| path.nar_size).sum::<u64>(), programs.options.closure_size);
    if size > most {
        return Err(NamedImageError::new(
            Failed,
            format!(
                "the packages and all that they need have {size} bytes, and this registry allows \
                 {most}: choose fewer or smaller packages"
            ),
        ));
    }
    Ok(closure)
}

/// Reads the format of `nix-store --dump-db`: a line each for the path, the hash, the size, the
/// deriver, the number of references, and the references.
fn parse(text: &str) -> Option<Vec<ClosurePath>> {
    if !text.is_empty() && !text.ends_with('\n') {
        return None;
    }
    let mut lines = text.lines();
    let mut paths = Vec::new();
    while let Some(path) = lines.next() {
        let nar_hash = lines.next()?.to_owned();
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if !Path::new(path).is_absolute() || nar_hash.len() != 64 || !nar_hash.bytes().all(is_hex) {
            return None;
        }
        let nar_size = lines.next()?.parse().ok()?;
        let _deriver = lines.next()?;
        let count: usize = lines.next()?.parse().ok()?;
        let references: BTreeSet<PathBuf> = lines.by_ref().take(count).map(PathBuf::from).collect();
        if references.len() != count {
            return None;
        }
        paths.push(ClosurePath { path: path.into(), nar_hash, nar_size, references });
    }
    Some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_and_a_damaged_one_is_refused() {
        let hash = "a".repeat(64);
        let text = format!("/s/a\n{hash}\n120\n\n2\n/s/a\n/s/b\n/s/b\n{hash}\n7\n/s/b.drv\n0\n");
        let paths = parse(&text).unwrap();
        assert_eq!(paths.len(), 2);
        assert_eq!(paths[0].references, ["/s/a".into(), "/s/b".into()].into());
        assert_eq!((paths[1].nar_size, paths[1].references.len()), (7, 0));
        assert_eq!(paths[1].nar_hash, hash);
        assert_eq!(parse("").unwrap(), []);
        let first = text.find("/s/b\n/s/b\n").unwrap() + "/s/b\n".len();
        for end in (1..text.len()).filter(|end| *end != first) {
            assert_eq!(parse(&text[..end]), None, "{:?}", &text[..end]);
        }
        assert_eq!(parse(&text[..first]).unwrap(), paths[..1]);
    }
}
