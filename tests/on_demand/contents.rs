//! What an image has: files, users, a configuration.

use std::{collections::BTreeMap, sync::Arc};

use oci_layout::{
    Compression, Image,
    closure::LayerPlan,
    on_demand::{ImageContents, Layering, PackageImages, PackageImagesOptions},
    registry::{NamedImageErrorKind, NamedImages, Stop},
};
use serde_json::{Value, json};

use crate::{
    common::{Member, decoded, members, packages::Packages},
    config, is_layer, layers, make, read_all,
};

/// The members of the uppermost layer, by their paths.
fn top(image: &Image) -> BTreeMap<String, Member> {
    let mut blobs = image.blobs().iter().rev();
    let layer = blobs.find(|blob| is_layer(blob.as_ref())).unwrap();
    let path = |member: &Member| String::from_utf8(member.path.clone()).unwrap();
    members(&decoded(layer)).into_iter().map(|member| (path(&member), member)).collect()
}

#[test]
fn an_image_has_the_usual_files() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    packages.add("cacert", "3", &[("etc/ssl/certs/ca-bundle.crt", b"authorities")], &[]);
    let images = packages.images(&scratch.path().join("registry"));
    let image = make(&images, "shell/hello/cacert");
    read_all(&image).unwrap();
    let top = top(&image);
    let shown: Vec<String> = top.values().map(Member::to_string).collect();
    let [bash, env, x] =
        ["bash", "env", "x"].map(|name| packages.path("shell").join("bin").join(name));
    let hello = packages.path("hello").join("bin/hello");
    let certificates = packages.path("cacert").join("etc/ssl/certs/ca-bundle.crt");
    let link = |path: &str, target: &std::path::Path| {
        format!("l0777 0:0 1 {path} -> {}", target.display())
    };
    for line in [
        link("bin/bash", &bash),
        link("bin/sh", &bash),
        link("bin/env", &env),
        link("bin/x", &x),
        link("bin/hello", &hello),
        link("etc/ssl/certs/ca-bundle.crt", &certificates),
        link("etc/ssl/certs/ca-certificates.crt", &certificates),
        "l0777 0:0 1 usr/bin -> ../bin".to_owned(),
        "d1777 0:0 1 tmp/".to_owned(),
        "d1777 0:0 1 var/tmp/".to_owned(),
        "d0700 0:0 1 root/".to_owned(),
        "d0700 1000:1000 1 home/user/".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line} is missing: {shown:#?}");
    }
    assert!(!top.contains_key("bin/.hidden"));
    assert!(top["etc/passwd"].content.ends_with(b"nobody:x:65534:65534::/var/empty:/bin/sh\n"));
    assert!(top["etc/nsswitch.conf"].content.starts_with(b"passwd: files\n"));

    let config = config(&image);
    let paths = ["cacert", "hello", "shell"].map(|name| packages.path(name).display().to_string());
    let labels = json!({
        "oci-layout.packages": "cacert 3, hello 1.0, shell 5.2",
        "oci-layout.store-paths": paths.join(" "),
        "org.opencontainers.image.revision": "r1",
        "org.opencontainers.image.title": "cacert, hello, shell",
    });
    let expected = json!({
        "User": "1000:1000",
        "Env": ["HOME=/home/user", "PATH=/bin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"],
        "Cmd": ["/bin/bash"],
        "WorkingDir": "/home/user",
        "Labels": labels,
    });
    assert_eq!(config["config"], expected);
    assert_eq!((&config["os"], &config["architecture"]), (&json!("linux"), &json!("amd64")));
    assert_eq!(config["created"], "1970-01-01T00:00:01Z");
    let history = config["history"].as_array().unwrap();
    assert_eq!(history.len(), layers(&image).len());
    let lines: Vec<_> = history.iter().map(|line| line["created_by"].as_str().unwrap()).collect();
    assert!(lines.contains(&"oci-layout layer-tar libc-2.40"), "{lines:?}");
    let files = "oci-layout on-demand: users, programs and other files";
    assert_eq!(*lines.last().unwrap(), files);
}

#[test]
fn the_first_package_provides_a_program() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    packages.add("another", "1", &[("bin/x", b"other"), ("sbin/y", b"y")], &[]);
    let images = packages.images(&scratch.path().join("registry"));
    let top = top(&make(&images, "shell/another"));
    let x = packages.path("another").join("bin/x");
    assert_eq!(top["bin/x"].link, x.to_str().unwrap().as_bytes());
    let y = packages.path("another").join("sbin/y");
    assert_eq!(top["bin/y"].link, y.to_str().unwrap().as_bytes());
}

#[test]
fn the_command_is_a_shell_or_the_main_program() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    packages.add("tool-kit", "1", &[("bin/tool", b"x"), ("bin/other", b"x")], &[]);
    packages.add("other", "1", &[("bin/thing", b"x")], &[]);
    packages.add("box", "1", &[("bin/sh", b"x")], &[]);
    packages.main_program("tool-kit", "tool");
    packages.main_program("box", "gone");
    let images = packages.images(&scratch.path().join("registry"));
    let command = |name| config(&make(&images, name))["config"]["Cmd"].clone();
    assert_eq!(command("hello"), json!(["/bin/hello"]));
    assert_eq!(command("tool-kit"), json!(["/bin/tool"]));
    assert_eq!(command("shell/tool-kit"), json!(["/bin/bash"]));
    assert_eq!(command("other"), Value::Null);
    assert_eq!(command("hello/other"), Value::Null);
    assert_eq!(command("box"), json!(["/bin/sh"]));
}

