//! Files and folders that change.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::names;
use crate::{
    on_demand::{
        declared::{DeclaredImages, document::MOST_BYTES},
        image_names::ImageNames,
        names::{NameOptions, Names},
    },
    registry::NamedImageErrorKind,
};

fn write(file: impl AsRef<Path>, name: &str, package: &str) {
    fs::write(file, format!("images = [{{ name = '{name}', contents = ['{package}'] }}]")).unwrap();
}

fn packages(images: &DeclaredImages, name: &str) -> Vec<String> {
    images.image(name, "latest").unwrap().contents.packages
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.toml");
    write(&file, "tools", "curl");
    let images = DeclaredImages::open(Some(&file), names()).unwrap();
    assert_eq!(packages(&images, "tools"), ["cacert?", "curl"]);
    assert!(!images.refresh().unwrap());

    write(&file, "tools", "jq");
    assert!(images.refresh().unwrap());
    assert_eq!(packages(&images, "tools"), ["cacert?", "jq"]);

    fs::write(&file, "[[images]]\nname = 'tools'").unwrap();
    let error = images.refresh().unwrap_err().to_string();
    assert!(error.contains("images.toml") && error.contains("contents is missing"), "{error}");
    assert!(!images.refresh().unwrap(), "once for each change");
    assert!(images.reload().is_err(), "asked for");
    fs::remove_file(&file).unwrap();
    assert!(images.refresh().is_err());
    assert_eq!(packages(&images, "tools"), ["cacert?", "jq"], "they stay");

    write(&file, "tools", "jq");
    assert!(!images.refresh().unwrap(), "read, and equal");
    write(&file, "others", "jq");
    assert!(images.refresh().unwrap());
    assert_eq!(images.references(), ["others:latest"]);
    assert_eq!(packages(&images, "tools"), ["cacert?", "tools"], "a package again");
}

#[test]
fn the_files_of_a_mounted_config_map_change_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let version = |name: &str, package: &str| {
        fs::create_dir(at(name)).unwrap();
        write(at(name).join("a.toml"), "a", package);
        fs::write(at(name).join("b.yml"), format!("name: b\ncontents: [{package}]")).unwrap();
        fs::write(at(name).join("README"), "not an image").unwrap();
    };
    version("..1", "one");
    symlink("..1", at("..data")).unwrap();
    fs::write(at(".draft.toml"), "not yet").unwrap();
    for name in ["a.toml", "b.yml", "README"] {
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let images = DeclaredImages::open(Some(folder.path()), names()).unwrap();
    assert_eq!(images.references(), ["a:latest", "b:latest"]);
    assert_eq!(packages(&images, "b"), ["cacert?", "one"]);
    version("..2", "two");
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert!(images.refresh().unwrap());
    for name in ["a", "b"] {
        assert_eq!(packages(&images, name), ["cacert?", "two"]);
    }
    // A file that comes, and one that goes.
    fs::write(at("c.json"), r#"{ "name": "c", "contents": ["d"] }"#).unwrap();
    assert!(images.refresh().unwrap());
    fs::remove_file(at("a.toml")).unwrap();
    assert!(images.refresh().unwrap());
    assert_eq!(images.references(), ["b:latest", "c:latest"]);
    fs::write(at("d.json"), r#"{ "name": "b", "contents": ["d"] }"#).unwrap();
    let error = images.refresh().unwrap_err().to_string();
    assert!(error.contains("d.json") && error.contains("b.yml"), "{error}");
}

#[test]
fn names_come_before_packages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.yaml");
    let image = |tag: &str, package: &str, source: &str| {
        format!("- {{ name: git, tags: [{tag}], contents: [{package}], source: {source} }}\n")
    };
    fs::write(&file, image("v2, latest", "b", "latest") + &image("v1", "a", "old")).unwrap();
    let images = DeclaredImages::open(Some(&file), names()).unwrap();
    let named = |name: &str, tag: &str| images.image(name, tag).unwrap();
    assert_eq!(named("git", "v1").contents.packages, ["a", "cacert?"]);
    assert_eq!((&*named("git", "v1").tag, &*named("git", "v2").tag), ("old", "latest"));
    assert!(named("git", "v2").is_declared && !named("git/git", "v2").is_declared);
    assert_eq!(named("git/git", "v2").contents.packages, ["cacert?", "git"]);
    let error = images.image("git", "v3").unwrap_err();
    assert_eq!(error.kind, NamedImageErrorKind::TagUnknown);
    assert!(error.message.contains("latest, v1, v2"), "{error}");
    assert_eq!(images.tags("git").unwrap().unwrap(), ["latest", "v1", "v2"]);
    assert_eq!(images.tags("git/git").unwrap(), None);
    assert_eq!(images.contents("git").unwrap().len(), 3);
    assert!(images.names().contains(&"git".to_owned()));
    assert!(images.names().contains(&"shell".to_owned()));
}

#[test]
fn other_names_give_declared_images_other_contents() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.toml");
    write(&file, "tools", "web");
    let images = DeclaredImages::open(Some(&file), names()).unwrap();
    assert_eq!(packages(&images, "tools"), ["cacert?", "nginx"]);
    let mut options = NameOptions::default();
    options.aliases.insert("web".to_owned(), "caddy".to_owned());
    assert!(images.set_names(Names::new(options).unwrap()).unwrap());
    assert_eq!(packages(&images, "tools"), ["cacert?", "caddy"]);
    assert_eq!(packages(&images, "web"), ["cacert?", "caddy"]);
    fs::write(&file, "images").unwrap();
    assert!(images.set_names(names()).is_err());
    assert_eq!(packages(&images, "web"), ["cacert?", "caddy"], "everything stays");
    write(&file, "tools", "web");
    assert!(images.refresh().unwrap());
    assert_eq!(packages(&images, "tools"), ["cacert?", "nginx"], "the names are those wanted last");

    let images = DeclaredImages::open(None, names()).unwrap();
    assert_eq!(packages(&images, "web"), ["cacert?", "nginx"]);
    assert!(images.references().is_empty() && !images.refresh().unwrap());
    assert!(!images.reload().unwrap());
}

#[test]
fn what_is_not_a_file_with_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::write(at("images.txt"), "images: []").unwrap();
    fs::write(at("latin.yaml"), b"name: \xe4").unwrap();
    fs::write(at("large.yaml"), " ".repeat(MOST_BYTES as usize + 1)).unwrap();
    for (name, expected) in [
        ("missing.yaml", "missing.yaml"),
        ("images.txt", "name the file .toml, .yaml or .json"),
        ("latin.yaml", "latin.yaml"),
        ("large.yaml", "more than 1 MiB"),
    ] {
        let error = DeclaredImages::open(Some(&at(name)), names()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let device = at("device.yaml");
    symlink("/dev/zero", &device).unwrap();
    let error = DeclaredImages::open(Some(&device), names()).unwrap_err().to_string();
    assert!(error.contains("expected a file"), "{error}");
}
