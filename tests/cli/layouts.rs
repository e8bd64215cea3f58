//! Commands for existing layouts: `append`, `delete`, `gc`, `verify`, `inspect`.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::cli::room::{Room, Run};

/// A layout `image` with an image `latest`, and the folders `one` and `two` of two further layers.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag latest -o image");
    for (name, source) in [("one", "app"), ("two", "assets")] {
        room.ok(&format!("layer-tar -f {source}:/{name} -o layer-{name}"));
        room.ok(&format!("image-manifest --layer layer-{name} -o {name}"));
    }
    room
}

fn tags(room: &Room) -> Vec<String> {
    let index = room.json("image/index.json");
    let tag = |image: &Value| {
        image["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned()
    };
    index["manifests"].as_array().unwrap().iter().map(tag).collect()
}

#[test]
fn append_adds_and_replaces() {
    let room = room();
    let run = room.run("append 1=one 2=two -o image".split(' '));
    let out = room.ok("image-layout 1=one 2=two -o all");
    let err = "added 1, 2 to image\n".to_owned();
    assert_eq!(run, Run { code: Some(0), out, err });
    assert_eq!(tags(&room), ["latest", "1", "2"]);
    let old = room.ok("digest image:1");
    let run = room.run("append 1=two -o image".split(' '));
    assert_eq!(run.err, format!("added 1 to image\n1 was {old}"));
    assert_eq!(tags(&room), ["latest", "2", "1"]);
    // The same image again.
    assert_eq!(room.run("append 1=two -o image".split(' ')).err, "added 1 to image\n");
    let index = room.json("image/index.json");
    assert_eq!(index["manifests"][1]["digest"], index["manifests"][2]["digest"]);
}

#[test]
fn a_layout_is_copied_completely_or_one_image_under_another_tag() {
    let room = room();
    room.did("append 1=one -o image");
    room.ok("build -f app:/app --platform linux/arm64 --tag 2 -o arm");
    room.ok("image-layout image arm -o all");
    let names = |room: &Room, layout: &str| -> Vec<_> {
        let index = room.json(format!("{layout}/index.json"));
        let tag = |image: &Value| image["annotations"]["org.opencontainers.image.ref.name"].clone();
        index["manifests"].as_array().unwrap().iter().map(tag).collect()
    };
    assert_eq!(names(&room, "all"), ["latest", "1", "2"]);
    // Two layouts, each for one platform, under one tag.
    room.ok("build -f app:/app --tag other -o amd");
    room.ok("image-layout x=amd x=arm -o both");
    assert_eq!(names(&room, "both"), ["x"]);
    let index = room.json("both/index.json");
    assert_eq!(index["manifests"][0]["mediaType"], "application/vnd.oci.image.index.v1+json");
    room.ok("verify both");
    let refused = room.run(["append", "y=image", "-o", "both"]);
    let err = "oci-layout: error: \"image\" has 2 images, but y can name only one: write \
        y=LAYOUT:TAG to choose it, or no name to add all of them unchanged\n";
    assert_eq!(refused, Run { code: Some(1), out: String::new(), err: err.to_owned() });
    room.did("append y=image:1 -o both");
    assert_eq!(room.ok("digest both:y"), room.ok("digest image:1"));
    room.did("append oci:image:latest -o both");
    assert_eq!(names(&room, "both"), ["x", "y", "latest"]);
    room.ok("verify both");
}

#[test]
fn an_empty_layout_can_be_appended_to() {
    let room = room();
    assert_eq!(room.ok("image-layout -o empty"), "");
    room.did("append x=one -o empty");
    assert_eq!(room.json("empty/index.json")["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn remove_and_gc_print_what_they_removed() {
    let room = room();
    room.did("append 1=one -o image");
    let before = room.files("image").len();
    let removed = room.run(["delete", "image:latest"]);
    let err = "removed latest from image; `oci-layout gc` removes blobs that no image \
        uses\n";
    assert_eq!(removed, Run { code: Some(0), out: String::new(), err: err.to_owned() });
    assert_eq!(tags(&room), ["1"]);
    assert_eq!(room.files("image").len(), before);

    fs::write(room.path("image/blobs/sha256/.oci-layout-killed"), "half").unwrap();
    let collected = room.run(["gc", "image"]);
    assert_eq!((collected.code, &*collected.out), (Some(0), ""));
    let lines: Vec<_> = collected.err.lines().collect();
    // Layer, configuration and manifest of the image, and the leftover of the killed writer.
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(
        lines[..4].iter().all(|line| line.starts_with("removed image/blobs/sha256/")),
        "{lines:?}"
    );
    assert!(lines[4].starts_with("4 files, "), "{lines:?}");
    assert_eq!(room.files("image").len(), before - 3);
    assert_eq!(room.run(["gc", "image"]).err, "0 files, 0 B\n");
}

#[test]
fn verify_prints_findings_and_sets_the_exit_code() {
    let room = room();
    assert_eq!(room.ok("verify image"), "");
    assert_eq!(room.ok("verify --json image"), "[]\n");

    let (manifest, _) = room.image("image");
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    fs::remove_file(room.path("image/blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
    fs::write(room.path("image/oci-layout"), "{}").unwrap();
    let found = room.run(["verify", "image"]);
    assert_eq!((found.code, &*found.err), (Some(1), ""));
    let lines: Vec<_> = found.out.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("oci-layout") && lines[1].contains(digest), "{lines:?}");

    let json = room.run(["verify", "--json", "image"]);
    assert_eq!((json.code, &*json.err), (Some(1), ""));
    let findings: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    assert_eq!(findings.len(), 2);
    assert_eq!(
        (&findings[1]["digest"], &findings[1]["defect"]),
        (&digest.into(), &"blob-missing".into())
    );
}

#[test]
fn inspect_shows_a_tree() {
    let room = room();
    let digest = |value: &Value| value.as_str().unwrap()[.."sha256:".len() + 12].to_owned();
    let (manifest, _) = room.image("image");
    let tree = format!(
        "\
image
└─ latest  linux/amd64  {size} B  {image}
   ├─ configuration  {config}
   │  ├─ created 1970-01-01T00:00:01Z
   │  └─ Entrypoint [\"/bin/app\"]
   └─ layer 1  tar+gzip  {size} B  {layer}
      ├─ oci-layout layer-tar /bin/app
      └─ 2 entries, 19 B unpacked
         └─ /bin/app  19 B
",
        size = manifest["layers"][0]["size"],
        image = digest(&room.json("image/index.json")["manifests"][0]["digest"]),
        config = digest(&manifest["config"]["digest"]),
        layer = digest(&manifest["layers"][0]["digest"]),
    );
    assert_eq!(room.ok("inspect image"), tree);
}

#[test]
fn inspect_prints_the_same_as_json() {
    let room = room();
    room.ok("image-manifest --layer layer-one --platform linux/arm64 -o arm");
    room.ok("image-layout both=one both=arm -o platforms");
    let json: Value = serde_json::from_str(&room.ok("inspect --json platforms")).unwrap();
    let both = &json["images"][0];
    assert_eq!((&both["kind"], both["images"].as_array().unwrap().len()), (&"index".into(), 2));
    let arm = &both["images"][1];
    assert_eq!(
        (&arm["kind"], &arm["configuration"]["architecture"]),
        (&"image".into(), &"arm64".into())
    );
    let layer = &json["layers"][arm["manifest"]["layers"][0]["digest"].as_str().unwrap()];
    assert_eq!((&layer["entries"], &layer["largest"][0]["path"]), (&1.into(), &"/one".into()));
}

#[test]
fn inspect_reads_every_compression_and_reports_unreadable_layers() {
    let room = Room::new();
    for compression in ["gzip", "zstd", "none"] {
        room.ok(&format!("build -f app -f assets --compression {compression} -o {compression}"));
        assert!(room.ok(&format!("inspect {compression}")).contains("3 entries, 32 B unpacked"));
    }
    let (manifest, _) = room.image("zstd");
    let hex = manifest["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap()
        .to_owned();
    fs::remove_file(room.path("zstd/blobs/sha256").join(&hex)).unwrap();
    let run = room.run(["inspect", "zstd"]);
    assert_eq!((run.code, &*run.err), (Some(1), ""));
    let said = run.out;
    assert!(
        said.contains(&format!("cannot be read: blob sha256:{hex} is missing from \"zstd\"")),
        "{said}"
    );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let room = room();
    for args in [&["inspect", "image"][..], &["build", "-f", "app", "-o", "unread"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = room
            .command(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output();
        let output = output.unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{args:?}");
    }
    assert!(room.path("unread/index.json").is_file());
}
