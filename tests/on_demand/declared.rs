//! Images that an operator declares, and what becomes of them when their declarations change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use oci_layout::{
    Image,
    on_demand::{
        DeclaredImages, IMAGE_CRD, NameOptions, Names, PackageImages, PackageImagesOptions,
    },
    registry::{NamedImageErrorKind, NamedImages, Stop},
};
use serde_json::{Value, json};

use crate::{
    common::{
        Member, decoded, members,
        packages::Packages,
        tool::{run, tool},
    },
    config, is_layer, make, read_all,
};

/// A package set, and a file with declared images.
struct Room {
    packages: Packages,
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { packages: Packages::usual(folder.path().join("store")), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("images.json")
    }

    fn declare(&self, images: &Value) {
        fs::write(self.file(), json!({ "images": images }).to_string()).unwrap();
    }

    fn open(&self) -> (PackageImages, Arc<DeclaredImages>) {
        let mut options = NameOptions::default();
        options.always.clear();
        let names = Names::new(options).unwrap();
        let declared = Arc::new(DeclaredImages::open(Some(&self.file()), names).unwrap());
        let options = PackageImagesOptions::new(self.folder.path().join("registry"));
        (self.packages.images_named(Arc::clone(&declared), options), declared)
    }
}

#[track_caller]
fn tagged(images: &PackageImages, name: &str, tag: &str) -> Arc<Image> {
    let request = images.request(name, tag).unwrap();
    images.make(&request, &Stop::default()).unwrap()
}

#[test]
fn an_image_has_what_its_declaration_says() {
    let room = Room::new();
    room.packages.add("bash", "5.2", &[("bin/bash", b"bash")], &["libc"]);
    room.declare(&json!([{
        "name": "greeter",
        "contents": ["hello", "bash"],
        "user": "1234:567",
        "config": {
            "Env": ["PATH=$PATH:/opt/bin", "HOME=/data", "GREETED=Ada"],
            "Entrypoint": ["/bin/hello"],
            "WorkingDir": "/data",
            "ExposedPorts": { "80/tcp": {} },
            "Volumes": { "/data": {} },
            "Labels": { "a": "b" },
            "StopSignal": "SIGINT",
        },
        "files": {
            "/etc/motd": "hello\n",
            "/opt/bin/run": "#!/bin/sh\n",
            "/etc/key": { "text": "secret", "mode": "0600" },
            "/etc/passwd": "mine",
        },
    }]));
    let (images, _) = room.open();
    let image = make(&images, "greeter");
    read_all(&image).unwrap();
    let config = &config(&image)["config"];
    let expected = json!({
        "User": "1234:567",
        "Env": ["HOME=/data", "PATH=/bin:/usr/bin:/opt/bin", "GREETED=Ada"],
        "Entrypoint": ["/bin/hello"],
        "WorkingDir": "/data",
        "ExposedPorts": { "80/tcp": {} },
        "Volumes": { "/data": {} },
        "StopSignal": "SIGINT",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&config[member], value, "{member}");
    }
    assert_eq!(config["Labels"]["a"], "b");
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "bash, hello");
    // The shell's command would be an argument of the entry point.
    assert_eq!(config["Cmd"], Value::Null);

    let layer = image.blobs().iter().rev().find(|blob| is_layer(blob.as_ref())).unwrap();
    let members = members(&decoded(layer));
    let shown: Vec<String> = members.iter().map(Member::to_string).collect();
    for line in ["-0644 0:0 1 etc/motd", "-0755 0:0 1 opt/bin/run", "-0600 0:0 1 etc/key"] {
        assert!(shown.iter().any(|member| member.starts_with(line)), "{line}: {shown:#?}");
    }
    let passwd = members.iter().find(|member| member.path == b"etc/passwd").unwrap();
    assert_eq!(passwd.content, b"mine");
}

