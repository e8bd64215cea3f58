//! Declarations in three languages, and the pages that describe them.

mod errors;
mod files;

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
