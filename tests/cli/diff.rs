//! `diff`.

use std::fs;

use serde_json::Value;

use crate::cli::room::Room;

#[test]
fn diff_prints_what_differs_and_exits_as_diff_does() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag v1 -o old");
    fs::write(room.path("app"), "new").unwrap();
    room.ok("build -f app:/bin/app --env A=1 --tag v1 -o new");
    let run = room.run(["diff", "old", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines.len(), 3, "{run:?}");
    assert_eq!(lines[0], r#"configuration config.Env: none -> ["A=1"]"#);
    assert!(lines[1].starts_with("layer 1: sha256:"), "{run:?}");
    assert_eq!(lines[2], "changed /bin/app: size 19 -> 3, contents");
    let run = room.run(["diff", "--json", "old", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["files"][0]["path"], "/bin/app");
    assert_eq!(found["files"][0]["change"], "changed");
    assert_eq!(found["files"][0]["fields"][0]["field"], "size");
    assert_eq!(found["layers"][0]["new"]["number"], 0);
    let run = room.run(["diff", "old", "old:v1"]);
    assert_eq!((run.code, &*run.out), (Some(0), ""), "{run:?}");
    let run = room.run(["diff", "old", "absent"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.starts_with("oci-layout: error: \"absent\" does not exist"), "{run:?}");
}

#[test]
fn a_file_of_the_base_is_changed_and_ports_are_shown() {
    let room = Room::new();
    room.ok("build --text /etc/os-release=debian --text /etc/other=1 -o base");
    room.ok("build --base base --text /etc/os-release=X --expose 80 --volume /data -o new");
    let run = room.run(["diff", "base", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let is_file = |line: &&str| !line.starts_with("configuration ") && !line.starts_with("layer ");
    let files: Vec<_> = run.out.lines().filter(is_file).collect();
    assert_eq!(files, ["changed /etc/os-release: size 6 -> 1, contents"]);
    for line in [
        "configuration config.ExposedPorts.80/tcp: none -> {}",
        "configuration config.Volumes./data: none -> {}",
    ] {
        assert!(run.out.lines().any(|found| found == line), "{run:?}");
    }
}

#[test]
fn all_platforms_are_compared() {
    let room = Room::new();
    for (image, text) in [("old", "1"), ("new", "2")] {
        room.ok(&format!("build --text /a=1 --platform linux/amd64 -o {image}-amd64"));
        room.ok(&format!("build --text /a={text} --platform linux/arm64 -o {image}-arm64"));
    }
    room.ok("build --text /a=1 --platform linux/arm/v7 -o new-arm");
    room.ok("image-layout x=old-amd64 x=old-arm64 -o old");
    room.ok("image-layout x=new-amd64 x=new-arm64 x=new-arm -o new");
    let run = room.run(["diff", "old", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines.len(), 4, "{run:?}");
    assert_eq!(lines[0], "platform linux/arm64:");
    assert!(lines[1].starts_with("layer 1: "), "{run:?}");
    assert_eq!(lines[2..], ["changed /a: contents", "added platform linux/arm/v7"]);
    let run = room.run(["diff", "--json", "new", "old"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let found: Value = serde_json::from_str(&run.out).unwrap();
    let found = found["platforms"].as_array().unwrap();
    assert_eq!(found.len(), 2, "{run:?}");
    assert_eq!(found[0]["platform"], "linux/arm64");
    assert_eq!(found[0]["diff"]["files"][0]["path"], "/a");
    assert_eq!(found[1], serde_json::json!({ "platform": "linux/arm/v7", "change": "removed" }));
    // One platform of both.
    let run = room.run(["diff", "old", "new", "--platform", "linux/amd64"]);
    assert_eq!((run.code, &*run.out), (Some(0), ""), "{run:?}");
    let run = room.run(["diff", "old", "new", "--platform", "linux/arm64"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.ends_with("changed /a: contents\n"), "{run:?}");
    let run = room.run(["diff", "old", "new", "--platform", "linux/arm/v7"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let run = room.run(["diff", "old", "old"]);
    assert_eq!((run.code, &*run.out), (Some(0), ""), "{run:?}");
    // One image has one platform.
    let run = room.run(["diff", "old-amd64", "old"]);
    assert_eq!((run.code, &*run.out), (Some(1), "added platform linux/arm64\n"), "{run:?}");
}

/// Changes the index of the image in a layout, and the layout's entry for it.
fn change_index(room: &Room, layout: &str, change: impl Fn(&mut Value)) {
    let mut entries = room.json(format!("{layout}/index.json"));
    let mut index = room.blob(layout, &entries["manifests"][0]["digest"]);
    change(&mut index);
    let bytes = index.to_string();
    let digest = oci_layout::Digest::of(&bytes);
    fs::write(room.path(format!("{layout}/blobs/sha256/{}", digest.hex())), &bytes).unwrap();
    entries["manifests"][0]["digest"] = digest.to_string().into();
    entries["manifests"][0]["size"] = bytes.len().into();
    fs::write(room.path(format!("{layout}/index.json")), entries.to_string()).unwrap();
}

#[test]
fn indexes_are_compared() {
    let room = Room::new();
    for platform in ["amd64", "arm64"] {
        room.ok(&format!("build --text /a=1 --platform linux/{platform} -o {platform}"));
    }
    room.ok("image-layout x=amd64 x=arm64 -o old");
    type Change = (fn(&mut Value), &'static [&'static str]);
    let changes: [Change; 6] = [
        (|index| index["annotations"]["a"] = "1".into(), &["index annotations.a: none -> \"1\""]),
        (
            |index| index["manifests"][1]["annotations"]["b"] = "2".into(),
            &["index manifests[1].annotations.b: none -> \"2\""],
        ),
        (
            |index| index["manifests"].as_array_mut().unwrap().reverse(),
            &[
                "index manifests: [\"linux/amd64\",\"linux/arm64\"] -> [\"linux/arm64\",\"linux/amd64\"]",
            ],
        ),
        (
            |index| index["manifests"][1]["platform"]["variant"] = "v8".into(),
            &["index manifests[1].platform.variant: none -> \"v8\""],
        ),
        (
            |index| drop(index["manifests"].as_array_mut().unwrap().pop()),
            &["removed platform linux/arm64"],
        ),
        (
            |index| {
                let artifact = serde_json::json!({ "mediaType": "text/plain", "size": 1,
                    "digest": oci_layout::Digest::of("x").to_string() });
                index["manifests"].as_array_mut().unwrap().push(artifact);
            },
            &["index manifests[2]: none -> {\"digest\":\"sha256:2d711642b726b04401627ca9fbac\
               32f5c8530fb1903cc4db02258717921a4881\",\"mediaType\":\"text/plain\",\"size\":1}"],
        ),
    ];
    for (change, lines) in changes {
        let _ = fs::remove_dir_all(room.path("new"));
        room.ok("image-layout old -o new");
        change_index(&room, "new", change);
        let run = room.run(["diff", "old", "new"]);
        assert_eq!((run.code, run.out.lines().collect::<Vec<_>>()), (Some(1), lines.to_vec()));
        let run = room.run(["diff", "--json", "old", "new"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        let found: Value = serde_json::from_str(&run.out).unwrap();
        let count = lines.iter().filter(|line| line.starts_with("index ")).count();
        assert_eq!(found["index"].as_array().unwrap().len(), count, "{run:?}");
        // One platform is compared without the index.
        let run = room.run(["diff", "old", "new", "--platform", "linux/amd64"]);
        assert_eq!((run.code, &*run.out), (Some(0), ""), "{run:?}");
    }
    // Only white space differs.
    room.ok("image-layout old -o spaced");
    let mut entries = room.json("spaced/index.json");
    let index = room.blob("spaced", &entries["manifests"][0]["digest"]);
    let bytes = serde_json::to_string_pretty(&index).unwrap();
    let digest = oci_layout::Digest::of(&bytes);
    fs::write(room.path(format!("spaced/blobs/sha256/{}", digest.hex())), &bytes).unwrap();
    entries["manifests"][0]["digest"] = digest.to_string().into();
    entries["manifests"][0]["size"] = bytes.len().into();
    fs::write(room.path("spaced/index.json"), entries.to_string()).unwrap();
    let run = room.run(["diff", "old", "spaced"]);
    assert!(run.out.starts_with("index: same members in other bytes: \"sha256:"), "{run:?}");
    assert_eq!(run.code, Some(1), "{run:?}");
}
