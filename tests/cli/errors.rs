//! Each error is one clear sentence, and leaves no file.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::cli::room::{Room, Run};

#[test]
fn a_wrong_argument_is_a_usage_error() {
    let room = Room::new();
    for (args, said) in [
        ("", "Usage: oci-layout"),
        ("biuld", "unrecognized subcommand 'biuld'"),
        ("build -o out", "add some with -f"),
        ("build -f app", "--output"),
        ("build -f app:/a:/b -o out", r"write a colon in a path as \:"),
        ("build -f app: -o out", "the destination after the colon is empty"),
        ("build -f app --env PORT -o out", "expected KEY=VALUE"),
        (
            "build -f app --expose http -o out",
            "expected PORT[-PORT][/PROTOCOL], as in 80, 53/udp or 8000-8010",
        ),
        (
            "build -f app --platform linux -o out",
            "write it as OS/ARCHITECTURE[/VARIANT], for example linux/arm64",
        ),
        ("build -f app --compression lzma -o out", "expected gzip, zstd, zstd:chunked or none"),
        ("build -f app --tag a@b -o out", "it has a digest"),
        ("build -f app --base : -o out", "the tag after the colon is empty"),
        ("build -f app --threads 1025 -o out", "expected a number from 0 to 1024"),
        ("layer-tar -f app --spec spec.json -o out", "cannot be used with"),
        ("layer-tar -o out", "--symlink <DEST=TARGET>|--tar <FILE[:DEST]>|--spec <FILE>"),
        ("image-manifest --config c --platform linux/arm64 -o out", "cannot be used with"),
        ("image-manifest --config c --env A=1 -o out", "cannot be used with"),
        ("layer-tar --dir /x --spec spec.json -o out", "cannot be used with"),
        ("layer-tar --mtime 1 --spec spec.json -o out", "cannot be used with"),
        ("image-manifest --config c --created 1 -o out", "cannot be used with"),
        ("image-manifest --config c --base b --unset-env A -o out", "cannot be used with"),
        ("image-layout =m -o out", "image name \"\""),
        ("image-layout a=b=c -o out", r"write an equals sign in a path as \="),
        ("ls image:/etc", "write it as another argument"),
        ("cat image:/etc/passwd", "write it as another argument"),
        ("build -f app --platform linux/amd64,linux/arm64 -o out", "give each platform by itself"),
        ("append -o out", "[TAG=]IMAGE"),
        ("append docker://alpine -o out", "run `oci-layout pull REF -o LAYOUT` first"),
        ("build -f app --compression gzip:99 -o out", "gzip supports levels 1 to 12"),
        ("export image", "--output"),
        (
            "export image --format tar -o out",
            "[possible values: both, oci-archive, docker-archive]",
        ),
    ] {
        let run = room.run(args.split(' ').filter(|arg| !arg.is_empty()));
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{args}");
        assert!(run.err.contains(said), "{args}: {}", run.err);
        assert!(!room.path("out").exists(), "{args}");
    }
}

