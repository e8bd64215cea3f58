//! `tag`, `tags`, `config`, `manifest`, `digest` and `delete` on layouts and archives.

use std::fs;

use oci_layout::Digest;
use serde_json::Value;

use crate::cli::room::{Room, Run};

fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag 1.0 -o image --user 7");
    room
}

/// The names and digests in the index.
fn entries(room: &Room) -> Vec<(String, String)> {
    let index = room.json("image/index.json");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |entry: &Value| {
        let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
        (text(name), text(&entry["digest"]))
    };
    index["manifests"].as_array().unwrap().iter().map(entry).collect()
}

#[track_caller]
fn says(room: &Room, args: &str, out: &str, err: &str) {
    let run = room.run(args.split(' '));
    assert_eq!(run, Run { code: Some(0), out: out.to_owned(), err: err.to_owned() }, "{args}");
}

#[test]
fn an_image_gets_another_name() {
    let room = room();
    let [(_, digest)] = &*entries(&room) else { panic!() };
    says(&room, "tag image latest", &format!("{digest}\n"), "tagged image as latest\n");
    // Two names of one image are no ambiguity.
    says(&room, "tag image me/app:2", &format!("{digest}\n"), "tagged image as me/app:2\n");
    assert_eq!(room.ok("tags image"), "1.0\nlatest\n2\n");
    let named = |name: &str| (name.to_owned(), digest.clone());
    assert_eq!(entries(&room), [named("1.0"), named("latest"), named("2")]);
    assert_eq!(room.ok("verify image"), "");

    // A tag moves to another image.
    fs::write(room.path("app"), "other\n").unwrap();
    room.ok("build -f app:/bin/app --tag other -o second");
    room.did("append second -o image");
    assert_eq!(room.run(["tag", "image:other", "latest"]).code, Some(0));
    let (_, other) = entries(&room).into_iter().find(|(name, _)| name == "other").unwrap();
    assert_eq!(room.ok("digest image:latest"), format!("{other}\n"));
    room.fails(
        "tag image:other you/app:2",
        "images docker.io/me/app:2 and docker.io/you/app:2 have the same tag, and podman and \
         others find only one image by it: give the new one another tag, or remove the old one",
    );
}

#[test]
fn the_first_name_replaces_none() {
    let room = room();
    room.ok("build -f app:/bin/app -o nameless");
    fs::remove_dir_all(room.path("image")).unwrap();
    fs::rename(room.path("nameless"), room.path("image")).unwrap();
    room.run(["tag", "image", "1.0"]);
    assert_eq!(entries(&room).len(), 1);
    assert_eq!(room.ok("tags image"), "1.0\n");
}

#[test]
fn documents_are_printed_byte_for_byte() {
    let room = room();
    let [(_, digest)] = &*entries(&room) else { panic!() };
    room.ok("export image -o image.tar");
    for image in ["image", "image:1.0", "oci:image:1.0", "image.tar", "oci-archive:image.tar"] {
        assert_eq!(room.ok(&format!("digest {image}")), format!("{digest}\n"), "{image}");
        let manifest = room.ok(&format!("manifest {image}"));
        assert_eq!(Digest::of(&manifest).to_string(), *digest, "{image}");
        let config = room.ok(&format!("config {image}"));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(Digest::of(&config).to_string(), manifest["config"]["digest"], "{image}");
    }
}

#[test]
fn a_platform_selects_a_manifest() {
    let room = room();
    for platform in ["amd64", "arm64"] {
        room.ok(&format!("build -f app:/{platform} --platform linux/{platform} -o {platform}"));
    }
    room.ok("image-layout x=amd64 x=arm64 -o both");
    let digest = |args: &str| room.ok(&format!("digest {args}"));
    assert_eq!(digest("both --platform linux/arm64"), digest("arm64"));
    let index: Value = serde_json::from_str(&room.ok("manifest both")).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(room.ok("config both --platform linux/arm64"), room.ok("config arm64"));
    assert_eq!(room.ok("config both"), room.ok("config amd64"));
}

#[test]
fn delete_removes_a_tag_of_a_layout() {
    let room = room();
    room.run(["tag", "image", "2.0"]);
    says(
        &room,
        "delete image:2.0",
        "",
        "removed 2.0 from image; `oci-layout gc` removes blobs that no image uses\n",
    );
    assert_eq!(room.ok("tags image"), "1.0\n");
    room.fails(
        "delete image",
        "\"image\" needs a tag here: write LAYOUT:TAG; to remove the whole layout, remove its folder",
    );
    room.fails("delete image:2.0", "\"image\" has no image with the tag \"2.0\": it has 1.0");
}

