//! `verify --repair` replaces damaged and missing blobs with valid ones from elsewhere.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::Room;

/// Every file of the layout, with its path.
fn files(room: &Room, layout: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let walk = walkdir::WalkDir::new(room.path(layout))
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap);
    let files = walk.filter(|entry| entry.file_type().is_file());
    files
        .map(|file| {
            (
                file.path().strip_prefix(room.path(layout)).unwrap().to_owned(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

/// A layout `sound` with two images, one of them for two platforms, with copies in `backup.tar` and
/// `backup`. `layout` is to be damaged.
fn room() -> Room {
    let room = Room::new();
    room.ok("layer-tar -f one -o layer");
    for architecture in ["amd64", "arm64"] {
        room.ok(&format!(
            "image-manifest --layer layer --platform linux/{architecture} -o {architecture}"
        ));
    }
    room.ok("image-layout latest=amd64 latest=arm64 -o sound");
    room.ok("build -f two --tag two --compression none -o other");
    room.ok("append other -o sound");
    room.ok("image-layout sound -o backup");
    room.ok("export backup --format oci-archive -o backup.tar");
    room
}

fn damaged(room: &Room, damage: &dyn Fn(&Path)) {
    room.remove("layout");
    let status = Command::new("cp")
        .args(["-r", "sound", "layout"])
        .current_dir(room.path(""))
        .status()
        .unwrap();
    assert!(status.success());
    for blob in fs::read_dir(room.path("layout/blobs/sha256")).unwrap() {
        damage(&blob.unwrap().path());
    }
}

#[test]
fn every_damage_is_repaired_from_everywhere() {
    let room = room();
    let (_serving, address) = room.serve("backup");
    let reference = format!("{address}/app:two");
    let sound = files(&room, "sound");
    let zeros =
        |path: &Path| fs::write(path, vec![0; path.metadata().unwrap().len() as usize]).unwrap();
    let shorter = |path: &Path| fs::write(path, &fs::read(path).unwrap()[1..]).unwrap();
    let linked = |path: &Path| {
        fs::remove_file(path).unwrap();
        symlink("/etc/hostname", path).unwrap();
    };
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damages: [Damage<'_>; 5] = [
        ("zeros of the same size", &zeros),
        ("a byte too few", &shorter),
        ("empty", &|path| fs::write(path, "").unwrap()),
        ("missing", &|path| fs::remove_file(path).unwrap()),
        ("a link in its place", &linked),
    ];
    for (what, damage) in damages {
        for from in ["backup", "backup.tar", &reference] {
            damaged(&room, damage);
            let run = room.run(&[], &format!("verify layout --repair {from}"));
            assert!(run.status.success() && run.out.is_empty(), "{what}, {from}: {run:?}");
            assert_eq!(
                run.err.matches("repaired sha256:").count(),
                sound.len() - 2,
                "{what}, {from}: {run:?}"
            );
            assert_eq!(files(&room, "layout"), sound, "{what}, {from}");
        }
    }
    assert!(
        room.run(&[], "verify layout --repair backup").err.is_empty(),
        "nothing is left to repair"
    );
}

/// A defect that cannot be repaired is still reported, and no wrong bytes replace it.
#[test]
fn defects_that_cannot_be_repaired_are_still_found() {
    let room = room();
    let zeros =
        |path: &Path| fs::write(path, vec![0; path.metadata().unwrap().len() as usize]).unwrap();
    damaged(&room, &zeros);
    let broken = files(&room, "layout");
    fs::rename(room.path("layout"), room.path("broken")).unwrap();
    damaged(&room, &zeros);
    for (from, repaired) in [("broken", 0), ("layout", 0), ("other", 3)] {
        let run = room.run(&[], &format!("verify layout --repair {from}"));
        assert_eq!(run.status.code(), Some(1), "{from}: {run:?}");
        assert!(
            run.out.contains("is damaged") && run.err.contains("cannot be repaired"),
            "{from}: {run:?}"
        );
        assert_eq!(run.err.matches("repaired sha256:").count(), repaired, "{from}: {run:?}");
        if repaired == 0 {
            assert_eq!(files(&room, "layout"), broken, "{from}");
        }
        assert_eq!(room.leftovers("layout"), [] as [PathBuf; 0]);
    }
    for (args, sentence) in [
        ("verify backup.tar --repair backup", "is an archive, which is only read"),
        (
            "verify layout --repair nothing/HERE",
            "expected an existing layout, or the name of an image",
        ),
    ] {
        let run = room.run(&[], args);
        assert!(run.status.code() == Some(1) && run.err.contains(sentence), "{args}: {run:?}");
    }
    damaged(&room, &|_| ());
    fs::write(room.path("layout/index.json"), "{").unwrap();
    assert_eq!(room.run(&[], "verify layout --repair backup").status.code(), Some(1));
}

/// A killed repair continues when it is repeated, and its blobs are synced.
#[test]
fn a_repair_that_is_killed_is_repeated() {
    let room = room();
    let sound = files(&room, "sound");
    for nth in 1..5 {
        damaged(&room, &|path| fs::write(path, "").unwrap());
        let inject = format!("inject=renameat:signal=KILL:when={nth}");
        let before =
            ["strace", "-f", "-qq", "-e", "trace=renameat", "-e", &inject, "-o", "/dev/null"];
        assert!(!room.run(&before, "--threads 1 verify layout --repair backup").status.success());
        room.ok("verify layout --repair backup");
        room.ok("gc layout");
        assert_eq!(files(&room, "layout"), sound);
    }
}
