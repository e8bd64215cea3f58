//! `ls`, `cat`, `cp` and `unpack`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
};

use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::{
    cli::room::{Room, Run},
    common::{as_nobody, is_root, python::python},
};

/// A layout `image` with two layers: the upper one replaces `/bin/app` of the lower one.
fn room() -> Room {
    let room = Room::new();
    fs::create_dir_all(room.path("tree/etc")).unwrap();
    fs::write(room.path("tree/etc/motd"), "hello\n").unwrap();
    symlink("etc", room.path("tree/settings")).unwrap();
    room.ok("build -f tree:/ -f app:/bin/app --tag base -o below");
    fs::write(room.path("app"), "new\n").unwrap();
    room.ok("build -f app:/bin/app --base below --mode 0750 --chown 7:8 --tag v1 -o image");
    room
}

/// Every path in the room, with its size.
fn listing(room: &Room) -> Vec<(PathBuf, u64)> {
    let entries = WalkDir::new(room.path("")).sort_by_file_name().into_iter().map(Result::unwrap);
    entries.map(|entry| (entry.path().to_owned(), entry.metadata().unwrap().len())).collect()
}

#[test]
fn ls_lists_what_a_container_sees() {
    let room = room();
    assert_eq!(room.ok("ls image"), "/bin\n/bin/app\n/etc\n/etc/motd\n/settings\n");
    assert_eq!(room.ok("ls image:v1 etc"), "/etc\n/etc/motd\n");
    assert_eq!(room.ok("ls oci:image /*/*p"), "/bin/app\n");
    assert_eq!(room.ok("ls --layers image **/app"), "  2 /bin/app\n");
    assert!(room.ok("ls --json image **/app").contains("\"layer\": 1"));
    assert_eq!(
        room.ok("ls -l image settings"),
        "lrwxrwxrwx     0     0          0 1970-01-01 00:00 /settings -> etc\n"
    );
    let listed: Value = serde_json::from_str(&room.ok("ls --json image **/app")).unwrap();
    let wanted = json!([{
        "path": "/bin/app", "type": "file", "mode": "0750", "uid": 7, "gid": 8, "size": 4,
        "mtime": 1, "layer": 1,
    }]);
    assert_eq!(listed, wanted);
    room.ok("export image -o image.tar");
    room.ok("export --format docker-archive image -o docker.tar");
    for image in ["image.tar", "oci-archive:image.tar:v1", "docker-archive:docker.tar"] {
        assert_eq!(room.ok(&format!("ls {image} bin")), "/bin\n/bin/app\n", "{image}");
    }
    room.fails("ls image nothing/*", "\"nothing/*\": no file of the image matches");
}

#[test]
fn cat_prints_files_and_follows_links_inside() {
    let room = room();
    assert_eq!(room.ok("cat image /settings/motd bin/app"), "hello\nnew\n");
    assert_eq!(room.ok("cat below /bin/app"), "# /bin/sh\necho app\n");
    room.fails("cat image /absent", "\"/absent\": does not exist in the image");
    room.fails("cat image /etc", "\"/etc\": is not a regular file");
}

