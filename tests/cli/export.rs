//! `export`: the files that it writes, and that failures leave none.

use std::{
    fs::{self, File},
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oci_layout::{
    Digest,
    document::{Descriptor, MediaType},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cli::interrupted::open_files;
use crate::cli::room::{Room, Run};

/// A layout `image` with two images: the tags `1.0` and `ghcr.io/me/app:2.0`.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --compression none --tag 1.0 -o image");
    room.ok("build -f assets:/srv --tag ghcr.io/me/app:2.0 -o other");
    room.did("append other -o image");
    room
}

#[test]
fn a_file_and_standard_output_get_the_same() {
    let room = room();
    assert_eq!(
        room.ok("export image -o a.tar"),
        "docker.io/library/image:1.0\nghcr.io/me/app:2.0\n"
    );
    let output = room.command(["export", "image", "-o", "-"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(output.stdout == fs::read(room.path("a.tar")).unwrap());
    assert_eq!(room.ok("verify a.tar"), "");
    // A special file is written to, and not replaced.
    fs::write(room.path("b.tar"), "").unwrap();
    let to_pipe = room.command(["export", "image", "-o", "/dev/stdout"]).output().unwrap();
    assert!(to_pipe.stdout.starts_with(&output.stdout));
}

#[test]
fn one_image_is_exported_or_renamed() {
    let room = room();
    assert_eq!(room.ok("export image:2.0 -o a.tar"), "ghcr.io/me/app:2.0\n");
    assert_eq!(
        room.ok("export image:1.0 --tag a/b:1 --tag c -o a.tar"),
        "docker.io/a/b:1\ndocker.io/library/image:c\n"
    );
    assert_eq!(room.ok("export image:1.0 --format oci-archive -o a.tar"), "1.0\n");
    assert_eq!(
        room.ok("export a.tar --format docker-archive -o b.tar"),
        "docker.io/library/a:1.0\n"
    );
    let digest = room.ok("build -f app --platform linux/arm64 -o none");
    assert_eq!(room.ok("export none -o a.tar"), digest);
    room.fails(
        "export image --tag x -o c.tar",
        "\"image\" has several images: choose one by its tag; it has 1.0, 2.0",
    );
    room.fails(
        "export image:x -o c.tar",
        "\"image\" has no image with the tag \"x\": it has 1.0, 2.0",
    );
    fs::rename(room.path("image"), room.path("My Image")).unwrap();
    let run = room.run(["export", "My Image:1.0", "-o", "c.tar"]);
    assert_eq!(run.out, "docker.io/library/my-image:1.0\n");
    fs::rename(room.path("My Image"), room.path("---")).unwrap();
    let run = room.run(["export", "./---:1.0", "-o", "d.tar"]);
    assert!(run.err.contains("tag \"1.0\": it has no repository"), "{run:?}");
    let run = room.run(["export", "./---:1.0", "--tag", "app:1.0", "-o", "d.tar"]);
    assert_eq!(run.out, "docker.io/library/app:1.0\n");
}

#[test]
fn a_store_path_has_its_name_without_the_hash() {
    let room = room();
    let path = "0123456789abcdfghijklmnpqrsvwxyz-hello";
    fs::rename(room.path("image"), room.path(path)).unwrap();
    std::os::unix::fs::symlink(path, room.path("result")).unwrap();
    assert_eq!(room.ok("export result:1.0 -o a.tar"), "docker.io/library/hello:1.0\n");
}

#[test]
fn a_failed_export_leaves_no_file() {
    let room = room();
    let blobs =
        fs::read_dir(room.path("image/blobs/sha256")).unwrap().map(|blob| blob.unwrap().path());
    let layer = blobs.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&layer).unwrap();
    bytes[20] ^= 1;
    fs::write(&layer, bytes).unwrap();
    fs::write(room.path("a.tar"), "as it was").unwrap();
    for file in ["a.tar", "b.tar"] {
        let run = room.run(["export", "image", "-o", file]);
        assert_eq!((run.code, &*run.out), (Some(1), ""), "{run:?}");
        assert!(run.err.contains(" is damaged: "), "{run:?}");
    }
    assert_eq!(fs::read(room.path("a.tar")).unwrap(), b"as it was");
    let mut names: Vec<_> =
        fs::read_dir(room.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.tar", "app", "assets", "image", "other"]);
    room.fails(
        "export image -o assets",
        "\"assets\" is a folder: choose another name for the output",
    );
    let run = room.run(["export", "image", "-o", "nowhere/a.tar"]);
    assert!(
        run.err.starts_with("oci-layout: error: cannot write \"nowhere/a.tar\": No such file"),
        "{run:?}"
    );
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let room = Room::new();
    fs::write(room.path("big"), vec![b'x'; 1 << 20]).unwrap();
    room.ok("build -f big --compression none --tag 1 -o image");
    let mut command = room.command(["export", "image", "-o", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 512]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn a_full_disk_is_one_sentence() {
    let run = room().run(["export", "image", "-o", "/dev/full"]);
    let err =
        "oci-layout: error: cannot write \"/dev/full\": No space left on device (os error 28)\n";
    assert_eq!(run, Run { code: Some(1), out: String::new(), err: err.to_owned() });
}

#[test]
fn a_tar_is_not_written_to_a_terminal() {
    let room = room();
    let program = env!("CARGO_BIN_EXE_oci-layout");
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("{program} export image -o -"), "/dev/null"]);
    let run = Run::of(terminal.current_dir(room.path("")).stdin(Stdio::null()));
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("standard output: a terminal cannot display a tar"), "{run:?}");
}

#[test]
fn a_signal_leaves_the_old_file() {
    let room = room();
    endless(&room);
    fs::create_dir(room.path("out")).unwrap();
    fs::write(room.path("out/a.tar"), "as it was").unwrap();
    let mut command =
        room.command(["export", "endless", "--format", "oci-archive", "-o", "out/a.tar"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    // The first bytes are still in a buffer.
    while open_files(&child, &room.path("out")).next().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "the program does not start");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(room.files("out"), [("a.tar".into(), b"as it was".to_vec())]);
}

/// A layout with an image whose layer has one tebibyte.
fn endless(room: &Room) {
    let digest = format!("sha256:{}", "0".repeat(64));
    let layer = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": 1_u64 << 40 });
    let mut manifest = room.image("image").0;
    manifest["layers"] = json!([layer]);
    let manifest = manifest.to_string();
    let digest = Digest::of(&manifest);
    fs::rename(room.path("image"), room.path("endless")).unwrap();
    let blobs = room.path("endless/blobs/sha256");
    fs::write(blobs.join(digest.hex()), &manifest).unwrap();
    File::create(blobs.join("0".repeat(64))).unwrap().set_len(1 << 40).unwrap();
    let descriptor = Descriptor::of(MediaType::MANIFEST, manifest.as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(room.path("endless/index.json"), index.to_string()).unwrap();
}
