use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};

use super::{document::Language, image::MEMBERS, *};
use crate::on_demand::names::{Metapackage, NameOptions};

const TOML: &str = r##"
[[images]]
name = "curl-and-jq"
tags = ["v1", "latest"]
contents = ["curl", "perlPackages.DBI", "web"]
source = "stable"
platform = "linux/arm64"
user = "app"

[images.config]
Env = ["PORT=80"]
ExposedPorts = { "80/tcp" = {} }

[images.files]
"/etc/motd" = "hello\n"
"/etc/key" = { text = "secret", mode = "0600" }
"##;

const YAML: &str = r#"
# The same in YAML.
images:
  - name: curl-and-jq
    tags: [v1, latest]
    contents: [curl, perlPackages.DBI, web]
    source: stable
    platform: linux/arm64
    user: app
    config:
      Env: [PORT=80]
      ExposedPorts: { 80/tcp: {} }
    files:
      /etc/motd: |
        hello
      /etc/key: { text: secret, mode: 0600 }
"#;

const JSON: &str = r#"{ "images": [{
  "name": "curl-and-jq", "tags": ["v1", "latest"], "contents": ["curl", "perlPackages.DBI", "web"],
  "source": "stable", "platform": "linux/arm64", "user": "app",
  "config": { "Env": ["PORT=80"], "ExposedPorts": { "80/tcp": {} } },
  "files": { "/etc/motd": "hello\n", "/etc/key": { "text": "secret", "mode": "0600" } }
}] }"#;

const KUBERNETES: &str = r#"
apiVersion: packages.oci-layout/v1alpha1
kind: DeclaredImage
metadata: { name: tools, namespace: default, labels: { a: b } }
spec: { contents: [curl] }
---
apiVersion: v1
kind: List
items:
  - apiVersion: packages.oci-layout/v1alpha1
    kind: DeclaredImage
    metadata: { name: other }
    spec: { name: team/other, contents: [jq] }
    status: {}
---
apiVersion: packages.oci-layout/v1alpha1
kind: DeclaredImageList
metadata: { resourceVersion: "7" }
items: []
"#;

fn names() -> Names {
    let web = Metapackage {
        packages: vec!["nginx".to_owned()],
        user: Some("web".to_owned()),
        files: [("/etc/motd".to_owned(), "from the metapackage".into())].into(),
        ..Metapackage::default()
    };
    let mut options = NameOptions::default();
    options.metapackages.insert("web".to_owned(), web);
    Names::new(options).unwrap()
}

fn parsed(text: &str, language: Language) -> Vec<DeclaredImage> {
    let images = parse("file", text, language).unwrap();
    images.into_iter().map(|(_, image)| image).collect()
}

#[test]
fn one_image_in_three_languages() {
    let of = [(TOML, Language::Toml), (YAML, Language::Yaml), (JSON, Language::Json)];
    let [toml, yaml, json] = of.map(|(text, language)| parsed(text, language));
    assert_eq!(toml, yaml);
    assert_eq!(toml, json);
    let [image] = &toml[..] else { panic!("{toml:?}") };
    let contents = image.image_contents("file", &names()).unwrap();
    assert_eq!(
        serde_json::to_value(contents).unwrap(),
        json!({
            "platform": { "os": "linux", "architecture": "arm64" },
            "packages": ["cacert?", "curl", "nginx", "perlPackages.DBI"],
            "user": "app",
            "environment": {},
            "command": [],
            "files": {
                "/etc/motd": "hello\n",
                "/etc/key": { "text": "secret", "mode": "0600" },
            },
            "config": { "Env": ["PORT=80"], "ExposedPorts": { "80/tcp": {} } },
        })
    );
    assert_eq!(image.source, "stable");
    // What is written is read again.
    let value = serde_json::to_value(image).unwrap();
    assert_eq!(value.as_object().unwrap().keys().len(), MEMBERS.len());
    assert_eq!(&DeclaredImage::from_value("again", value).unwrap(), image);
}

#[test]
fn objects_of_kubernetes_are_images() {
    let images = parsed(KUBERNETES, Language::Yaml);
    let names: Vec<_> = images.iter().map(|image| (&*image.name, &*image.contents[0])).collect();
    assert_eq!(names, [("tools", "curl"), ("team/other", "jq")]);
    assert_eq!(images[0].tags, ["latest"]);
}

#[test]
fn a_document_is_a_list_or_one_image() {
    for (text, language, count) in [
        ("name: a\ncontents: [b]", Language::Yaml, 1),
        ("- { name: a, contents: [b] }\n- { name: c, contents: [b] }", Language::Yaml, 2),
        ("name: a\ncontents: [b]\n---\nimages: [{ name: c, contents: [b] }]", Language::Yaml, 2),
        ("images: []", Language::Yaml, 0),
        ("# nothing yet\n", Language::Yaml, 0),
        ("images = []", Language::Toml, 0),
        ("[]", Language::Json, 0),
        ("name = 'a'\ncontents = ['b']", Language::Toml, 1),
    ] {
        assert_eq!(parsed(text, language).len(), count, "{text}");
    }
}