#[test]
fn tags_are_of_the_declaration_and_its_source() {
    let room = Room::new();
    room.declare(&json!([
        { "name": "tools", "tags": ["v2", "latest"], "contents": ["hello", "libc"] },
        { "name": "tools", "tags": ["v1"], "contents": ["hello"], "source": "old" },
        { "name": "hello", "contents": ["libc"] },
    ]));
    let (images, _) = room.open();
    let revision = |image: &Image| {
        let labels = config(image)["config"]["Labels"].clone();
        labels["org.opencontainers.image.revision"].as_str().unwrap().to_owned()
    };
    let [one, two, latest] = ["v1", "v2", "latest"].map(|tag| tagged(&images, "tools", tag));
    assert_eq!(two.digest(), latest.digest());
    assert_ne!(one.digest(), two.digest());
    assert_eq!([revision(&one), revision(&two)], ["r0", "r1"]);
    assert_eq!(images.tags("tools").unwrap(), ["latest", "v1", "v2"]);
    let error = images.request("tools", "old").unwrap_err();
    assert_eq!(error.kind, NamedImageErrorKind::TagUnknown);
    for image in [&one, &two] {
        assert!(images.holding("tools", image.digest()).is_some());
        assert!(images.holding("hello", image.digest()).is_none());
    }
    // Equal contents are one image, by whatever name.
    assert_eq!(make(&images, "hello/libc").digest(), two.digest());
    // The declared name hides the package.
    assert_eq!(make(&images, "hello").digest(), make(&images, "libc").digest());
    assert_eq!(images.names(), ["debug", "hello", "network", "shell", "tools"]);
    assert_eq!(images.tags("shell").unwrap(), ["latest"]);
}

#[test]
fn a_pull_that_began_before_a_change_succeeds() {
    let room = Room::new();
    let declare = |file: &str| {
        let files = json!({ "/f": file });
        room.declare(&json!([{ "name": "tools", "contents": ["hello"], "files": files }]));
    };
    declare("first");
    let (images, declared) = room.open();
    let first = make(&images, "tools");
    let layer = |image: &Image| {
        image.blobs().iter().rfind(|blob| is_layer(blob.as_ref())).unwrap().descriptor().digest
    };
    declare("second");
    assert!(declared.refresh().unwrap());
    assert!(images.known(&images.request("tools", "latest").unwrap()).is_none());
    let second = make(&images, "tools");
    assert_ne!(layer(&first), layer(&second));
    let is_held = |images: &PackageImages, name: &str, image: &Image| {
        let digests = [image.digest(), layer(image)];
        digests.map(|digest| images.holding(name, digest).is_some())
    };
    for image in [&first, &second] {
        assert_eq!(is_held(&images, "tools", image), [true; 2]);
    }
    assert_eq!(is_held(&images, "hello", &first), [false; 2]);
    drop(images);

    // Also after a restart, without a call of Nix.
    room.packages.calls();
    let (images, declared) = room.open();
    for image in [&first, &second] {
        assert_eq!(is_held(&images, "tools", image), [true; 2]);
    }
    let held = images.holding("tools", first.digest()).unwrap();
    read_all(&held).unwrap();
    assert_eq!(room.packages.calls(), [""; 0]);

    // A name that is not declared any more is not a name for these images.
    room.declare(&json!([{ "name": "others", "contents": ["hello"] }]));
    assert!(declared.refresh().unwrap());
    assert_eq!(is_held(&images, "tools", &first), [false; 2]);
    assert_eq!(is_held(&images, "others", &first), [false; 2]);
}

#[test]
fn what_is_known_by_another_name_can_be_pulled_after_a_change() {
    let room = Room::new();
    room.declare(&json!([{ "name": "tools", "contents": ["hello"] }]));
    let (images, declared) = room.open();
    // The image is known before somebody pulls it by its declared name.
    let image = make(&images, "hello");
    let known = images.known(&images.request("tools", "latest").unwrap()).unwrap();
    assert_eq!(known.digest(), image.digest());
    room.declare(&json!([{ "name": "tools", "contents": ["shell"] }]));
    assert!(declared.refresh().is_ok_and(|is_changed| is_changed));
    assert!(images.holding("tools", image.digest()).is_some());
}

