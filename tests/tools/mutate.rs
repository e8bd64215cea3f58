//! Changed images, as other programs see them, and the same changes by crane.

use std::path::Path;

use oci_layout::{ConfigOptions, ImageLayout, MutateOptions, Pool, image_layout, mutate};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    hello::hello,
    tool::{Containers, Registry, crane, skopeo, umoci},
};

/// A layout `name` with a runnable image that prints this text, under the tag 1.0.
fn layout(dir: &Path, name: &str, text: &str) -> ImageLayout {
    let path = dir.join(name);
    let image = hello(&path, text, "linux/amd64").tagged("1.0");
    image_layout(&path, [image], json!({})).unwrap()
}

fn change(layout: &mut ImageLayout, options: &MutateOptions) {
    let image = layout.whole_image(Some("1.0")).unwrap();
    layout.replace(Some("1.0"), mutate(&image, options).unwrap(), &Pool::new(1)).unwrap();
}

/// What crane says of the configuration and the layers of an image in a registry.
fn described(image: &str) -> (Value, Vec<Value>) {
    let json = |kind| serde_json::from_str::<Value>(&crane([kind, "--insecure", image])).unwrap();
    let layers = json("manifest")["layers"].as_array().unwrap().clone();
    (json("config"), layers.iter().map(|layer| layer["digest"].clone()).collect())
}

fn push(layout: &Path, image: &str) {
    crane(["push", "--insecure", layout.to_str().unwrap(), image]);
}

#[test]
fn changed_images_run_and_are_sound() {
    let dir = TempDir::new().unwrap();
    let mut image = layout(dir.path(), "image", "before");
    let config = ConfigOptions::default().env("A", "1").label("b", "2").user("7:8");
    change(&mut image, &MutateOptions::new(config));
    let path = image.path().to_str().unwrap().to_owned();
    let inspected: Value =
        serde_json::from_str(&skopeo(["inspect", "--config", &format!("oci:{path}:1.0")])).unwrap();
    assert_eq!(inspected["config"]["User"], "7:8");
    assert_eq!(inspected["config"]["Labels"], json!({ "b": "2" }));
    umoci(["config", "--image", &format!("{path}:1.0"), "--config.user", "9"]);
    let containers = Containers::new(dir.path());
    assert_eq!(containers.podman(["run", "--rm", "--quiet", "oci:image:1.0"]), "before");
}

#[test]
fn crane_makes_the_same_changes() {
    let (dir, registry) = (TempDir::new().unwrap(), Registry::start());
    let mut image = layout(dir.path(), "image", "text");
    let [before, after] = ["before", "after"].map(|tag| format!("{}/app:{tag}", registry.address));
    push(image.path(), &before);
    crane([
        "mutate",
        "--insecure",
        &before,
        "--tag",
        &after,
        "--env",
        "A=1",
        "--label",
        "b=2",
        "--user",
        "7",
        "--workdir",
        "/srv",
        "--exposed-ports",
        "80/tcp",
        "--entrypoint",
        "/bin/hello",
        "--annotation",
        "c=3",
        "--set-platform",
        "linux/arm64",
    ]);
    let theirs = described(&after);
    let config = ConfigOptions::default()
        .env("A", "1")
        .label("b", "2")
        .user("7")
        .working_dir("/srv")
        .expose("80")
        .entrypoint(["/bin/hello"])
        .platform("linux/arm64".parse().unwrap());
    let options = MutateOptions::new(config).manifest(json!({ "annotations": { "c": "3" } }));
    change(&mut image, &options);
    push(image.path(), &before);
    assert_eq!(described(&before), theirs);
}

#[test]
fn crane_rebases_the_same_way() {
    let (dir, registry) = (TempDir::new().unwrap(), Registry::start());
    let name = |tag: &str| format!("{}/app:{tag}", registry.address);
    let [old, new] = ["old", "new"].map(|name| layout(dir.path(), name, name));
    let base = |layout: &ImageLayout| layout.whole_image(None).unwrap();
    // An image above the old base, with the layer of another.
    let mut image = layout(dir.path(), "image", "old");
    let above = layout(dir.path(), "above", "above").image(None, None).unwrap();
    change(&mut image, &MutateOptions::default().append(above.layers()[0].clone()));
    for (layout, tag) in [(&old, "old"), (&new, "new"), (&image, "image")] {
        push(layout.path(), &name(tag));
    }
    crane([
        "rebase",
        "--insecure",
        &name("image"),
        "--old_base",
        &name("old"),
        "--new_base",
        &name("new"),
        "--tag",
        &name("theirs"),
    ]);
    change(&mut image, &MutateOptions::default().rebase(base(&old), base(&new)));
    push(image.path(), &name("ours"));
    let (ours, theirs) = (described(&name("ours")), described(&name("theirs")));
    assert_eq!(ours.1, theirs.1);
    assert_eq!(ours.0["rootfs"], theirs.0["rootfs"]);
    assert_eq!(ours.0["history"], theirs.0["history"]);
    assert_eq!(ours.0["config"], theirs.0["config"]);
}
