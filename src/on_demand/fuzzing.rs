//! Names of images on demand: see [`crate::fuzzing`].

use std::collections::BTreeSet;

use crate::basics::json;
use crate::document::name::{is_repository, is_tag};
use crate::on_demand::{
    declared::{
        document::Language,
        image::{DeclaredImage, MEMBERS},
        parse,
    },
    names::{
        NameOptions, Names,
        package_name::{is_package, split_optional},
    },
    systems::{nix_system, of_prefix},
};

/// Reads a file with declared images. The first byte says its language. What is accepted has valid
/// names, tags and packages, and is the same when it is written and read again.
pub fn declared(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let language = match first {
        b'{' => Language::Json,
        b'[' => Language::Toml,
        _ => Language::Yaml,
    };
    let Ok(text) = str::from_utf8(text) else { return };
    let images = match parse("file", text, language) {
        Ok(images) => images,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let names = Names::new(NameOptions::default()).expect("the default options are valid");
    for (place, image) in images {
        assert!(place.starts_with("file") && is_repository(&image.name), "{place}");
        assert!(!image.tags.is_empty() && image.tags.iter().all(|tag| is_tag(tag)));
        assert!(is_tag(&image.source));
        let value = json::to_value(&image);
        assert!(value.as_object().is_some_and(|members| members.len() <= MEMBERS.len()));
        let again = DeclaredImage::from_value("file", value).expect("it was accepted before");
        assert_eq!(again, image);
        if let Ok(contents) = image.image_contents(&place, &names) {
            assert!(nix_system(&contents.platform).is_some());
            assert!(contents.packages.iter().all(|name| is_package(split_optional(name).0)));
            assert!(contents.files.keys().all(|path| path.starts_with('/')));
        }
    }
}

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
