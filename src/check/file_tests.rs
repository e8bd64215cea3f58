//! Tests of files, as container-structure-test makes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    basics::Result,
    check::{
        contents::{ImageContents, MOST_CONTENTS, Place, shown},
        finding::{CheckFinding, Checks, Rule},
        modes::permissions,
        policy::Policy,
        shell::{Variables, expand},
        structure_tests::{FileContentTest, FileExistenceTest},
        violation::Violation,
    },
    image::PlatformImage,
    layer::{
        layer_files::{File, Kind},
        merge::Placed,
    },
};

pub(crate) fn check(
    policy: &Policy,
    contents: &ImageContents,
    image: &PlatformImage,
    checks: &mut Checks,
) -> Result<()> {
    let variables = variables(policy, image);
    for test in policy.members.file_existence_tests.iter().flatten() {
        let found = exists(test, &variables, contents);
        checks.add(Rule::FileExistenceTests, &test.name, found);
    }
    content_tests(
        policy.members.file_content_tests.as_deref().unwrap_or_default(),
        contents,
        checks,
    )
}

/// The variables of the image, and those of the policy.
fn variables<'a>(policy: &'a Policy, image: &'a PlatformImage) -> Variables<'a> {
    let config = image.configuration().config.as_ref();
    let pairs = config.into_iter().flat_map(|config| &config.env);
    let mut variables: Variables<'_> = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let of_image = variables.clone();
    for variable in policy.members.global_env_vars.iter().flatten() {
        // A value may refer to variables of the image.
        let value = variable.value.text();
        let value = expand(value, &of_image).unwrap_or_else(|_| value.to_owned());
        variables.insert(&variable.key, value);
    }
    variables
}

fn exists(
    test: &FileExistenceTest,
    variables: &Variables<'_>,
    contents: &ImageContents,
) -> Vec<CheckFinding> {
    let finding = |placed: Option<&Placed>, place: &str, violation| CheckFinding {
        place: place.to_owned(),
        digest: placed.and_then(|placed| contents.layer_of(placed)),
        violation,
    };
    let path = match expand(&test.path, variables) {
        Ok(path) => path,
        Err(name) => {
            let reason = format!("has the variable {name}, which the image does not set");
            return vec![finding(None, &absolute(&test.path), Violation::FileUnread { reason })];
        }
    };
    let path = absolute(&path);
    let found = |placed, violation| finding(placed, &path, violation);
    let placed = match contents.at(&path) {
        Err(reason) => return vec![found(None, Violation::FileUnread { reason })],
        Ok(None) if contents.is_root(&path) => {
            return match test.should_exist {
                true => of_file(test, &File::implied(), |violation| found(None, violation)),
                false => vec![found(None, Violation::FileExists)],
            };
        }
        Ok(None) if test.should_exist => return vec![found(None, Violation::FileMissing)],
        Ok(None) => return Vec::new(),
        Ok(Some(placed)) if !test.should_exist => {
            return vec![found(Some(&placed), Violation::FileExists)];
        }
        Ok(Some(placed)) => placed,
    };
    of_file(test, &placed.file, |violation| found(Some(&placed), violation))
}

/// What is wrong with a file that should exist, and does.
fn of_file(
    test: &FileExistenceTest,
    file: &File,
    found: impl Fn(Violation) -> CheckFinding,
) -> Vec<CheckFinding> {
    let mut findings = Vec::new();
    let actual = permissions(file);
    if let Some(expected) = test.permissions.as_ref().filter(|expected| !expected.is_empty())
        && *expected != actual
    {
        let (expected, actual) = (expected.clone(), actual.clone());
        findings.push(found(Violation::PermissionsDiffer { expected, actual }));
    }
    if let Some(by) = test.is_executable_by
        && file.mode & by.bits() == 0
    {
        findings.push(found(Violation::NotExecutable { by: by.name().to_owned(), actual }));
    }
    let (uid, gid) = file.owner();
    for (kind, expected, actual) in [("user", test.uid, uid), ("group", test.gid, gid)] {
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            findings.push(found(Violation::OwnerDiffers { kind, expected, actual }));
        }
    }
    findings
}

/// Checks the contents of files, each of which is read once for all tests.
fn content_tests(
    tests: &[FileContentTest],
    contents: &ImageContents,
    checks: &mut Checks,
) -> Result<()> {
    let mut results: Vec<Vec<CheckFinding>> = vec![Vec::new(); tests.len()];
    let mut readers = BTreeMap::<Place, Vec<usize>>::new();
    for (number, test) in tests.iter().enumerate() {
        let mut found = |violation, placed: Option<&Placed>| {
            let digest = placed.and_then(|placed| contents.layer_of(placed));
            results[number].push(CheckFinding { place: absolute(&test.path), digest, violation });
        };
        match contents.resolve(&test.path) {
            Err(reason) => found(Violation::FileUnread { reason }, None),
            Ok(placed) => match (&placed.file.kind, placed.place()) {
                (Kind::File(size), Some(_)) if *size > MOST_CONTENTS => {
                    found(Violation::FileTooLarge { limit: MOST_CONTENTS }, Some(placed));
                }
                (Kind::File(_), Some(place)) => readers.entry(place).or_default().push(number),
                _ => {
                    let reason = match shown(&placed.path) == absolute(&test.path) {
                        true => "is not a regular file, so that it has no contents".to_owned(),
                        false => {
                            format!("leads to {}, which is not a regular file", shown(&placed.path))
                        }
                    };
                    found(Violation::FileUnread { reason }, Some(placed));
                }
            },
        }
    }
    let places: BTreeSet<Place> = readers.keys().copied().collect();
    contents.read_files(&places, |place, bytes| {
        let text = as_go_reads(bytes);
        let digest = contents.layers[place.0].digest;
        for &number in readers.get(&place).into_iter().flatten() {
            let test = &tests[number];
            let expected = test.expected_contents.iter().flatten();
            let missing = expected
                .filter(|pattern| !pattern.is_match(&text))
                .map(|pattern| Violation::ContentMissing { pattern: pattern.text().to_owned() });
            let excluded = test.excluded_contents.iter().flatten();
            let excluded = excluded
                .filter(|pattern| pattern.is_match(&text))
                .map(|pattern| Violation::ContentExcluded { pattern: pattern.text().to_owned() });
            let place = absolute(&test.path);
            results[number].extend(missing.chain(excluded).map(|violation| CheckFinding {
                place: place.clone(),
                digest,
                violation,
            }));
        }
    })?;
    for (test, found) in tests.iter().zip(results) {
        checks.add(Rule::FileContentTests, &test.name, found);
    }
    Ok(())
}

/// The text with a U+FFFD for each byte that is not UTF-8, of which other decoders replace several by
/// one.
fn as_go_reads(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// The path from the image's root.
fn absolute(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    }
}
