//! `squash`, `recompress` and `layer-diff`.

use std::{fs, process::Command};

use crate::cli::room::Room;

/// A layout `base`, and a layout `image` with a layer on top of it.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app -f app:/bin/other --env A=1 --tag base -o base");
    fs::write(room.path("app"), "new\n").unwrap();
    room.ok("build -f app:/bin/app --base base --tag v1 -o image");
    room
}

/// The files that a container of an image sees.
fn files(room: &Room, image: &str) -> String {
    room.ok(&format!("ls -l {image}")) + &room.ok(&format!("cat {image} /bin/app"))
}

#[test]
fn squash_merges_all_layers_or_those_above_a_base() {
    let room = room();
    for (args, layers) in [("", 1), (" --layers 2", 1), (" --layers 1", 2), (" --above base", 2)] {
        let digest = room.ok(&format!("squash image{args} --compression zstd --tag v2 -o new"));
        let (manifest, config) = room.image("new");
        assert_eq!(room.json("new/index.json")["manifests"][0]["digest"], digest.trim());
        assert_eq!(manifest["layers"].as_array().unwrap().len(), layers, "{args}");
        assert_eq!(config["config"]["Env"][0], "A=1");
        assert_eq!(files(&room, "new:v2"), files(&room, "image"), "{args}");
        fs::remove_dir_all(room.path("new")).unwrap();
    }
    for (args, sentence) in [
        ("squash image --layers 3 -o new", "cannot merge 3 of its 2 layers"),
        ("squash base --above image -o new", "image base was not built on image image: its layer "),
        ("layer-diff base absent -o new", "\"absent\" does not exist"),
    ] {
        let run = room.run(args.split(' '));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains(sentence), "{run:?}");
        assert!(!room.path("new").exists());
    }
}

#[test]
fn recompress_keeps_the_configuration() {
    let room = room();
    room.ok("recompress image --compression zstd:9 --tag v1 -o new");
    let ((old, _), (new, _)) = (room.image("image"), room.image("new"));
    assert_eq!(new["config"], old["config"]);
    let media_type = "application/vnd.oci.image.layer.v1.tar+zstd";
    assert!(new["layers"].as_array().unwrap().iter().all(|layer| layer["mediaType"] == media_type));
    assert_eq!(files(&room, "new"), files(&room, "image"));
    room.ok("verify new --strict");
    // Back again, byte for byte.
    room.ok("recompress new --compression gzip --tag v1 -o back");
    assert_eq!(room.image("back").0, old);
}

#[test]
fn layer_diff_compares_images_and_folders() {
    let room = room();
    room.ok("layer-diff base image -o layer");
    room.ok("image-config --base base --layer layer -o config");
    room.ok("image-manifest --base base --layer layer --config config -o manifest");
    room.ok("image-layout v1=manifest -o new");
    assert_eq!(files(&room, "new"), files(&room, "image"));
    // The same layer from folders.
    room.ok("unpack base -o old-root");
    room.ok("unpack image -o new-root");
    // Neither image has an entry for its root, whose time is that of unpacking.
    for root in ["old-root", "new-root"] {
        let root = fs::File::open(room.path(root)).unwrap();
        root.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    room.ok("layer-diff old-root new-root -o layer-of-folders");
    // An image has no entry for its root, and a folder has one.
    room.ok("layer-diff new-root base -o layer-back");
    if crate::common::is_root() {
        let digest =
            |dir: &str| room.json(format!("{dir}/media-descriptor.json"))["digest"].clone();
        assert_eq!(digest("layer-of-folders"), digest("layer"));
    }
}

#[test]
fn all_platforms_and_the_names_stay() {
    let room = Room::new();
    for platform in ["amd64", "arm64"] {
        let of = format!("--platform linux/{platform}");
        room.ok(&format!("build --text /a={platform} {of} -o base-{platform}"));
        room.ok(&format!("build --text /b={platform} --base base-{platform} {of} -o {platform}"));
    }
    room.ok("image-layout x=base-amd64 x=base-arm64 -o base");
    room.ok("image-layout ghcr.io/me/app:1.0=amd64 ghcr.io/me/app:1.0=arm64 -o image");
    let names = |layout: &str| {
        let index = room.json(format!("{layout}/index.json"));
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
        index["manifests"][0]["annotations"].clone()
    };
    assert_eq!(names("image")["org.opencontainers.image.ref.name"], "1.0");
    for args in ["squash image", "squash image --above base", "recompress image --compression zstd"]
    {
        room.ok(&format!("{args} -o new"));
        assert_eq!(names("new"), names("image"), "{args}");
        room.ok("verify new --strict");
        for platform in ["amd64", "arm64"] {
            let of = format!("--platform linux/{platform}");
            assert_eq!(
                room.ok(&format!("cat new:1.0 /a /b {of}")),
                format!("{platform}{platform}")
            );
        }
        // The new image is for one platform, and keeps the names too.
        room.ok(&format!("{args} --platform linux/arm64 -o new --force"));
        assert_eq!(names("new"), names("image"), "{args}");
        assert_eq!(room.ok("cat new:1.0 /a"), "arm64", "{args}");
        let run = room.run(["cat", "new:1.0", "/a", "--platform", "linux/amd64"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        // Other names replace them.
        let run = room.run(format!("{args} -t v2 -o new").split(' '));
        assert_eq!(run.code, Some(1), "{run:?}");
        room.ok(&format!("{args} -t v2 -o new --force"));
        let v2 = serde_json::json!({ "org.opencontainers.image.ref.name": "v2" });
        assert_eq!(names("new"), v2, "{args}");
        let run = room.run(format!("{args} --platform linux/riscv64 -o absent").split(' '));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains("linux/arm64"), "{run:?}");
        assert!(!room.path("absent").exists());
        fs::remove_dir_all(room.path("new")).unwrap();
    }
}

/// A program that replaces a layout waits for its readers, and must not be one of them.
#[test]
fn an_image_replaces_the_layout_that_it_comes_from() {
    let room = room();
    for args in [
        "squash image --above base -o image",
        "squash image --above base -o base",
        "squash image -o image",
        "recompress image --compression zstd -o image",
        "build --base image --env B=2 -o image",
        "build -f app --reuse image -o image",
        "build -f app --split --like image -o image",
        "mutate image --env B=3",
        "append image -o image",
    ] {
        let force = if ["mutate", "append"].iter().any(|name| args.starts_with(name)) {
            None
        } else {
            Some("--force")
        };
        let mut command = Command::new("timeout");
        command.args(["60", env!("CARGO_BIN_EXE_oci-layout")]).args(args.split(' ')).args(force);
        let run = command.current_dir(room.path("")).output().unwrap();
        assert_eq!(run.status.code(), Some(0), "{args}: {run:?}");
    }
}