#[test]
fn the_example_is_valid() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/packages/images.toml");
    let names = Names::new(NameOptions::default()).unwrap();
    let declared = DeclaredImages::open(Some(&file), names).unwrap();
    assert_eq!(declared.references(), ["greeter:latest", "greeter:v0", "greeter:v1"]);
}

/// The schema of the definition for Kubernetes and this library agree on objects.
#[test]
fn a_schema_of_kubernetes_accepts_what_is_served() {
    let room = Room::new();
    let crd: Value = serde_saphyr::from_str(IMAGE_CRD).unwrap();
    let names = Names::new(NameOptions::default()).unwrap();
    let object = |spec: Value| {
        json!({
            "apiVersion": "packages.oci-layout/v1alpha1",
            "kind": "DeclaredImage",
            "metadata": { "name": "it" },
            "spec": spec,
        })
    };
    let with = |member: &str, value: Value| object(json!({ "contents": ["a"], member: value }));
    let config = |member: &str, value: Value| with("config", json!({ member: value }));
    let good = [
        object(json!({ "contents": ["a"] })),
        with("name", "team/a.b_c__d--e".into()),
        with("tags", json!(["v1", "_X.-"])),
        with("source", "stable".into()),
        with("platform", "linux/arm64".into()),
        with("user", "1000:1000".into()),
        with("files", json!({ "/a": "b", "/c": { "text": "d", "mode": "0600" } })),
        config("Env", json!(["A=", "B=c=d"])),
        config("ExposedPorts", json!({ "80/tcp": {} })),
        config("Volumes", json!({ "/data": {} })),
        config("Labels", json!({ "a": "b" })),
        config("Cmd", json!(["a", "b"])),
        config("Entrypoint", json!(["a"])),
        config("WorkingDir", "/".into()),
        config("StopSignal", "SIGINT".into()),
    ];
    let bad = [
        object(json!({})),
        object(json!({ "contents": [] })),
        object(json!({ "contents": "a" })),
        with("name", "A".into()),
        with("name", "a//b".into()),
        with("name", "a___b".into()),
        with("tags", json!([])),
        with("tags", json!([1.5])),
        with("tags", json!([".x"])),
        with("source", "--x".into()),
        with("platform", json!(["linux/arm64"])),
        with("user", 1000.into()),
        with("files", json!(["/a"])),
        with("config", json!([])),
        config("Env", json!(["A"])),
        config("Env", json!({ "A": "b" })),
        config("ExposedPorts", json!(["80/tcp"])),
        config("Labels", json!({ "a": 1 })),
        config("Cmd", "a".into()),
    ];
    for (objects, is_valid) in [(&good[..], true), (&bad[..], false)] {
        for object in objects {
            fs::write(room.file(), object.to_string()).unwrap();
            let opened = DeclaredImages::open(Some(&room.file()), names.clone());
            assert_eq!(opened.is_ok(), is_valid, "{object}: {opened:?}");
        }
    }
    let check = r#"
import json, jsonschema, sys
crd, good, bad = json.load(open(sys.argv[1]))
schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
check = jsonschema.Draft4Validator
check.check_schema(schema)
for objects, is_valid in ((good, True), (bad, False)):
    for object in objects:
        assert check(schema).is_valid(object) == is_valid, object
# What the API server calls structural: every value has a type, or any value is allowed.
def structural(schema):
    assert "type" in schema or schema == {"x-kubernetes-preserve-unknown-fields": True}, schema
    for below in [*schema.get("properties", {}).values(),
                  *(schema[key] for key in ("items", "additionalProperties") if key in schema)]:
        structural(below)
structural(schema)
assert crd["metadata"]["name"] == crd["spec"]["names"]["plural"] + "." + crd["spec"]["group"]
"#;
    let mut python = tool("python3");
    let input = room.folder.path().join("input.json");
    fs::write(&input, json!([crd, good, bad]).to_string()).unwrap();
    run(python.args(["-c", check]).arg(input));
}
