//! Layers above a base, and layers that were made without their base.

use std::{fs, process::Command};

use crate::cli::room::Room;

/// A base with a link and a sticky directory: the layout `base`, and its layer in the folder
/// `root`.
fn with_base() -> Room {
    let room = Room::new();
    let root = r#"{ "files": [
        { "text": "", "destination": "/usr/bin/sh" },
        { "symlink": "usr/bin", "destination": "/bin" },
        { "directory": true, "destination": "/tmp", "mode": "1777" }
    ] }"#;
    fs::write(room.path("root.json"), root).unwrap();
    room.ok("layer-tar --spec root.json -o root");
    room.ok("image-manifest --layer root -o root-image");
    room.ok("image-layout 1=root-image -o base");
    room
}

/// The mode and path of each entry of a layer, as GNU tar lists them.
fn entries(room: &Room, layer: &str) -> Vec<String> {
    let blob =
        fs::read_dir(room.path(layer).join("blobs/sha256")).unwrap().next().unwrap().unwrap();
    let listed = Command::new("tar").arg("-tvf").arg(blob.path()).output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {}", words[0], words[5..].join(" "))
    };
    listed.lines().map(line).collect()
}

#[test]
fn layers_are_made_above_a_base_and_above_layers() {
    let room = with_base();
    let expected = [
        "drwxrwxrwt tmp/",
        "-rwxr-xr-x tmp/app",
        "drwxr-xr-x usr/",
        "drwxr-xr-x usr/bin/",
        "-rwxr-xr-x usr/bin/app",
    ];
    room.ok("layer-tar -f app:/bin/ -f app:/tmp/app --base base:1 -o above-base");
    assert_eq!(entries(&room, "above-base"), expected);
    room.ok("layer-tar -f app:/bin/ -f app:/tmp/app --above root -o above-layer");
    assert_eq!(entries(&room, "above-layer"), expected);
    let built =
        |output: &str| room.ok(&format!("build -f app:/bin/ --base base --tag 1 -o {output}"));
    assert_eq!(built("one"), built("two"));
    assert_eq!(room.ok("verify one"), "");

    // Both use the cache that an option names. The second does not read the layers of the base.
    room.ok("layer-tar -f app:/bin/ --base base --cache cache -o first");
    let blob =
        fs::read_dir(room.path("root/blobs/sha256")).unwrap().next().unwrap().unwrap().file_name();
    assert!(room.path("cache/entries/sha256").join(&blob).is_file());
    fs::remove_file(room.path("base/blobs/sha256").join(&blob)).unwrap();
    room.ok("layer-tar -f app:/bin/ --base base --cache cache -o second");
    assert_eq!(entries(&room, "second"), entries(&room, "first"));
    let error = room.run("layer-tar -f app:/bin/ --base base --cache - -o third".split(' ')).err;
    assert!(error.contains("is missing from"), "{error}");
}

#[test]
fn a_layer_that_replaces_a_link_of_its_base_is_an_error() {
    let room = with_base();
    room.ok("layer-tar -f app:/bin/app -o alone");
    let error = "oci-layout: error: \"/bin\" is a directory in the layer and replaces a symbolic \
        link of the base to \"usr/bin\": make the layer above that base, or allow the replacement \
        (layer-tar --base, or --replace)\n";
    for command in
        ["image-manifest --layer alone --base base -o m", "image-manifest --layer root alone -o m"]
    {
        let run = room.run(command.split(' '));
        assert_eq!((run.code, &*run.err), (Some(1), error), "{command}");
        assert!(!room.path("m").exists());
    }
    room.ok("image-manifest --layer alone --base base --replace -o replaced");

    // A directory that is only reset is a warning, or an error with `--strict`.
    room.ok("layer-tar -f app:/tmp/app -o reset");
    let warning = "\"/tmp\" has mode 1777 and owner 0:0 in the base, and the layer resets them to \
        0755 and 0:0: make the layer above that base (layer-tar --base)";
    let run = room.run("image-manifest --layer reset --base base -o reset-image".split(' '));
    assert_eq!((run.code, run.err), (Some(0), format!("oci-layout: warning: {warning}\n")));
    let run = room.run("image-manifest --layer reset --base base --strict -o m".split(' '));
    assert_eq!(
        (run.code, run.err),
        (Some(1), format!("oci-layout: error: {warning} (strict: warnings are errors)\n"))
    );
    room.ok("image-manifest --layer reset --base base -q -o quiet");
}
