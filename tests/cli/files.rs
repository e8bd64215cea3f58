//! The options of `build` and `layer-tar` for the files of a layer: globs, attributes, links,
//! pipes.

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::{Command, Stdio},
};

use crate::cli::room::{Room, Run};

/// The entries of the only layer in a folder, as GNU tar lists them: mode, owner, time and path.
fn entries(room: &Room, dir: &str) -> Vec<String> {
    let blobs = room.path(dir).join("blobs/sha256");
    let listed = |blob: fs::DirEntry| {
        let mut tar = Command::new("tar");
        let tar = tar
            .args(["--numeric-owner", "--utc", "--full-time", "-tvf"])
            .arg(blob.path())
            .output()
            .unwrap();
        tar.status.success().then(|| String::from_utf8(tar.stdout).unwrap())
    };
    let layers: Vec<_> =
        fs::read_dir(blobs).unwrap().filter_map(|blob| listed(blob.unwrap())).collect();
    let [layer] = &layers[..] else { panic!("{layers:?}") };
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {} {} {}", words[0], words[1], words[4], words[5..].join(" "))
    };
    layer.lines().map(line).collect()
}

/// Runs the program with this text on its standard input, through a pipe.
fn piped(room: &Room, args: &str, input: &[u8]) -> Run {
    let mut command = room.command(args.split(' '));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn project(room: &Room) {
    for file in ["p/src/main.rs", "p/target/x", "p/.git/HEAD", "p/run", "p/image/blob"] {
        fs::create_dir_all(room.path(file).parent().unwrap()).unwrap();
        fs::write(room.path(file), file).unwrap();
    }
    fs::set_permissions(room.path("p/run"), fs::Permissions::from_mode(0o4750)).unwrap();
}

#[test]
fn options_choose_files_and_set_attributes() {
    let room = Room::new();
    project(&room);
    for step in ["build", "layer-tar"] {
        let of = |args: &str| {
            let dir = format!("{step}-out");
            let _ = fs::remove_dir_all(room.path(&dir));
            let command = format!("{step} -f p:/p {args} -o {dir} --compression none");
            let run = room.run(command.split(' '));
            // The mode of p/run has setuid, which only --chmod keeps or sets.
            let lost = "oci-layout: warning: \"p/run\" has mode 4750 and runs with the rights of its \
                        owner or group, and the layer gives it the default mode (number of such \
                        files: 1): keep modes, or set a mode for it (--chmod keep or \
                        GLOB=MODE, or mode and perms in a specification)\n";
            assert!(run.code == Some(0) && (run.err.is_empty() || run.err == lost), "{run:?}");
            entries(&room, &dir)
                .into_iter()
                .filter(|entry| !entry.ends_with(" p/"))
                .collect::<Vec<_>>()
        };
        let only = "--exclude target --exclude ./.git/ --exclude image";
        assert_eq!(
            of(&format!("{only} --exclude src")),
            ["-rwxr-xr-x 0/0 00:00:01 p/run"],
            "{step}: set-id bits are lost without being asked for"
        );
        assert_eq!(of("--include run --chmod keep --chown 7"), ["-rwsr-x--- 7/7 00:00:01 p/run"]);
        assert_eq!(
            of("--include run --mode 640 --owner 7:8 --mtime 61"),
            ["-rw-r----- 7/8 00:01:01 p/run"]
        );
        assert_eq!(of("--exclude * --exclude !run --mtime=-1"), ["-rwxr-xr-x 0/0 23:59:59 p/run"]);
        assert_eq!(
            of("--include src --include image --exclude **/blob"),
            [
                "drwxr-xr-x 0/0 00:00:01 p/image/",
                "drwxr-xr-x 0/0 00:00:01 p/src/",
                "-rw-r--r-- 0/0 00:00:01 p/src/main.rs"
            ]
        );
        // Everything that can be kept of a source, as GNU tar keeps it.
        let time = fs::metadata(room.path("p/run")).unwrap();
        fs::File::open(room.path("p/run"))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(59))
            .unwrap();
        let kept = of("--include run --chmod keep --chown keep --mtime keep");
        assert_eq!(kept, [format!("-rwsr-x--- {}/{} 00:00:59 p/run", time.uid(), time.gid())]);
        for (option, reason) in [
            ("--chown me", "expected UID[:GID] in numbers, as in 1000:1000, or keep"),
            ("--chown 1:", "expected UID[:GID] in numbers"),
            ("--chmod 0o755", "expected up to four octal digits, as in 0755, or keep"),
            ("--chmod 888", "expected up to four octal digits"),
            ("--chmod 77777", "expected up to four octal digits"),
            ("--mtime now", "expected a whole number of seconds, or keep"),
            ("--hard-links true", "[possible values: copy, keep, merge]"),
            ("--on-conflict both", "[possible values: error, first, last]"),
        ] {
            let run = room.run(format!("{step} -f p:/p {option} -o never").split(' '));
            assert!(run.code == Some(2) && run.err.contains(reason), "{option}: {run:?}");
        }
        let run =
            room.run(format!("{step} -f p:/p --include none --exclude *.x -o warned").split(' '));
        assert_eq!(
            (run.code, &*run.err),
            (
                Some(0),
                "oci-layout: warning: exclude: the glob \"*.x\" matches nothing: correct or \
                 remove it\n\
                 oci-layout: warning: include: the glob \"none\" matches nothing: correct or \
                 remove it\n"
            )
        );
        fs::remove_dir_all(room.path("warned")).unwrap();
        room.fails(
            &format!("{step} -f p:/p --exclude *.x --chmod keep --strict -o warned"),
            "exclude: the glob \"*.x\" matches nothing: correct or remove it (strict: warnings are \
             errors)",
        );
        assert!(!room.path("warned").exists());
        let run = room
            .run(format!("{step} -f p:/p --include none --exclude *.x -q -o warned").split(' '));
        assert_eq!((run.code, &*run.err), (Some(0), ""));
        fs::remove_dir_all(room.path("warned")).unwrap();
    }
    fs::write(room.path("spec.json"), "{}").unwrap();
    let run = room.run(["layer-tar", "--spec", "spec.json", "--exclude", "x", "-o", "never"]);
    assert!(run.code == Some(2) && run.err.contains("cannot be used with"), "{run:?}");
}