#[cfg(feature = "registry")]
#[test]
fn registries_are_told_from_layouts() {
    let room = room();
    let fails = |args: &str, code: i32, part: &str| {
        let run = room.run(args.split(' '));
        assert!(run.code == Some(code) && run.err.contains(part), "{args}: {run:?}");
    };
    fails("tags docker://127.0.0.1:1/app", 1, "cannot connect to 127.0.0.1:1");
    fails("ls docker://127.0.0.1:1/app --plain-http", 1, "cannot connect to 127.0.0.1:1");
    fails("cp docker://127.0.0.1:1/app:/x y --tls-verify=false", 1, "cannot connect to");
    // A name with a host needs no transport, unless a folder has it.
    fails("digest 127.0.0.1:1/app:1.0", 1, "cannot connect to 127.0.0.1:1");
    fails("digest nothing:1.0", 1, "\"nothing\" does not exist");
    fails("delete docker://127.0.0.1:1/app", 1, "a tag or a digest is missing");
    fails("ls http://127.0.0.1:1/app", 2, "write docker://REGISTRY/PATH[:TAG], with --plain-http");
    fs::create_dir(room.path("a.b")).unwrap();
    fs::rename(room.path("image"), room.path("a.b/image")).unwrap();
    assert_eq!(room.ok("tags a.b/image"), "1.0\n");
}

#[test]
fn transports_are_understood_or_explained() {
    let room = room();
    let [(_, digest)] = &*entries(&room) else { panic!() };
    fs::write(room.path("app"), "other\n").unwrap();
    room.ok("build -f app:/bin/app --tag 2.0 -o second");
    room.did("append second -o image");
    room.ok("export image -o image.tar");
    for image in ["image:1.0", "oci:image:1.0", "oci-archive:image.tar:1.0"] {
        let shown = room.ok(&format!("inspect {image}"));
        assert!(shown.contains("1.0 ") && !shown.contains("2.0 "), "{shown}");
        let inspected: Value =
            serde_json::from_str(&room.ok(&format!("inspect --json {image}"))).unwrap();
        assert_eq!(inspected["images"].as_array().unwrap().len(), 1);
        assert_eq!(inspected["images"][0]["descriptor"]["digest"], **digest);
        assert_eq!(room.ok(&format!("verify {image}")), "");
        fs::remove_file(room.path("one.tar")).unwrap_or_default();
        room.ok(&format!("export {image} -o one.tar"));
        assert_eq!(room.ok("tags docker-archive:one.tar"), "1.0\n");
    }
    room.fails("inspect image:3", "\"image\" has no image with the tag \"3\": it has 1.0, 2.0");
    room.fails("verify image:3", "\"image\" has no image with the tag \"3\": it has 1.0, 2.0");
    for (command, part) in [
        ("verify docker://app", "oci-layout pull REF -o LAYOUT"),
        ("inspect docker-daemon:app", "docker save IMAGE -o FILE"),
        ("export containers-storage:app -o x", "podman push IMAGE oci:LAYOUT"),
    ] {
        let run = room.run(command.split(' '));
        assert!(run.code == Some(2) && run.err.contains(part), "{command}: {run:?}");
    }
}

#[test]
fn verify_of_one_image_leaves_the_others_out() {
    let room = room();
    fs::write(room.path("app"), "other\n").unwrap();
    room.ok("build -f app:/bin/app --tag 2.0 -o second");
    room.did("append second -o image");
    let (_, second) = &entries(&room)[1];
    fs::remove_file(room.path(format!("image/blobs/sha256/{}", &second["sha256:".len()..])))
        .unwrap();
    fs::write(room.path(format!("image/blobs/sha256/{}", "0".repeat(64))), "stray").unwrap();
    assert_eq!(room.ok("verify image:1.0"), "");
    for image in ["image", "image:2.0"] {
        let run = room.run(["verify", image]);
        assert!(run.code == Some(1) && run.out.contains("is missing"), "{image}: {run:?}");
    }
}

#[test]
fn paths_with_a_colon_that_exist_are_layouts() {
    let room = room();
    let digest = room.ok("digest image");
    fs::rename(room.path("image"), room.path("a:1")).unwrap();
    assert_eq!(room.ok("verify a:1"), "");
    assert!(room.ok("inspect a:1").contains("1.0"));
    for image in ["a:1", "oci:a:1", r"a\:1", r"a\:1:1.0"] {
        assert_eq!(room.ok(&format!("digest {image}")), digest, "{image}");
    }
}

#[cfg(feature = "registry")]
#[test]
fn schemes_in_names_are_removed_or_explained() {
    let room = room();
    let fails = |args: &str, code: i32, part: &str| {
        let run = room.run(args.split(' '));
        assert!(run.code == Some(code) && run.err.contains(part), "{args}: {run:?}");
    };
    fails("push image docker://127.0.0.1:1/app", 1, "cannot connect to 127.0.0.1:1");
    fails("pull docker://127.0.0.1:1/app -o x", 1, "cannot connect to 127.0.0.1:1");
    fails("push image http://127.0.0.1:1/app", 2, "write 127.0.0.1:1/app, with --plain-http");
    fails("push image https://ghcr.io/app", 2, "a name has no https://: write ghcr.io/app");
    fails("push docker://a/b docker://c/d", 2, "oci-layout copy");
    fails("serve image --listen here", 2, "8080, :8080, localhost:8080 or [::1]:8080");
}