#[test]
fn declared_contents_come_first() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let declared = json!({
        "platform": { "os": "linux", "architecture": "amd64" },
        "packages": ["shell"],
        "user": "web",
        "environment": { "PORT": "80", "PATH": "/bin:/srv" },
        "command": ["/usr/bin/serve", "--now"],
        "files": {
            "/usr/bin/serve": "#!/bin/sh\nexit\n",
            "/bin/x": "mine",
            "/etc//passwd": "root:x:0:0::/:/bin/sh\n",
            "/etc/app/app.conf": "a = 1\n",
        },
    });
    let declared: ImageContents = serde_json::from_value(declared).unwrap();
    let parse = move |_: &str| Ok(declared.clone());
    let options = PackageImagesOptions::new(scratch.path().join("registry"));
    let options = options.store(scratch.path().join("store"));
    let images = PackageImages::open(packages, parse, options).unwrap();
    let image = make(&images, "web");
    let shown: Vec<String> = top(&image).values().map(Member::to_string).collect();
    for line in [
        r##"-0755 0:0 1 bin/serve "#!/bin/sh\nexit\n""##,
        r#"-0644 0:0 1 bin/x "mine""#,
        r#"-0644 0:0 1 etc/passwd "root:x:0:0::/:/bin/sh\n""#,
        r#"-0644 0:0 1 etc/app/app.conf "a = 1\n""#,
        "d0700 1000:1000 1 home/web/",
    ] {
        assert!(shown.iter().any(|shown| shown == line), "{line} is missing: {shown:#?}");
    }
    let config = &config(&image)["config"];
    assert_eq!(config["Cmd"], json!(["/usr/bin/serve", "--now"]));
    assert_eq!(config["Env"], json!(["HOME=/home/web", "PATH=/bin:/srv", "PORT=80"]));
}

#[test]
fn equal_contents_give_equal_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let [one, other] = ["one", "other"].map(|folder| packages.images(&scratch.path().join(folder)));
    assert_eq!(one.request("hello/shell", "latest"), other.request("shell/hello/shell", "latest"));
    let [image, again] = [make(&one, "hello/shell"), make(&other, "shell/hello/shell")];
    assert_eq!(image.digest(), again.digest());
    let as_root = make(&one, "as-root/hello/shell");
    assert_ne!(image.digest(), as_root.digest());
    assert_eq!(config(&as_root)["config"]["User"], "0:0");
    assert_eq!(config(&as_root)["config"]["WorkingDir"], "/root");
    // Only the files that name the user differ.
    let (layers, as_root) = (layers(&image), layers(&as_root));
    assert_eq!(layers[..layers.len() - 1], as_root[..as_root.len() - 1]);
}

#[test]
fn layering_is_configurable() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let options =
        |layering| PackageImagesOptions::new(scratch.path().join("registry")).layering(layering);
    let image = |layering| make(&packages.images_with(options(layering)), "hello/shell");
    let usual = image(Layering::default());
    assert_eq!(layers(&usual).len(), 4, "each path has a layer");
    assert_eq!(layers(&image(Layering::default().max_layers(2))).len(), 2);
    let none = image(Layering::default().compression(Compression::None));
    assert_ne!(none.digest(), usual.digest());
    let planned = Layering::default()
        .split("one", |graph, _| Ok(vec![graph.paths().map(ToOwned::to_owned).collect()]));
    assert_eq!(layers(&image(planned)).len(), 2);
    let plan = |joined: usize| {
        let groups = json!([{ "names": ["libc"] }, { "names": ["hello"], "joinedUpTo": joined }]);
        LayerPlan::from_value(json!({ "version": 1, "groups": groups })).unwrap()
    };
    let [apart, joined] = [0, 100].map(|joined| image(Layering::default().plan(plan(joined))));
    assert_ne!(apart.digest(), joined.digest(), "the plan is part of the key");
    // All of these are kept side by side.
    assert_eq!(image(Layering::default()).digest(), usual.digest());
}

#[test]
fn failures_are_those_of_the_source() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let images = packages.images(&scratch.path().join("registry"));
    let error = |name: &str, tag: &str| {
        let request = images.request(name, tag).unwrap();
        images.make(&request, &Stop::default()).unwrap_err()
    };
    assert_eq!(error("hello/absent", "latest").message, "there is no package absent");
    assert_eq!(error("hello", "other").kind, NamedImageErrorKind::TagUnknown);
    let stop = Stop::default();
    stop.set();
    let stopped = images.make(&images.request("hello", "latest").unwrap(), &stop).unwrap_err();
    assert_eq!(stopped.kind, NamedImageErrorKind::Stopped);
    // Nothing of it keeps store paths.
    assert_eq!(std::fs::read_dir(scratch.path().join("registry/roots")).unwrap().count(), 0);
    assert!(Arc::ptr_eq(&make(&images, "hello"), &make(&images, "hello")));
}
