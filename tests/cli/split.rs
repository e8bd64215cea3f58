//! `build --split` and `--like`: the layers of an update, and the errors of the options.

use std::fs;

use serde_json::{Value, json};

use crate::{
    cli::room::Room,
    common::{Member, members, text},
};

const SITE: &str = "venv/lib/python3.12/site-packages";

/// Writes a package with a script and its `RECORD`, in place of other versions.
fn package(room: &Room, name: &str, version: u64, size: usize) {
    remove(room, name);
    let info = format!("{SITE}/{name}-{version}.dist-info");
    let write = |path: &str, text: &[u8]| {
        let path = room.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let seed = name.bytes().map(u64::from).sum::<u64>() + 1000 * version;
    write(&format!("{SITE}/{name}/__init__.py"), &text(size, seed));
    write(&format!("venv/bin/{name}"), format!("#!/venv/bin/python {version}\n").as_bytes());
    let listed = [format!("{name}/__init__.py"), format!("../../../bin/{name}")];
    write(&format!("{info}/RECORD"), listed.map(|path| path + ",,\n").concat().as_bytes());
}

fn remove(room: &Room, name: &str) {
    let Ok(entries) = fs::read_dir(room.path(SITE)) else { return };
    for entry in entries.map(Result::unwrap) {
        let found = entry.file_name().into_string().unwrap();
        if found == name || found.starts_with(&format!("{name}-")) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let script = room.path("venv/bin").join(name);
    if script.exists() {
        fs::remove_file(script).unwrap();
    }
}

/// An environment with packages, large and small, and an application.
fn room() -> Room {
    let room = Room::new();
    for (name, size) in [("large", 3_000_000), ("middle", 2_000_000), ("other", 1_500_000)] {
        package(&room, name, 1, size);
    }
    for number in 0..6 {
        package(&room, &format!("small{number}"), 1, 2000);
    }
    room
}

const FILES: [&str; 6] = ["-f", "venv:/venv", "-f", "app:/srv/app", "--compression", "none"];

/// Builds an image, and returns the digests of its layers, lowest first.
#[track_caller]
fn build(room: &Room, output: &str, more: &[&str]) -> Vec<String> {
    let run = room.run([&["build", "-o", output][..], &FILES, more].concat());
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{more:?}");
    let (manifest, config) = room.image(output);
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), layers.len());
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// The layers that the other image does not have.
fn new<'a>(layers: &'a [String], other: &[String]) -> Vec<&'a String> {
    layers.iter().filter(|layer| !other.contains(layer)).collect()
}