/// Like `docker build` in a project that the image is written to.
#[test]
fn the_output_can_be_excluded() {
    let room = Room::new();
    for _ in 0..2 {
        let _ = fs::remove_dir_all(room.path("image"));
        room.ok("build -f .:/app --exclude image -o image --compression none");
        let names: Vec<_> = entries(&room, "image")
            .iter()
            .map(|line| line.split(' ').nth(3).unwrap().to_owned())
            .collect();
        assert_eq!(names, ["app/", "app/app", "app/assets/", "app/assets/index.html"]);
    }
}

#[test]
fn links_and_conflicts() {
    let room = Room::new();
    fs::create_dir_all(room.path("a/usr/share")).unwrap();
    fs::create_dir_all(room.path("b/share")).unwrap();
    symlink("usr/share", room.path("a/share")).unwrap();
    fs::write(room.path("b/share/doc"), "").unwrap();
    fs::write(room.path("a/one"), "one").unwrap();
    fs::hard_link(room.path("a/one"), room.path("a/two")).unwrap();
    let of = |args: &str| {
        let _ = fs::remove_dir_all(room.path("out"));
        let run = room
            .run(format!("layer-tar -f a:/ -f b:/ {args} -o out --compression none").split(' '));
        let names = entries(&room, "out").into_iter();
        (
            names
                .map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>(),
            run.err,
        )
    };
    let (names, said) = of("--keep-directory-links --hard-links keep");
    assert_eq!(said, "");
    assert_eq!(
        names,
        ["one", "share -> usr/share", "two link to one", "usr/", "usr/share/", "usr/share/doc"]
    );
    let (names, said) = of("--on-conflict first");
    assert_eq!(names, ["one", "share -> usr/share", "two", "usr/", "usr/share/"]);
    assert!(
        said.contains("omits \"/share/doc\" below it (number of such paths: 1)")
            && said.contains("(hard links)"),
        "{said}"
    );
    let (names, said) = of("--on-conflict last --hard-links copy");
    assert_eq!(names, ["one", "share/", "share/doc", "two", "usr/", "usr/share/"]);
    assert!(said.contains("omits the symbolic link to \"usr/share\""), "{said}");
}

#[test]
fn standard_input_and_pipes() {
    let room = Room::new();
    let build = |args: &str, input: &[u8]| {
        let _ = fs::remove_dir_all(room.path("out"));
        piped(&room, &format!("{args} -o out --compression none"), input)
    };
    for source in ["-", "/dev/stdin"] {
        for input in [&b""[..], b"hello", &vec![b'x'; 300_000]] {
            let run = build(&format!("layer-tar -f {source}:/x"), input);
            assert_eq!((run.code, &*run.err), (Some(0), ""), "{source}");
            let blob = fs::read_dir(room.path("out/blobs/sha256"))
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
                .path();
            let output = Command::new("tar").args(["-xOf"]).arg(blob).arg("x").output().unwrap();
            assert!(output.stdout == input, "{source}");
        }
    }
    // A described layer contains the bytes that were read, and has no recipe, because a pipe cannot
    // be read again.
    let run = build("build --sparse -f -:/x", b"hello");
    assert_eq!((run.code, &*run.err), (Some(0), ""));
    assert_eq!(room.ok("verify out --deep"), "");
    fs::write(
        room.path("spec.json"),
        r#"{ "files": [{ "tar": "/dev/stdin", "destination": "/" }] }"#,
    )
    .unwrap();
    let tar =
        Command::new("tar").args(["-c", "app"]).current_dir(room.path("")).output().unwrap().stdout;
    let run = build("layer-tar --spec spec.json", &tar);
    assert_eq!((run.code, &*run.err), (Some(0), ""));
    assert!(entries(&room, "out")[0].ends_with(" app"));
    let twice = build("build -f -:/x -f /dev/stdin:/y", b"hello");
    assert!(
        twice.code == Some(1) && twice.err.contains("is a pipe and is given twice"),
        "{twice:?}"
    );
    let nowhere = build("build -f -", b"hello");
    assert!(nowhere.code == Some(2) && nowhere.err.contains("use -:DEST"), "{nowhere:?}");
    // Standard input that is a file or `/dev/null` is read as such.
    room.ok("build -f -:/empty -f /dev/null:/null -o empty --compression none");
    assert_eq!(entries(&room, "empty").len(), 2);
    fs::write(room.path("-"), "a file").unwrap();
    room.ok("layer-tar -f ./-:/x -o file --compression none");
}

#[test]
fn an_empty_source_date_epoch_is_ignored() {
    let room = Room::new();
    let digest = |date: Option<&str>| {
        let _ = fs::remove_dir_all(room.path("out"));
        let mut command = room.command(["build", "-f", "app:/app", "-o", "out"]);
        if let Some(date) = date {
            command.env("SOURCE_DATE_EPOCH", date);
        }
        let run = Run::of(&mut command);
        assert_eq!((run.code, &*run.err), (Some(0), ""));
        run.out
    };
    assert_eq!(digest(Some("")), digest(None));
    assert_ne!(digest(Some("0")), digest(None));
    assert!(room.ok("help build").contains("SOURCE_DATE_EPOCH"));
}