#[test]
fn each_error_is_one_sentence() {
    let room = Room::new();
    fs::write(room.path("broken.json"), "{").unwrap();
    fs::write(room.path("spec.json"), r#"{ "files": [{ "source": "app", "mode": 755 }] }"#)
        .unwrap();
    fs::create_dir(room.path("other")).unwrap();
    fs::write(room.path("other/index.html"), "other").unwrap();
    room.ok("layer-tar -f app -o layer");
    room.ok("build -f app --tag latest -o image");
    let in_itself = "source \".\": the output of the layer is there, and would become a part of \
        the layer: write it elsewhere, or exclude it (--exclude, or exclude in a specification)";
    for (args, sentence) in [
        (
            "build -f nothing -o out",
            "source \"nothing\" does not exist: correct the path, or create the file first",
        ),
        (
            "build -f assets:/srv -f other:/srv -o out",
            "\"/srv/index.html\" is provided twice, by \"assets/index.html\" and by \
             \"other/index.html\": remove one, exclude the path from it, or choose which \
             one wins (--on-conflict, or onConflict in a specification)",
        ),
        (
            "build -f app:/../app -o out",
            "destination \"/../app\" has `..`: write the path in the image without it",
        ),
        (
            "build -f app --extra-config {} -o image",
            "\"image\" is not empty: replace it with --force, or choose another folder for the output",
        ),
        ("build -f app -o app", "\"app\" is not a folder: choose another path for the output"),
        ("build -f .:/app -o out", in_itself),
        ("build --sparse -f .:/app -o out", in_itself),
        ("layer-tar --lazy -f .:/app -o out", in_itself),
        ("build -f app -o app/out", "cannot write \"app/out\": Not a directory (os error 20)"),
        (
            "build -f app --extra-config @none.json -o out",
            "cannot read \"none.json\": No such file or directory (os error 2)",
        ),
        (
            "build -f app --extra-config @broken.json -o out",
            "\"broken.json\": not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "build -f app --extra-config ] -o out",
            "\"]\": not JSON: expected value at line 1 column 1",
        ),
        (
            "build -f app --extra-config {\"entripoint\":1} -o out",
            "image configuration (set by --extra-config): unknown member \"entripoint\"; did you mean \
             \"config.Entrypoint\"?",
        ),
        (
            "build -f app --base none -o out",
            #[cfg(feature = "registry")]
            "\"none\" does not exist: give the folder of an image layout, or an archive of images; \
             for an image in a registry, write docker://none",
            #[cfg(not(feature = "registry"))]
            "\"none\" does not exist: give the folder of an image layout, or an archive of images",
        ),
        (
            "build -f app --base image:1.0 -o out",
            "\"image\" has no image with the tag \"1.0\": it has latest",
        ),
        (
            "build -f app --base image --platform linux/arm64 -o out",
            "\"image\" has no image for linux/arm64; it has linux/amd64",
        ),
        (
            "layer-tar --spec spec.json -o out",
            "\"spec.json\", files[0] (\"app\"), mode: write the octal digits as a string, as in \
             \"0755\", instead of 755; \"keep\" is also valid",
        ),
        (
            "image-config --layer assets -o out",
            "\"assets\" has no media-descriptor.json: give the folder of a layer, written by \
             `oci-layout layer-tar`",
        ),
        (
            "image-layout x=image y=nothing -o out",
            "\"nothing\" does not exist: give the folder of an image, written by `oci-layout \
             image-manifest`",
        ),
        (
            "append layer -o image",
            "\"layer\" holds application/vnd.oci.image.layer.v1.tar+gzip: give the folder of an \
             image, written by `oci-layout image-manifest`",
        ),
        (
            "append layer -o none",
            "\"none\" does not exist: give the folder of an image layout, or an archive of images; \
             `oci-layout image-layout` creates one",
        ),
        (
            "gc assets",
            "\"assets\" is not an image layout, because it has no oci-layout file: give the folder \
             of an image layout, or an archive of images; `oci-layout image-layout` creates one",
        ),
        (
            "delete image",
            "\"image\" needs a tag here: write LAYOUT:TAG; to remove the whole layout, remove its folder",
        ),
        #[cfg(feature = "registry")]
        (
            "copy docker://127.0.0.1:1/a docker://127.0.0.1:1/b -- --retry-times 3",
            "the arguments after `--`: they are for skopeo or docker, and neither copies from registry to \
             registry: leave them out",
        ),
        ("delete image:1.0", "\"image\" has no image with the tag \"1.0\": it has latest"),
        (
            "inspect assets",
            "\"assets\" is not an image layout, because it has no oci-layout file: give the folder \
             of an image layout, or an archive of images",
        ),
    ] {
        room.fails(args, sentence);
        assert!(!room.path("out").exists(), "{args}");
    }
    assert!(room.path("image/index.json").is_file(), "a folder that is not empty is left alone");
}

/// The sentences of the library are for all who use it; the program names its options.
#[test]
fn advice_names_options() {
    let room = Room::new();
    fs::create_dir(room.path("d")).unwrap();
    fs::write(room.path("d/one"), "1").unwrap();
    fs::hard_link(room.path("d/one"), room.path("d/two")).unwrap();
    room.ok("build -f app:/bin/app -o base");
    let warned = |args: &str| {
        let run = room.run(format!("{args} -o out").split(' '));
        let _ = fs::remove_dir_all(room.path("out"));
        run.err
    };
    for (args, end) in [
        (
            "build -f d",
            "choose to keep or to copy hard links (--hard-links keep or copy, or hardLinks in a specification)",
        ),
        (
            "build -f d --strict",
            "(--hard-links keep or copy, or hardLinks in a specification) (strict: warnings are errors)",
        ),
        (
            "build -f d:/q --symlink /q=r --on-conflict last --hard-links keep",
            "(--keep-directory-links, or keepDirectoryLinks in a specification)",
        ),
        ("build --base base -f app:/bin", "or allow the replacement (--replace)"),
        (
            "build -f app --chmod no=0600",
            "rule for modes: the glob \"no\" matches nothing: correct or remove it",
        ),
        (
            "build -f app --chown no=1",
            "rule for owners: the glob \"no\" matches nothing: correct or remove it",
        ),
    ] {
        let err = warned(args);
        assert!(err.trim_end().ends_with(end) && err.lines().count() == 1, "{args}: {err}");
    }
    // The same, as the builder of a derivation.
    let attributes = r#"{ "outputs": { "out": "out" }, "spec": { "files": [
        { "text": "a", "destination": "/a" }, { "text": "b", "destination": "/a" } ] } }"#;
    fs::write(room.path("attributes.json"), attributes).unwrap();
    let run =
        Run::of(room.command(["nix", "layer-tar"]).env("NIX_ATTRS_JSON_FILE", "attributes.json"));
    assert!(run.err.ends_with("or choose which one wins (onConflict)\n"), "{}", run.err);
}