#[test]
fn errors_name_the_place_the_image_and_the_member() {
    let image = |members: &str| format!("images:\n- {{ name: a/b, contents: [c], {members} }}");
    for (text, expected) in [
        ("images: [{ contents: [c] }]".to_owned(), "file, images[0]: the member name is missing"),
        ("- { name: a/b }".to_owned(), "file[0] (a/b): the member contents is missing"),
        ("images: [{ name: A, contents: [c] }]".to_owned(), "file, images[0] (A), name \"A\": a"),
        ("images: [{ name: a, contents: [] }]".to_owned(), "(a), contents: the list is empty"),
        ("images: [{ name: a, contents: [a b] }]".to_owned(), "(a), contents: \"a b\" is not a"),
        ("images: [{ name: a, contents: [a.b.c.d.e] }]".to_owned(), "at most 4 parts"),
        ("images: [{ name: a, contents: [shell/git] }]".to_owned(), "\"shell/git\" is not a"),
        ("images: [{ name: a, contents: [arm64, b] }]".to_owned(), "contents, \"arm64\": this is a"),
        ("images: [{ name: a, contents: [1.10] }]".to_owned(), "found the number 1.1: put it in"),
        (image("tag: v1"), "file, images[0] (a/b)"),
        (image("tags: [1.10]"), "images[0] (a/b), tags: expected a string, found the number 1.1"),
        (image("tags: []"), "(a/b), tags: the list is empty"),
        (image("tags: [v1, .x]"), "(a/b), tags, \".x\": a tag has"),
        (image("tags: v1"), "(a/b), tags: expected a list, found \"v1\""),
        (image("tags: [v1, v1]"), "a/b:v1 is declared already in file, images[0]"),
        (image("source: --upload"), "(a/b), source, \"--upload\": a tag has"),
        (image("platform: linux/vax"), "(a/b), platform: no packages are known for \"linux/vax\""),
        (image("platform: vax"), "(a/b), platform: "),
        (image("user: a:b:c"), "(a/b), user \"a:b:c\": write a name, or UID[:GID]"),
        (image("files: { etc/x: y }"), "(a/b), files, \"etc/x\": write an absolute path"),
        (image("files: { /etc/../x: y }"), "(a/b), files, \"/etc/../x\": write an absolute path"),
        (image("files: { /x: [y] }"), "(a/b), files, \"/x\": expected a text or an object"),
        (image("files: { /x: { mode: 0644 } }"), "files, \"/x\": the member text is missing"),
        (image("files: { /x: { text: y, mode: 0999 } }"), "files, \"/x\": mode: expected a string"),
        (image("files: { /x: { text: y, mod: 0644 } }"), "files, \"/x\": unknown member \"mod\""),
        (image("files: [/x]"), "(a/b), files: expected an object of paths"),
        (image("config: { User: root }"), "file, images[0] (a/b), config"),
        (image("config: { Env: [PORT] }"), "images[0] (a/b)"),
        (image("config: { Cmd: run }"), "images[0] (a/b)"),
        (image("config: { ExposedPorts: { http: {} } }"), "images[0] (a/b)"),
        (image("config: [Cmd]"), "(a/b), config: expected a JSON object"),
        ("images: {}".to_owned(), "file, images: expected a list, found {}"),
        ("images: [a]".to_owned(), "file, images[0]: expected an image, found \"a\""),
        ("images: []\nname: a".to_owned(), "file"),
        ("{}".to_owned(), "file: expected images, which is a list of images, or an image"),
        ("just text".to_owned(), "file: expected images, which is a list of images, found"),
        ("name: a\ncontents: [b]\n---\nname: a".to_owned(), "file, document 2 (a): the member"),
        ("".to_owned(), "file: the file is empty"),
        ("images: [\n".to_owned(), "file: not YAML: "),
        ("images: []\nimages: []".to_owned(), "file: not YAML: "),
        (
            "apiVersion: packages.oci-layout/v2\nkind: DeclaredImage".to_owned(),
            "apiVersion packages.oci-layout/v1alpha1, found \"DeclaredImage\" and \
             \"packages.oci-layout/v2\"",
        ),
        ("apiVersion: v1\nkind: Secret".to_owned(), "found \"Secret\" and \"v1\""),
        (
            "apiVersion: packages.oci-layout/v1alpha1\nkind: DeclaredImage\nspecs: {}".to_owned(),
            "file",
        ),
        (
            "apiVersion: packages.oci-layout/v1alpha1\nkind: DeclaredImage".to_owned(),
            "file: spec: expected an object",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: [{ apiVersion: packages.oci-layout/v1alpha1, kind: \
             DeclaredImage, metadata: { name: x }, spec: {} }]"
                .to_owned(),
            "file, items[0], spec (x): the member contents is missing",
        ),
        ("apiVersion: v1\nkind: List".to_owned(), "file, items: expected a list"),
    ] {
        let message = message(&text, Language::Yaml);
        assert!(message.contains(expected), "{text}\n  gave {message}\n  expected {expected}");
    }
}