#[test]
fn cp_copies_a_file_or_a_directory() {
    let room = room();
    room.ok("cp image:/bin/app copy");
    assert_eq!(fs::read_to_string(room.path("copy")).unwrap(), "new\n");
    let mode = fs::metadata(room.path("copy")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    // Into a folder under its own name, and through a link.
    room.ok("cp image:v1:/settings/motd assets");
    assert_eq!(fs::read_to_string(room.path("assets/motd")).unwrap(), "hello\n");
    room.ok("cp image:/settings etc");
    assert_eq!(fs::read_to_string(room.path("etc/motd")).unwrap(), "hello\n");
    // A directory that a layer replaces by a file, and a higher one makes again.
    room.ok("build -f app:/etc --base image --replace -t v2 -o replaced");
    room.ok("build -f app:/etc/app --base replaced --replace -t v3 -o again");
    room.ok("cp again:/etc etc-again");
    let names = fs::read_dir(room.path("etc-again")).unwrap();
    assert_eq!(names.map(|name| name.unwrap().file_name()).collect::<Vec<_>>(), ["app"]);
    // Existing files are not replaced.
    for args in ["cp image:/bin/app copy", "cp image:/etc etc/motd"] {
        let before = listing(&room);
        let run = room.run(args.split(' '));
        assert_eq!(run.code, Some(1), "{args}: {run:?}");
        assert_eq!(listing(&room), before, "{args}");
    }
    let run = room.run(["cp", "image", "copy2"]);
    assert!(run.err.contains("IMAGE:/PATH"), "{run:?}");
}

#[test]
fn unpack_writes_a_complete_folder_or_none() {
    let room = room();
    room.ok("unpack image -o root");
    assert_eq!(fs::read_to_string(room.path("root/bin/app")).unwrap(), "new\n");
    if is_root() {
        let app = fs::metadata(room.path("root/bin/app")).unwrap();
        assert_eq!((app.uid(), app.gid(), app.mode() & 0o7777), (7, 8, 0o750));
    }
    let before = listing(&room);
    let run = room.run(["unpack", "image", "-o", "root"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("is not empty: choose another folder"), "{run:?}");
    // A damaged layer.
    let layer = room.image("below").0["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
    let layer = room.path("below/blobs/sha256").join(layer);
    let mut bytes = fs::read(&layer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&layer, bytes).unwrap();
    let damaged = listing(&room);
    let run = room.run(["unpack", "below", "-o", "other"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("is damaged"), "{run:?}");
    assert_eq!(listing(&room), damaged);
    assert!(!room.path("other").exists() && before.len() == damaged.len());
    assert!(
        fs::read_dir(room.path("")).unwrap().all(|entry| {
            !entry.unwrap().file_name().to_string_lossy().starts_with(".oci-layout")
        })
    );
}

/// Layers that no checksum of their own protects, whose end is damaged.
#[test]
fn files_of_damaged_layers_are_errors() {
    let room = Room::new();
    for compression in ["none", "zstd"] {
        let layers = format!("--text /a=first --text /z=last --compression {compression}");
        room.ok(&format!("build {layers} -o image-{compression}"));
        let image = format!("image-{compression}");
        let digest = room.image(&image).0["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
        let blob = room.path(&image).join("blobs/sha256").join(digest);
        let mut bytes = fs::read(&blob).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&blob, bytes).unwrap();
        for args in [format!("cp {image}:/a a"), format!("cat {image} /a")] {
            let run = room.run(args.split(' '));
            assert_eq!(run.code, Some(1), "{args}: {run:?}");
            assert!(run.err.contains("is damaged"), "{args}: {run:?}");
        }
        assert!(!room.path("a").exists());
    }
}

#[test]
fn unpack_writes_one_tar() {
    let room = room();
    room.ok("unpack image --tar root.tar");
    let tar = fs::read(room.path("root.tar")).unwrap();
    let bytes = room.command(["unpack", "image", "--tar", "-"]).output().unwrap().stdout;
    assert_eq!(bytes, tar);
    let lines = python(&tar, &[]);
    let starts: Vec<_> = lines.iter().map(|line| line.split(" 1 ").next().unwrap()).collect();
    // In the order of the layers, and directories last.
    let wanted = [
        "file etc/motd 0644 0:0",
        "symlink settings 0777 0:0",
        "file bin/app 0750 7:8",
        "dir etc 0755 0:0 1",
        "dir bin 0755 0:0 1",
    ];
    assert_eq!(starts, wanted);
    let run = room.run(["unpack", "image", "--tar", "a", "-o", "b"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    // Nothing is left of a tar that fails.
    let before = listing(&room);
    assert_eq!(room.run(["unpack", "image:absent", "--tar", "b.tar"]).code, Some(1));
    assert_eq!(listing(&room), before);
}

#[test]
fn a_user_without_root_gets_the_permitted_attributes() {
    if !is_root() {
        return;
    }
    let room = room();
    fs::set_permissions(room.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = room.command(["unpack", "image", "-o", "root"]);
    let run = Run::of(&mut as_nobody(&mut command, &room.path("")));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("does not have its owner: only root can set it"), "{run:?}");
    assert_eq!(fs::read_to_string(room.path("root/etc/motd")).unwrap(), "hello\n");
    assert_eq!(fs::metadata(room.path("root/bin/app")).unwrap().mode() & 0o7777, 0o750);
    let mut command = room.command(["--strict", "unpack", "image", "-o", "strict"]);
    let run = Run::of(&mut as_nobody(&mut command, &room.path("")));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(!room.path("strict").exists());
    let mut command = room.command(["--strict", "unpack", "image", "--no-same-owner", "-o", "own"]);
    let run = Run::of(&mut as_nobody(&mut command, &room.path("")));
    assert!(run.code == Some(0) && !run.err.contains("does not have"), "{run:?}");
    assert_eq!(fs::metadata(room.path("own/bin/app")).unwrap().uid(), 65534);
}

/// As in images of Nix.
#[test]
fn a_user_unpacks_read_only_directories_or_leaves_nothing() {
    let room = Room::new();
    let directory = |path: &str| json!({ "directory": true, "destination": path, "mode": "0555" });
    let file = json!({ "text": "1", "destination": "/nix/store/a", "uid": 12345 });
    let files = [directory("/"), directory("/nix"), directory("/nix/store"), file];
    fs::write(room.path("spec"), json!({ "files": files }).to_string()).unwrap();
    room.ok("layer-tar --spec spec -o layer");
    room.ok("image-manifest --layer layer -o manifest");
    room.ok("image-layout v1=manifest -o image");
    fs::set_permissions(room.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let run = |args: &str| {
        let mut command = room.command(args.split(' '));
        Run::of(&mut as_nobody(&mut command, &room.path("")))
    };
    let unpacked = run("unpack image -o root");
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
    let mode = |path: &str| fs::metadata(room.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(["root", "root/nix", "root/nix/store"].map(mode), [0o555; 3]);
    assert_eq!(fs::read_to_string(room.path("root/nix/store/a")).unwrap(), "1");
    let before = listing(&room);
    let failed = run("--strict unpack image -o strict");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_eq!(listing(&room), before);
    // So that the room can be removed.
    ["root", "root/nix", "root/nix/store"].iter().for_each(|path| {
        fs::set_permissions(room.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    });
}

/// A layout `image` with setuid and setgid files.
fn set_ids(room: &Room) {
    let file = |path: &str, mode: &str| serde_json::json!({ "source": "app", "destination": path, "mode": mode });
    let directory =
        serde_json::json!({ "directory": true, "destination": "/bin/group", "mode": "2755" });
    let files = [file("/bin/su", "4755"), file("/bin/both", "6711"), file("/bin/app", "0755")];
    let files: Vec<_> = files.into_iter().chain([directory]).collect();
    fs::write(room.path("spec"), serde_json::json!({ "files": files }).to_string()).unwrap();
    room.ok("layer-tar --spec spec -o layer");
    room.ok("image-manifest --layer layer -o manifest");
    room.ok("image-layout v1=manifest -o image");
}

#[test]
fn setuid_bits_are_dropped_with_the_owner() {
    let room = Room::new();
    set_ids(&room);
    let modes = |root: &str| {
        ["su", "both", "app", "group"]
            .map(|name| fs::metadata(room.path(root).join(name)).unwrap().mode() & 0o7777)
    };
    let without = [0o755, 0o711, 0o755, 0o755];
    room.ok("--strict unpack image --no-same-owner -o own");
    assert_eq!(modes("own/bin"), without);
    if !is_root() {
        return;
    }
    room.ok("--strict unpack image -o root");
    assert_eq!(modes("root/bin"), [0o4755, 0o6711, 0o755, 0o2755]);
    fs::set_permissions(room.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    for (args, root) in [("unpack image -o user", "user/bin"), ("cp image:/bin bin", "bin")] {
        let mut command = room.command(args.split(' '));
        let run = Run::of(&mut as_nobody(&mut command, &room.path("")));
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(modes(root), without, "{run:?}");
        let warnings: Vec<_> = run.err.lines().filter(|line| line.contains("setuid")).collect();
        assert_eq!(warnings.len(), 1, "{run:?}");
        assert!(warnings[0].ends_with("(and 2 more)"), "{run:?}");
        assert_eq!(run.err.matches("does not have").count(), 2, "{run:?}");
    }
}

#[test]
fn cp_writes_a_file_to_standard_output() {
    let room = room();
    assert_eq!(room.ok("cp image:/bin/app -"), "new\n");
    assert!(!room.path("-").exists());
    let run = room.run(["cp", "image:/bin", "-"]);
    assert_eq!((run.code, &*run.out), (Some(1), ""), "{run:?}");
    assert!(run.err.contains("use `oci-layout unpack --tar -`"), "{run:?}");
    let run = room.run(["cp", "image:/absent", "-"]);
    assert_eq!((run.code, &*run.out), (Some(1), ""), "{run:?}");
}