/// An error names a path once.
#[test]
fn a_path_is_named_once() {
    let room = Room::new();
    room.ok("build -f app:/bin/app -o image");
    for args in [
        "export image -o none/x",
        "inspect image --html none/x",
        "cp image:/bin/app none/x",
        "unpack image -o none/x",
        "unpack image --tar none/x",
        "cp image:/bin none/x",
    ] {
        room.fails(args, "cannot write \"none/x\": No such file or directory (os error 2)");
    }
}

#[test]
fn a_configuration_with_a_base_requires_the_base_again() {
    let room = Room::new();
    room.ok("build -f app -o base");
    room.ok("layer-tar -f assets -o layer");
    room.ok("image-config --layer layer --base base -o config");
    room.fails(
        "image-manifest --layer layer --config config -o out",
        "image manifest: its configuration has 1 more layers below the given ones: also pass the \
         base image with which it was made",
    );
    room.ok("image-manifest --layer layer --config config --base base -o out");
}

#[test]
fn an_environment_variable_without_a_number_is_named() {
    let room = Room::new();
    for (name, value, reason) in [
        ("SOURCE_DATE_EPOCH", "yesterday", "expected a number of seconds since 1970"),
        ("SOURCE_DATE_EPOCH", " ", "expected a number of seconds since 1970"),
        ("SOURCE_DATE_EPOCH", "-1", "expected a number of seconds since 1970"),
        ("NIX_BUILD_CORES", "many", "expected a number from 0 to 1024"),
    ] {
        let run = Run::of(room.command(["build", "-f", "app", "-o", "out"]).env(name, value));
        let err = format!("oci-layout: error: environment variable {name}={value:?}: {reason}\n");
        assert_eq!(run, Run { code: Some(1), out: String::new(), err });
        assert!(!room.path("out").exists());
    }
}

#[test]
fn an_empty_folder_is_used_and_empty_again_after_a_failure() {
    let room = Room::new();
    fs::create_dir(room.path("out")).unwrap();
    fs::set_permissions(room.path("out"), fs::Permissions::from_mode(0o700)).unwrap();
    room.fails(
        "build -f nothing -o out",
        "source \"nothing\" does not exist: correct the path, or create the file first",
    );
    assert_eq!(fs::read_dir(room.path("out")).unwrap().count(), 0);
    room.fails(
        "build -f nothing -o deep/er/out",
        "source \"nothing\" does not exist: correct the path, or create the file first",
    );
    assert!(!room.path("deep").exists(), "folders above the output are removed too");
    room.ok("build -f app -o out");
    assert_eq!(fs::metadata(room.path("out")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_output_of_another_program_is_left_alone() {
    let room = Room::new();
    fs::create_dir(room.path("out")).unwrap();
    File::create(room.path("out/.oci-layout-output")).unwrap();
    room.fails(
        "build -f app -o out",
        "\"out\" is not empty: empty it, or choose another folder for the output",
    );
    assert!(room.path("out/.oci-layout-output").exists());
}

#[test]
fn one_of_several_programs_gets_the_same_output_folder() {
    let room = Room::new();
    let start = |_| {
        let mut command = room.command(["build", "-f", "app", "-o", "a/out"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(start).collect();
    let codes: Vec<_> =
        children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(room.files("a/out").len(), 5);
}

/// On a full disk or with a quota, any write of the output can fail. The shell's limit on file
/// sizes simulates this without privileges.
#[test]
fn a_failed_write_is_one_sentence_and_leaves_nothing() {
    let room = Room::new();
    let noise: Vec<u8> =
        (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(room.path("noise"), noise).unwrap();
    let shell = r#"ulimit -f 8 && exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args([
        "-c",
        shell,
        env!("CARGO_BIN_EXE_oci-layout"),
        "build",
        "-f",
        "noise",
        "--compression",
        "none",
    ]);
    let run = Run::of(command.args(["-o", "out"]).current_dir(room.path("")));
    assert_eq!((run.code, &*run.out), (Some(1), ""));
    assert_eq!(
        run.err,
        "oci-layout: error: cannot write \"out/blobs/sha256\": File too large (os error 27)\n"
    );
    assert!(!room.path("out").exists());
}

#[test]
fn a_failed_write_to_standard_output_is_an_error() {
    let room = Room::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = room.command(["build", "-f", "app", "-o", "out"]).stdout(full).output().unwrap();
    let err = "oci-layout: error: cannot write \"standard output\": No space left on device (os \
        error 28)\n";
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (Some(1), err.to_owned())
    );
    assert!(!room.path("out").exists());
}
