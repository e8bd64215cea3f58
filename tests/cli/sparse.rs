//! Sparse layouts and lazy layers: making, filling and losing them.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::cli::interrupted::is_writing;
use crate::cli::room::{Room, Run};

/// The number of files in this folder.
fn count(room: &Room, folder: &str) -> usize {
    fs::read_dir(room.path(folder)).unwrap().count()
}

#[test]
fn a_filled_sparse_build_equals_a_full_build() {
    let room = Room::new();
    let files = "-f app:/bin/app -f assets:/srv --entrypoint /bin/app --tag latest";
    let digest = room.ok(&format!("build {files} -o full"));
    assert_eq!(room.ok(&format!("build {files} --sparse -o image")), digest);
    assert_eq!((count(&room, "image/blobs/sha256"), count(&room, "image/recipes/sha256")), (2, 1));
    assert_eq!(
        (room.ok("verify image"), room.ok("verify image --deep")),
        (String::new(), String::new())
    );
    let filled = room.run(["fill", "image"]);
    assert_eq!((filled.code, &*filled.out), (Some(0), ""));
    assert!(filled.err.starts_with("1 blobs made, "), "{}", filled.err);
    assert_eq!(room.files("image"), room.files("full"));
    assert_eq!(room.run(["fill", "image"]).err, "0 blobs made, 0 B\n");
}

#[test]
fn lazy_steps_make_the_same_image_and_open_no_source() {
    let room = Room::new();
    let layer = room.ok("layer-tar -f app:/bin/app -o layer");
    assert_eq!(room.ok("layer-tar -f app:/bin/app --lazy -o lazy"), layer);
    assert_eq!((count(&room, "lazy/blobs/sha256"), count(&room, "lazy/recipes/sha256")), (0, 1));
    room.ok("layer-tar -f assets:/srv -o assets-layer");
    room.ok("image-manifest --layer layer assets-layer -o manifest");
    let image = room.ok("image-layout latest=manifest -o full");

    fs::rename(room.path("app"), room.path("away")).unwrap();
    room.ok("image-config --layer lazy assets-layer -o lazy-config");
    room.ok("image-manifest --layer lazy assets-layer --config lazy-config -o lazy-manifest");
    assert_eq!(room.ok("image-layout latest=lazy-manifest --sparse -o sparse"), image);
    assert_eq!(
        (count(&room, "sparse/blobs/sha256"), count(&room, "sparse/recipes/sha256")),
        (2, 2)
    );
    assert_eq!(room.ok("verify sparse"), "");
    let deep = room.run(["verify", "sparse", "--deep"]);
    let app = room.path("app");
    let vanished = format!(
        "blob {} cannot be made again: {app:?} vanished since it was described; restore it, or \
         make the image again",
        layer.trim()
    );
    let place = format!("index.json, manifests[0], layers[0] ({})", layer.trim());
    assert_eq!((deep.code, deep.out), (Some(1), format!("{place}: cannot be read: {vanished}\n")));
    room.fails("fill sparse", &vanished);
    room.fails("image-layout latest=lazy-manifest -o made", &vanished);
    assert!(!room.path("made").exists());

    fs::rename(room.path("away"), &app).unwrap();
    assert_eq!(room.ok("image-layout latest=lazy-manifest -o made"), image);
    assert_eq!(room.files("made"), room.files("full"));
    assert_eq!(room.run(["fill", "sparse"]).code, Some(0));
    assert_eq!(room.files("sparse"), room.files("full"));
}

/// A layer that takes a while to build.
fn large(room: &Room) -> String {
    File::create(room.path("large")).unwrap().set_len(120 << 20).unwrap();
    room.ok("build -f large -f app --compression none --tag latest -o full");
    room.ok("build -f large -f app --compression none --tag latest --sparse -o image")
}

#[test]
fn a_killed_fill_leaves_a_sparse_or_full_layout() {
    let room = Room::new();
    large(&room);
    let before = room.files("image");
    let mut fill = room.command(["fill", "image"]).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !is_writing(&fill, &room.path("image/blobs/sha256")) {
        assert!(start.elapsed() < Duration::from_secs(60), "the program does not start");
        thread::sleep(Duration::from_millis(1));
    }
    fill.kill().unwrap();
    assert_eq!(fill.wait().unwrap().signal(), Some(9), "the program ended too early");
    let whole = |files: Vec<(std::path::PathBuf, Vec<u8>)>| -> Vec<_> {
        files
            .into_iter()
            .filter(|(path, _)| !path.to_string_lossy().contains(".oci-layout-"))
            .collect()
    };
    assert!(whole(room.files("image")) == before);
    assert_eq!(room.ok("verify image"), "");
    assert_eq!(room.run(["gc", "image"]).code, Some(0));
    assert!(room.files("image") == before);
    assert_eq!(room.run(["fill", "image"]).code, Some(0));
    assert!(room.files("image") == room.files("full"));
}

/// As on a full disk: see `errors.rs`.
#[test]
fn a_full_disk_leaves_a_sparse_layout_unchanged() {
    let room = Room::new();
    large(&room);
    let before = room.files("image");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"ulimit -f 8000 && exec "$0" "$@""#,
        env!("CARGO_BIN_EXE_oci-layout"),
        "fill",
        "image",
    ]);
    let run = Run::of(
        command.current_dir(room.path("")).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")),
    );
    let err =
        "oci-layout: error: cannot write \"image/blobs/sha256\": File too large (os error 27)\n";
    assert_eq!(run, Run { code: Some(1), out: String::new(), err: err.to_owned() });
    assert!(room.files("image") == before);
    assert_eq!(room.run(["fill", "image"]).code, Some(0));
    assert!(room.files("image") == room.files("full"));
}
