//! `inspect`: whole layouts, the size of one image, and pages.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::cli::room::Room;

/// A layout `image:v1` with three layers. The second has another `/bin/app` and two equal files,
/// the third removes one file of the first.
fn room() -> Room {
    let room = Room::new();
    fs::create_dir(room.path("low")).unwrap();
    for (name, size, mode) in [("kept", 5000, 0o4755), ("gone", 3000, 0o644)] {
        fs::write(room.path(format!("low/{name}")), name.repeat(size / 4)).unwrap();
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(room.path(format!("low/{name}")), mode).unwrap();
    }
    fs::write(room.path("script"), "#!/bin/absent\n").unwrap();
    fs::set_permissions(room.path("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let spec = json!({ "files": [{ "whiteout": true, "destination": "/data/gone" }] });
    fs::write(room.path("white.json"), spec.to_string()).unwrap();
    room.ok("build -f low:/data -f app:/bin/app --mode keep --entrypoint /bin/app -o one");
    let run = room.run(
        "build -q -f script:/bin/app -f low/gone:/a -f low/gone:/b --base one -o two".split(' '),
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    room.ok("build -q --spec white.json --base two --tag v1 -o image");
    room
}

#[test]
fn size_explains_an_image() {
    let room = room();
    let said = room.ok("inspect --size image:v1");
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("image:v1  linux/amd64  sha256:"), "{said}");
    let from = lines.iter().position(|line| line.contains("a container sees")).unwrap();
    assert_eq!(
        lines[from..].join("\n"),
        "\
├─ a container sees 11.01 kB in 4 files
├─ largest files
│  ├─ /data/kept  5.00 kB, layer 1
│  ├─ /data/gone  3.00 kB, layer 1, deleted by layer 3
│  ├─ /a  3.00 kB, layer 2
│  ├─ /b  3.00 kB, layer 2
│  ├─ /bin/app  19 B, layer 1, overwritten by layer 2
│  └─ /bin/app  14 B, layer 2
├─ waste  6.02 kB
│  ├─ overwritten  19 B in 1 file
│  │  └─ /bin/app  19 B, layer 1, overwritten by layer 2
│  ├─ deleted  3.00 kB in 1 file
│  │  └─ /data/gone  3.00 kB, layer 1, deleted by layer 3
│  └─ duplicated  3.00 kB in 1 file
│     └─ 2 × 3.00 kB  /a, /b
├─ setuid and setgid
│  └─ 4755  /data/kept
└─ warnings
   └─ the interpreter \"/bin/absent\" of the script \"/bin/app\" is not in the image (number of \
         such scripts: 1): add it, or choose a base image that has it"
    );
    let few = room.ok("inspect --size --files 1 image");
    assert!(few.contains("│  ├─ /data/kept  5.00 kB, layer 1\n│  └─ 5 more\n"), "{few}");
    let json: Value = serde_json::from_str(&room.ok("inspect --size --json image")).unwrap();
    assert_eq!(json["deleted"], json!({ "files": 1, "size": 3000 }));
    assert_eq!(json["duplicates"], json!([{ "size": 3000, "paths": ["/a", "/b"] }]));
    assert_eq!(json["files"].as_array().unwrap().len(), 6);
    let gone = &json["files"][1];
    assert_eq!(
        (&gone["path"], &gone["state"], &gone["by"], &gone["mode"]),
        (&"/data/gone".into(), &"deleted".into(), &2.into(), &"0644".into())
    );
    assert_eq!(json["configuration"]["config"]["Entrypoint"], json!(["/bin/app"]));
}

#[test]
fn an_image_with_several_names_is_shown_once() {
    let room = Room::new();
    room.ok("build -f app:/app --tag v1 --tag latest -o image");
    room.ok("build -f assets --tag other -o other");
    room.did("append other -o image");
    let said = room.ok("inspect image");
    let images: Vec<_> = said.lines().filter(|line| line.contains("linux/amd64")).collect();
    assert_eq!(images.len(), 2, "{said}");
    assert!(images[0].starts_with("├─ v1, latest  linux/amd64"), "{said}");
    let json: Value = serde_json::from_str(&room.ok("inspect --json image")).unwrap();
    assert_eq!(json["images"].as_array().unwrap().len(), 3);
    // One of them by its name, by its digest, and in an archive.
    let digest = json["images"][0]["descriptor"]["digest"].as_str().unwrap();
    room.ok("export image -o image.tar");
    for name in ["image:latest", &format!("image@{digest}"), "oci-archive:image.tar:v1"] {
        let said = room.ok(&format!("inspect {name}"));
        assert_eq!(said.matches("linux/amd64").count(), 1, "{name}: {said}");
    }
    room.fails(
        "inspect image:absent",
        "\"image\" has no image with the tag \"absent\": it has v1, latest, other",
    );
}

#[test]
fn an_empty_layout_has_no_images() {
    let room = Room::new();
    room.ok("build -f app:/app --tag v1 -o image");
    assert_eq!(room.run(["delete", "image:v1"]).code, Some(0));
    assert_eq!(room.ok("inspect image"), "image\n└─ no images\n");
}

#[test]
fn a_damaged_layer_is_a_failure() {
    let room = Room::new();
    room.ok("build -f app:/app -o image");
    let (manifest, _) = room.image("image");
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    let blob = room.path("image/blobs").join(digest.replace(':', "/"));
    let bytes = fs::read(&blob).unwrap();
    fs::write(&blob, vec![b'x'; bytes.len()]).unwrap();
    for args in ["inspect image", "inspect --json image"] {
        let run = room.run(args.split(' '));
        assert_eq!((run.code, &*run.err), (Some(1), ""), "{args}");
        assert!(run.out.contains("linux") && run.out.contains(digest), "{}", run.out);
    }
    let run = room.run("inspect --size --html page.html image".split(' '));
    assert_eq!((run.code, &*run.out), (Some(1), ""));
    assert!(run.err.contains(digest), "{}", run.err);
    assert!(!room.path("page.html").exists());
}

#[test]
fn a_page_replaces_a_file_only_when_it_is_complete() {
    let room = room();
    fs::write(room.path("page.html"), "before").unwrap();
    room.fails("inspect --html page.html none", {
        "\"none\" does not exist: give the folder of an image layout, or an archive of images; for \
         an image in a registry, write docker://none"
    });
    assert_eq!(fs::read(room.path("page.html")).unwrap(), b"before");
    let run = room.run(["inspect", "--html", "page.html", "image"]);
    assert_eq!((run.code, &*run.out, &*run.err), (Some(0), "", "wrote page.html\n"));
    let page = fs::read_to_string(room.path("page.html")).unwrap();
    assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["files"][1], json!(["/data/gone", 3000, 0, "d", 2]));
    room.fails(
        "inspect --html assets image",
        "\"assets\" is a folder: choose another name for the output",
    );
}

/// As when `build` checks the image that it makes. A cache of the loader may refer to any folder,
/// but not to a file that the image lacks.
#[test]
fn size_finds_missing_libraries() {
    let room = Room::new();
    fs::copy("/bin/sh", room.path("sh")).unwrap();
    let libraries = |args: &str| {
        let args = format!("build -q -f sh:/bin/sh --entrypoint /bin/sh -o image --force {args}");
        let run = room.run(args.trim_end().split(' '));
        assert_eq!(run.code, Some(0), "{}", run.err);
        room.ok("inspect --size image").matches("is not in the image").count()
    };
    let missing = libraries("");
    assert!(missing > 0);
    assert_eq!(libraries("--text /etc/ld.so.cache=x"), missing);
    assert_eq!(libraries("--with-libraries"), 0);
}

/// Without `--size`, the layers are not fetched.
#[cfg(feature = "registry")]
#[test]
fn an_image_in_a_registry_is_shown() {
    use std::{
        io::{BufRead, BufReader},
        process::Stdio,
    };

    let room = room();
    let mut serving = room
        .command(["serve", "image"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let name = format!("{}/image:v1", address.trim().strip_prefix("http://").unwrap());
    let size = room.run(["inspect", "--size", &format!("docker://{name}")]);
    let (manifest, _) = room.image("image");
    let layer = manifest["layers"][1]["digest"].as_str().unwrap();
    fs::remove_file(room.path("image/blobs").join(layer.replace(':', "/"))).unwrap();
    let plain = room.run(["inspect", &format!("docker://{name}")]);
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!((size.code, &*size.err, plain.code, &*plain.err), (Some(0), "", Some(0), ""));
    assert!(size.out.contains("├─ waste  6.02 kB\n"), "{}", size.out);
    assert!(plain.out.contains("layer 3") && !plain.out.contains("unpacked"), "{}", plain.out);
}
