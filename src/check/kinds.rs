//! Files that an image must have, and files of kinds that it must not have.

use std::{collections::BTreeSet, iter};

use crate::{
    basics::Result,
    check::{
        contents::{ImageContents, Place, shown},
        finding::{CheckFinding, Checks, Rule},
        globs::{Glob, PathGlobs},
        policy::{ForbiddenExcept, Policy},
        violation::Violation,
    },
    layer::{layer_files::Kind, merge::Placed},
    rootfs::Skipped,
    tarfile::LayerPath,
};

pub(crate) fn check(policy: &Policy, contents: &ImageContents, checks: &mut Checks) -> Result<()> {
    let members = &policy.members;
    for glob in members.required_files.iter().flatten() {
        required(glob, contents, checks)?;
    }
    for glob in members.forbidden_files.iter().flatten() {
        forbidden(glob, contents, checks)?;
    }
    if let Some(ForbiddenExcept { allow }) = &members.setuid_files {
        let is_setuid = |placed: &Placed| {
            matches!(placed.file.kind, Kind::File(_)) && placed.file.mode & 0o6000 != 0
        };
        let violation = |mode| Violation::SetuidFile { mode };
        let found = of_mode(allow, contents, is_setuid, violation)?;
        checks.add(Rule::SetuidFiles, "no setuid files", found);
    }
    if let Some(ForbiddenExcept { allow }) = &members.world_writable_files {
        let violation = |mode| Violation::WorldWritable { mode };
        let found = of_mode(allow, contents, is_world_writable, violation)?;
        checks.add(Rule::WorldWritableFiles, "no world-writable files", found);
    }
    if let Some(ForbiddenExcept { allow }) = &members.private_keys {
        private_keys(allow, contents, checks)?;
    }
    Ok(())
}

/// Finds entries that no check sees, and those that runtimes may apply in another way.
pub(crate) fn check_entries(contents: &ImageContents, checks: &mut Checks) {
    let finding = |Skipped { path, .. }: &Skipped, violation| CheckFinding {
        place: format!("/{}", path.to_string_lossy().trim_start_matches('/')),
        digest: None,
        violation,
    };
    let left_out = contents.files.skipped().iter().map(|it| {
        finding(it, Violation::EntryLeftOut { reason: it.reason.clone(), count: it.count })
    });
    let ambiguous = contents.ambiguous.iter().map(|it| {
        finding(it, Violation::EntryAmbiguous { reason: it.reason.clone(), count: it.count })
    });
    let found: Vec<_> = left_out.chain(ambiguous).collect();
    if !found.is_empty() {
        checks.begin("");
        checks.add(Rule::Entries, "entries of the layers", found);
    }
}

fn required(glob: &Glob, contents: &ImageContents, checks: &mut Checks) -> Result<()> {
    let globs = PathGlobs::new([glob], contents)?;
    let is_there = contents.files.merge.iter().any(|placed| globs.is_match(&placed.path));
    let found = (!is_there).then(|| CheckFinding {
        place: glob.text().to_owned(),
        digest: None,
        violation: Violation::RequiredFileMissing,
    });
    checks.add(Rule::RequiredFiles, glob.text(), found);
    Ok(())
}

fn forbidden(glob: &Glob, contents: &ImageContents, checks: &mut Checks) -> Result<()> {
    let globs = PathGlobs::new([glob], contents)?;
    let merge = &contents.files.merge;
    let seen = merge.iter().filter(|placed| globs.is_match(&placed.path));
    let seen = seen.map(|placed| CheckFinding {
        place: shown(&placed.path),
        digest: contents.layer_of(placed),
        violation: Violation::ForbiddenFile { hidden: None },
    });
    let layers = contents.layers.iter().enumerate();
    let hidden = layers.flat_map(|(number, layer)| {
        let is_hidden = move |path: &&LayerPath| {
            let seen = merge.get(path);
            !seen.is_some_and(|placed| placed.by() == number && !placed.file.is_dir())
        };
        let paths = layer.files.iter().filter(is_hidden);
        let forbidden = paths.filter(|path| globs.matches_with_parents(path));
        forbidden.map(|path| CheckFinding {
            place: shown(path),
            digest: layer.digest,
            violation: Violation::ForbiddenFile { hidden: Some(contents.hidden(path)) },
        })
    });
    checks.add(Rule::ForbiddenFiles, glob.text(), seen.chain(hidden));
    Ok(())
}

/// The files of a container with certain modes, but for those that are allowed.
fn of_mode(
    allow: &[Glob],
    contents: &ImageContents,
    is_wrong: impl Fn(&Placed) -> bool,
    violation: impl Fn(u32) -> Violation,
) -> Result<Vec<CheckFinding>> {
    let allow = PathGlobs::new(allow, contents)?;
    let wrong = contents.files.merge.iter().filter(|placed| is_wrong(placed));
    let wrong = wrong.filter(|placed| !allow.matches_with_parents(&placed.path));
    let finding = |placed: &Placed| CheckFinding {
        place: shown(&placed.path),
        digest: contents.layer_of(placed),
        violation: violation(placed.file.mode.into()),
    };
    Ok(wrong.map(finding).collect())
}

/// Links have no permissions, everybody may write to devices such as `/dev/null`, and in sticky
/// directories such as `/tmp`, only the owner of a file can delete it.
fn is_world_writable(placed: &Placed) -> bool {
    let mode = placed.file.mode;
    let is_sticky = placed.file.is_dir() && mode & 0o1000 != 0;
    let counts = !matches!(placed.file.kind, Kind::Symlink(_) | Kind::CharDevice(..));
    mode & 0o002 != 0 && counts && !is_sticky
}

fn private_keys(allow: &[Glob], contents: &ImageContents, checks: &mut Checks) -> Result<()> {
    let allow = PathGlobs::new(allow, contents)?;
    let keys = || {
        let layers = contents.layers.iter().enumerate();
        layers.flat_map(|(number, layer)| layer.keys.iter().map(move |key| (number, layer, key)))
    };
    let places: BTreeSet<Place> = keys().map(|(number, _, key)| (number, key.offset)).collect();
    let names = contents.names(&places);
    let found = keys().filter_map(|(number, layer, key)| {
        let finding = |path: &LayerPath, hidden| {
            let violation = Violation::PrivateKey { label: key.label.clone(), hidden };
            CheckFinding { place: shown(path), digest: layer.digest, violation }
        };
        let is_found = |path: &&LayerPath| !allow.matches_with_parents(path);
        let seen = names.get(&(number, key.offset)).into_iter().flatten();
        if let Some(path) = seen.map(|placed| &placed.path).find(is_found) {
            return Some(finding(path, None));
        }
        let path = iter::once(&key.path).chain(&key.links).find(is_found)?;
        Some(finding(path, Some(contents.hidden(path))))
    });
    checks.add(Rule::PrivateKeys, "no private keys", found);
    Ok(())
}