/// The files of the image with all attributes, by path.
fn merged(room: &Room, layout: &str) -> Vec<Member> {
    let tar = format!("{layout}.merged.tar");
    let run = room.run(["unpack", layout, "--tar", &tar]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let mut members = members(&fs::read(room.path(tar)).unwrap());
    members.sort_by(|a, b| a.path.cmp(&b.path));
    members
}

#[test]
fn a_changed_file_of_the_application_changes_one_layer() {
    let room = room();
    let one = build(&room, "one", &[]);
    let first = build(&room, "first", &["--split"]);
    assert_eq!(one.len(), 1);
    assert!((5..=20).contains(&first.len()), "{first:?}");
    assert!(merged(&room, "first") == merged(&room, "one"));
    fs::write(room.path("app"), "# changed\n").unwrap();
    let second = build(&room, "second", &["--split"]);
    assert_eq!(new(&second, &first), [second.last().unwrap()]);
    room.ok("verify second");
}

#[test]
fn an_earlier_image_keeps_the_layers_of_other_packages() {
    let room = room();
    let mut last = build(&room, "image-0", &["--split=5"]);
    assert_eq!(last.len(), 5);
    type Change = fn(&Room);
    let changes: [(&str, Change, usize); 6] = [
        ("nothing", |_| (), 0),
        ("an upgrade", |room| package(room, "small3", 2, 2500), 1),
        ("an upgrade to a much larger version", |room| package(room, "middle", 2, 5_000_000), 1),
        // The smallest layer makes room for it.
        ("an added package", |room| package(room, "added", 1, 1_800_000), 1),
        ("a removed package that was alone", |room| remove(room, "other"), 0),
        ("the application", |room| fs::write(room.path("app"), "# 2\n").unwrap(), 1),
    ];
    for (number, (what, change, count)) in changes.into_iter().enumerate() {
        change(&room);
        let like = format!("image-{number}");
        let next = format!("image-{}", number + 1);
        let layers = build(&room, &next, &["--split=5", "--like", &like]);
        assert!(layers.len() <= 5, "{what}");
        assert_eq!(new(&layers, &last).len(), count, "{what}: {last:?}, {layers:?}");
        // Kept layers stay in their order.
        let kept: Vec<_> = layers.iter().filter(|layer| last.contains(layer)).collect();
        let before: Vec<_> = last.iter().filter(|layer| layers.contains(layer)).collect();
        assert_eq!(kept, before, "{what}");
        last = layers;
    }
    // A removed package that shared a layer costs that layer, whose packages may be divided now.
    remove(&room, "small5");
    let layers = build(&room, "image-7", &["--split=5", "--like", "image-6"]);
    assert!(new(&layers, &last).len() <= 2, "{last:?}, {layers:?}");
    assert_eq!(last.len() - new(&last, &layers).len(), 3);
    build(&room, "whole", &[]);
    assert!(merged(&room, "image-7") == merged(&room, "whole"));
}

#[test]
fn an_earlier_image_is_optional_and_can_be_any_image() {
    let room = room();
    let first = build(&room, "first", &["--split", "-t", "example.com/app:1"]);
    // The same command makes the first image and all others.
    assert_eq!(build(&room, "same", &["--split", "--like", "absent"]), first);
    // An image in one layer, and one of other files, have no groups.
    build(&room, "one", &[]);
    room.ok("build --text /etc/motd=hello -o other");
    for other in ["one", "other"] {
        let output = format!("like-{other}");
        assert_eq!(build(&room, &output, &["--split", "--like", other]), first);
    }
    room.run("export first -o first.tar --format docker-archive".split(' '));
    assert_eq!(build(&room, "like-archive", &["--split", "--like", "first.tar"]), first);
    // The layout that is replaced.
    assert_eq!(build(&room, "first", &["--split", "--like", "first", "--force"]), first);
}

#[test]
fn a_split_image_is_above_its_base() {
    let room = room();
    room.ok("build --text /etc/motd=hello --dir /opt/venv --symlink /venv=/opt/venv -o base");
    let above = ["--base", "base"];
    let one = build(&room, "one", &above);
    let split = build(&room, "split", &[&above[..], &["--split"]].concat());
    assert_eq!(one.len(), 2);
    assert_eq!((&split[0], split.len() > 5), (&one[0], true));
    assert!(merged(&room, "split") == merged(&room, "one"));
    let like = build(&room, "like", &[&above[..], &["--split", "--like", "split"]].concat());
    assert_eq!(like, split);
}

#[test]
fn each_layer_of_files_is_split() {
    let room = room();
    let args = "build -f venv:/venv --new-layer -f app:/srv/app --text /srv/node_modules/a/x.js=x \
                --split=4 -o image";
    room.ok(args);
    let (_, config) = room.image("image");
    let history = config["history"].as_array().unwrap();
    let of_venv = |entry: &&Value| entry["created_by"].as_str().unwrap().contains(" /venv");
    assert_eq!((history.iter().filter(of_venv).count(), history.len()), (4, 6));
}

#[test]
fn a_sparse_image_has_the_layers_of_a_split() {
    let room = room();
    let expected = build(&room, "full", &["--split"]);
    assert_eq!(build(&room, "sparse", &["--split", "--sparse"]), expected);
    assert!(merged(&room, "sparse") == merged(&room, "full"));
}

#[test]
fn a_file_with_options_splits() {
    let room = room();
    let file = |split: Value| {
        let options = json!({
            "file": { "venv": "/venv", "app": "/srv/app" }, "split": split, "output": "from-file",
        });
        fs::write(room.path("image.json"), options.to_string()).unwrap();
        room.ok("build image.json --force");
        room.image("from-file").0["layers"].as_array().unwrap().len()
    };
    assert_eq!(file(json!(false)), 1);
    assert_eq!(file(json!(3)), 3);
    assert_eq!(file(json!("4")), 4);
    let all = file(json!(true));
    assert!(all > 4);
    fs::write(
        room.path("image.toml"),
        "split = true\nlike = \"from-file\"\noutput = \"from-toml\"\nfile = [\"venv:/venv\", \"app:/srv/app\"]\n",
    )
    .unwrap();
    room.ok("build image.toml");
    let layers = |layout: &str| room.image(layout).0["layers"].clone();
    assert_eq!(layers("from-toml"), layers("from-file"));
    // The command line replaces the file.
    room.ok("build image.toml --split=false --force");
    assert_eq!(layers("from-toml").as_array().unwrap().len(), 1);
}

#[test]
fn wrong_options_are_refused() {
    let room = room();
    let fails = |args: &[&str], expected: &str| {
        let run = room.run([&["build", "-o", "out"][..], &FILES, args].concat());
        assert!(run.code == Some(2) || run.code == Some(1), "{args:?}: {run:?}");
        assert!(run.err.contains(expected), "{args:?}: {}", run.err);
        assert!(!room.path("out").exists());
    };
    let number = "expected the maximum number of layers, at least 1";
    for value in ["--split=0", "--split=-1", "--split=many", "--split="] {
        fails(&[value], number);
    }
    fails(&["--like", "one"], "--split");
    // A number after a space would be something else.
    fails(&["--split", "5"], "5");
    fs::create_dir(room.path("folder")).unwrap();
    fails(&["--split", "--like", "folder"], "folder");
    fails(&["--split", "--like", "app"], "app");
    build(&room, "image", &["--split", "-t", "1"]);
    fails(&["--split", "--like", "image:2"], "2");
}