/// The error of a file with this text.
fn message(text: &str, language: Language) -> String {
    let images = parse("file", text, language).and_then(|images| super::images(images, &names()));
    images.unwrap_err().to_string()
}

#[test]
fn unknown_members_are_named_with_the_known_ones() {
    let text = |member: &str| format!(r#"{{ "name": "a", "contents": ["b"], {member} }}"#);
    for (member, named, known) in [
        (r#""tag": "v1""#, "\"tag\"", "tags"),
        (r#""config": { "User": "root" }"#, "\"User\"", "StopSignal"),
        (r#""config": { "env": [], "Entry": [] }"#, "\"Entry\"", "Entrypoint"),
    ] {
        let message = message(&text(member), Language::Json);
        assert!(message.contains(named) && message.contains(known), "{message}");
    }
}

#[test]
fn faults_of_the_language_have_a_line() {
    for (text, language, expected) in [
        ("[[images]]\nname = \"a\"\nname = \"b\"\n", Language::Toml, "not TOML, in line 3: "),
        ("[[images]]\nname =\n", Language::Toml, "not TOML, in line 2: "),
        ("{\n\"images\": [\n}", Language::Json, "line 3"),
        ("{ \"a\": 1,\n \"a\": 2 }", Language::Json, "the member \"a\" is given twice at line 2"),
        ("images:\n  - name: a\n name: b\n", Language::Yaml, "line 3"),
        ("images: []\nimages: []\n", Language::Yaml, "line 2"),
    ] {
        let message = message(text, language);
        assert!(message.contains(expected), "{text}\n  gave {message}");
    }
}

#[test]
fn a_file_cannot_take_all_memory() {
    // A billion strings.
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip("abcdefgh".chars()) {
        text += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "));
    }
    assert!(message(&text, Language::Yaml).contains("not YAML"));
    for language in [Language::Yaml, Language::Json] {
        assert!(message(&"[".repeat(100_000), language).contains("not "));
    }
    assert!(message(&format!("a = {}", "[".repeat(100_000)), Language::Toml).contains("not TOML"));
    let merged = format!("a: &a {{ b: c }}\nd: {{ {} }}", "<<: *a, ".repeat(50_000));
    assert!(!message(&merged, Language::Yaml).is_empty());
}

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

/// The properties of the specification in the `CustomResourceDefinition`.
fn properties() -> Value {
    let crd: Vec<strict_value::StrictValue> = serde_saphyr::from_multiple(IMAGE_CRD).unwrap();
    crd[0].0["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        .clone()
}

#[test]
fn the_definition_for_kubernetes_has_the_same_members() {
    let sorted = |names: &[&str]| {
        let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let properties = properties();
    assert_eq!(names(&properties), sorted(&MEMBERS));
    assert_eq!(names(&properties["config"]["properties"]), sorted(&image::CONFIG));
    let crd: Vec<strict_value::StrictValue> = serde_saphyr::from_multiple(IMAGE_CRD).unwrap();
    let spec = &crd[0].0["spec"];
    let version = spec["versions"][0]["name"].as_str().unwrap();
    assert_eq!(format!("{}/{version}", spec["group"].as_str().unwrap()), document::API_VERSION);
    assert_eq!(spec["names"]["kind"], document::KIND);
}

#[test]
fn the_manual_has_the_members() {
    let manual = include_str!("../../../docs/on-demand.md");
    let section = manual.split("## Declared images\n").nth(1).expect("the section exists");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<_> = rows.filter_map(|line| line.split_once("` | ")).collect();
    for (member, property) in properties().as_object().unwrap() {
        let description = property["description"].as_str().unwrap();
        let row = rows.iter().find(|(name, _)| name == member);
        let (_, meaning) = row.unwrap_or_else(|| panic!("{member} is not in the manual"));
        let meaning = meaning.trim_end_matches(" |").replace('`', "");
        assert_eq!(meaning, description, "{member}");
    }
    assert_eq!(rows.len(), MEMBERS.len());
    let kubernetes = manual.split("\n## Kubernetes\n").nth(1).expect("the section exists");
    let objects = kubernetes.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let objects: Vec<strict_value::StrictValue> = serde_saphyr::from_multiple(objects).unwrap();
    let map = objects.iter().find(|object| object.0["kind"] == "ConfigMap").unwrap();
    let mounted = map.0["data"]["images.yaml"].as_str().unwrap();
    assert_eq!(parsed(mounted, Language::Yaml)[0].name, "curl-and-jq");
    // The examples.
    let mut count = 0;
    for (start, language) in [
        ("```toml\n", Language::Toml),
        ("```yaml\n", Language::Yaml),
        ("```json\n", Language::Json),
    ] {
        for block in section.split(start).skip(1) {
            let text = block.split("```").next().unwrap();
            let images = parse("manual", text, language).unwrap();
            assert!(
                !super::images(images, &Names::new(NameOptions::default()).unwrap())
                    .unwrap()
                    .is_empty()
            );
            count += 1;
        }
    }
    assert!(count >= 4, "{count} examples");
}
