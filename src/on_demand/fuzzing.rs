//! Names of images on demand: see [`crate::fuzzing`].

use std::collections::BTreeSet;

use crate::on_demand::{
    names::{
        NameOptions, Names,
        package_name::{is_package, split_optional},
    },
    systems::{nix_system, of_prefix},
};

/// Reads the name of an image. Its contents are in canonical form, do not depend on the order of
/// the components, and name only packages and systems that Nix can be asked for.
pub fn image_name(data: &[u8]) {
    let Ok(name) = str::from_utf8(data) else { return };
    let names = Names::new(NameOptions::default()).expect("the default options are valid");
    let contents = match names.contents(name) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(!error.message.is_empty());
            return;
        }
    };
    assert!(name.len() <= 255 && nix_system(&contents.platform).is_some());
    assert!(contents.packages.iter().all(|package| is_package(split_optional(package).0)));
    let sorted: Vec<String> =
        contents.packages.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(contents.packages, sorted, "sorted, each once");

    let mut components: Vec<&str> = name.split('/').collect();
    // A platform stays the first component.
    let first = usize::from(of_prefix(components[0]).is_some());
    components[first..].reverse();
    assert_eq!(names.contents(&components.join("/")).as_ref(), Ok(&contents), "in any order");
    let last = components[components.len() - 1];
    let repeated = format!("{}/{last}", components.join("/"));
    if repeated.len() <= 255 {
        assert_eq!(names.contents(&repeated).as_ref(), Ok(&contents), "with repetitions");
    }
}
