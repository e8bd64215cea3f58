//! zstd:chunked in the program: each way to an image writes the same layer with its annotations.

use std::fs;

use serde_json::Value;

use crate::cli::room::Room;

/// The descriptor of the only layer of the image in a layout.
fn layer(room: &Room, layout: &str) -> Value {
    let manifest: Value = serde_json::from_str(&room.ok(&format!("manifest {layout}"))).unwrap();
    manifest["layers"][0].clone()
}

#[test]
fn every_way_to_an_image_keeps_the_table_of_contents() {
    let room = Room::new();
    let files = "-f app:/bin/app -f assets:/srv --compression zstd:chunked";
    room.ok(&format!("build {files} --tag 1 -o built"));
    let built = layer(&room, "built");
    assert_eq!(built["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    let annotations = built["annotations"].as_object().unwrap();
    let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
    let prefix = "io.github.containers.zstd-chunked.";
    assert_eq!(
        keys,
        ["manifest-checksum", "manifest-position", "tarsplit-position"]
            .map(|key| format!("{prefix}{key}"))
    );

    room.ok(&format!("build {files} --tag 1 --sparse -o sparse"));
    for (lazy, name) in [("", "step"), (" --lazy", "lazy")] {
        room.ok(&format!("layer-tar {files}{lazy} -o {name}"));
        let described = fs::read(room.path(format!("{name}/media-descriptor.json"))).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&described).unwrap(), built);
        room.ok(&format!("image-config --layer {name} -o {name}-config"));
        room.ok(&format!(
            "image-manifest --layer {name} --config {name}-config -o {name}-manifest"
        ));
        room.ok(&format!("image-layout 1={name}-manifest -o {name}-image"));
        room.ok(&format!("image-layout 1={name}-manifest --sparse -o {name}-sparse"));
    }
    room.ok("build -f app:/bin/app -f assets:/srv --tag 1 -o gzip");
    room.ok("recompress gzip --compression zstd:chunked -o recompressed");
    room.did("mutate built --env A=b -o mutated");
    for layout in [
        "sparse",
        "step-image",
        "step-sparse",
        "lazy-image",
        "lazy-sparse",
        "recompressed",
        "mutated",
    ] {
        assert_eq!(layer(&room, layout), built, "{layout}");
        assert_eq!(room.ok(&format!("verify {layout} --deep")), "", "{layout}");
    }
    assert_eq!(room.run(["fill", "lazy-sparse"]).code, Some(0));
    assert_eq!(room.ok("verify lazy-sparse"), "");

    // Others read it as any other layer.
    assert_eq!(room.ok("cat built /srv/index.html"), "<h1>app</h1>\n");
    assert_eq!(room.ok("ls built /srv"), room.ok("ls gzip /srv"));
    assert_eq!(room.run(["unpack", "built", "-o", "out"]).code, Some(0));
    assert_eq!(fs::read(room.path("out/bin/app")).unwrap(), fs::read(room.path("app")).unwrap());
    room.ok("recompress built --compression gzip -o back");
    assert_eq!(layer(&room, "back"), layer(&room, "gzip"));
    room.ok("squash built --compression zstd:chunked:9 --layers 1 -o squashed");
    assert_eq!(layer(&room, "squashed")["annotations"].as_object().unwrap().len(), 3);
    assert_eq!(room.ok("verify squashed"), "");
}

/// The blocks of an earlier layer are used again, and change nothing.
#[test]
fn earlier_layers_and_the_cache_give_the_same_bytes() {
    let room = Room::new();
    let large: String = (0..60_000).map(|number| format!("line {number}\n")).collect();
    for (name, text) in [("one", &large), ("two", &large.replace("line 1", "word 1"))] {
        fs::write(room.path(format!("assets/{name}")), text).unwrap();
    }
    let build = |args: &str, out: &str| {
        let files = "-f app:/app -f assets:/srv --compression zstd:chunked --tag 1";
        let run = room.run(format!("build {files}{args} -o {out}").split(' '));
        assert_eq!(run.code, Some(0), "{run:?}");
        layer(&room, out)
    };
    build("", "before");
    fs::write(room.path("assets/two"), large.replace("line 5", "word 5")).unwrap();
    let plain = build("", "plain");
    assert_eq!(build(" --reuse before", "reused"), plain);
    assert_eq!(build(" --cache cache", "filled"), plain);
    assert_eq!(build(" --cache cache", "cached"), plain);
    assert_eq!(room.ok("verify cached"), "");
}

#[test]
fn a_layer_without_a_table_is_a_warning() {
    let room = Room::new();
    let args = "build -f app:/bin/app --mtime -99999999999 --compression zstd:chunked -o image";
    let run = room.run(args.split(' '));
    let warning = "oci-layout: warning: the layer has no table of contents, so that podman fetches \
                   it as a whole: \"bin/app\" has a time outside of the years 0 to 9999\n";
    assert_eq!((run.code, &*run.err), (Some(0), warning));
    assert_eq!(layer(&room, "image")["annotations"], Value::Null);
    let strict = room.run(format!("{args}2 --strict").split(' '));
    assert_eq!(strict.code, Some(1), "{strict:?}");
    assert!(!room.path("image2").exists());
}
