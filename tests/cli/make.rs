//! `build`, and the four steps.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde_json::json;

use crate::cli::room::{Room, Run};

/// The paths in a layer, by the `tar` crate, each with its mode and contents.
fn entries(blob: &Path) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    let mut tar = tar::Archive::new(MultiGzDecoder::new(File::open(blob).unwrap()));
    let entry = |entry: std::io::Result<tar::Entry<_>>| {
        let mut entry = entry.unwrap();
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut contents).unwrap();
        (entry.path_bytes().into_owned(), (entry.header().mode().unwrap(), contents))
    };
    tar.entries().unwrap().map(entry).collect()
}

fn layer(room: &Room, dir: &str, digest: &str) -> PathBuf {
    room.path(dir).join("blobs/sha256").join(digest.trim_end().strip_prefix("sha256:").unwrap())
}

#[test]
fn build_applies_every_option() {
    let room = Room::new();
    let digest = room.ok(
        "build -f app:/bin/app -f assets:/srv --entrypoint /bin/app --entrypoint --verbose --cmd \
            -p --cmd 80 --env PORT=80 --env EQUALS=a=b --user 1000:1000 --workdir /srv --label a=b \
            --expose 80 --expose 53/udp --volume /data --stop-signal SIGINT --annotation title=x \
            --platform linux/arm64/v8 --compression gzip:1 --tag latest --tag ghcr.io/me/app:1.0 \
            -o a/b/image",
    );
    let index = room.json("a/b/image/index.json");
    let tags: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|image| &image["annotations"]).collect();
    assert_eq!(
        tags,
        [
            &json!({ "org.opencontainers.image.ref.name": "latest" }),
            &json!({
                "io.containerd.image.name": "ghcr.io/me/app:1.0",
                "org.opencontainers.image.ref.name": "1.0",
            })
        ]
    );
    assert_eq!(format!("{}\n", index["manifests"][0]["digest"].as_str().unwrap()), digest);
    let (manifest, config) = room.image("a/b/image");
    assert_eq!(manifest["annotations"], json!({ "title": "x" }));
    assert_eq!((&config["architecture"], &config["variant"]), (&json!("arm64"), &json!("v8")));
    assert_eq!(config["created"], "1970-01-01T00:00:01Z");
    assert_eq!(
        config["config"],
        json!({
            "Entrypoint": ["/bin/app", "--verbose"], "Cmd": ["-p", "80"], "Env": ["PORT=80", "EQUALS=a=b"],
            "User": "1000:1000", "WorkingDir": "/srv", "Labels": { "a": "b" }, "Volumes": { "/data": {} },
            "ExposedPorts": { "53/udp": {}, "80/tcp": {} }, "StopSignal": "SIGINT",
        })
    );
    let blob = layer(&room, "a/b/image", manifest["layers"][0]["digest"].as_str().unwrap());
    let names: Vec<_> =
        entries(&blob).into_keys().map(|name| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["bin/", "bin/app", "srv/", "srv/index.html"]);
    // Layer, configuration, manifest, index and marker. No other file is left.
    assert_eq!(room.files("a/b/image").len(), 5);
    assert_eq!(room.ok("verify a/b/image"), "");
}

#[test]
fn options_override_extra_and_extra_overrides_the_base_image() {
    let room = Room::new();
    room.ok(
        "build -f app:/base --entrypoint /base --cmd base --env BASE=1 --env BOTH=base --label \
        base=1 -o base",
    );
    fs::write(
        room.path("extra.json"),
        r#"{ "author": "me", "config": { "env": ["BOTH=extra", "EXTRA=1"], "User": "1", "WorkingDir": "/x" } }"#,
    )
    .unwrap();
    room.ok("build -f app:/new --base base --extra-config @extra.json --env EXTRA=2 --user 2 --entrypoint \
        /new -o image");
    let (manifest, config) = room.image("image");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
    assert_eq!(config["author"], "me");
    assert_eq!(
        config["config"],
        json!({
            "Entrypoint": ["/new"], "Env": ["BASE=1", "BOTH=extra", "EXTRA=2"], "Labels": { "base": "1" },
            "User": "2", "WorkingDir": "/x",
        })
    );
    let run = room.run([
        "build",
        "-f",
        "app",
        "--base",
        "base",
        "--extra-config",
        r#"{"config":{"Cmd":null}}"#,
        "-o",
        "inline",
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(room.image("inline").1["config"].get("Cmd"), None);
}

#[test]
fn the_steps_make_the_same_image_as_build() {
    let room = Room::new();
    room.ok("build -f app:/lib/base --tag base --tag other -o base");
    let built = room.ok(
        "build -f app:/bin/app -f assets:/srv --base base:base --tag latest --tag me/app:1 -o built",
    );

    let layer = room.ok("layer-tar -f app:/bin/app -f assets:/srv -o layer");
    let config = room.ok("image-config --layer layer --base base:other -o config");
    let manifest =
        room.ok("image-manifest --layer layer --config config --base base:base -o manifest");
    let layout = room.ok("image-layout latest=manifest me/app:1=manifest -o layout");
    assert_eq!((&manifest, &layout), (&built, &built));
    assert_eq!(room.files("layout"), room.files("built"));

    let (made, _) = room.image("layout");
    assert_eq!(made["layers"][1]["digest"], *layer.trim_end());
    assert_eq!(made["config"]["digest"], *config.trim_end());

    assert_eq!(room.ok("verify layout"), "");
    let at_once = room.ok("image-manifest --layer layer --base base:base -o at-once");
    assert_eq!(at_once, built);
}

#[test]
fn the_folders_between_the_steps_have_the_documented_files() {
    let room = Room::new();
    let names = |dir: &str| {
        let files = room.files(dir).into_iter().map(|(path, _)| path.display().to_string());
        files.filter(|name| !name.starts_with("blobs/sha256/")).collect::<Vec<_>>()
    };
    room.ok("layer-tar -f app -o layer");
    room.ok("image-config --layer layer --platform linux/s390x -o config");
    room.ok("image-manifest --layer layer --config config -o manifest");
    assert_eq!(names("layer"), ["DiffID", "history.json", "media-descriptor.json"]);
    assert_eq!(names("config"), ["media-descriptor.json", "platform.json"]);
    assert_eq!(names("manifest"), ["media-descriptor.json"]);
    assert_eq!(room.json("manifest/media-descriptor.json")["platform"]["architecture"], "s390x");
    assert_eq!(room.files("manifest").len(), 4);
}

#[test]
fn extra_json_of_the_steps_reaches_its_document() {
    let room = Room::new();
    room.ok("layer-tar -f app -o layer");
    let extra = r#"{"annotations":{"a":"b"}}"#;
    let config = r#"{"config":{"User":"7"}}"#;
    let args = [
        "image-manifest",
        "--layer",
        "layer",
        "--extra-config",
        config,
        "--extra-manifest",
        extra,
        "-o",
        "m",
    ];
    assert_eq!(room.run(args).code, Some(0));
    assert_eq!(
        room.run(["image-layout", "m", "--extra-index", extra, "-o", "image"]).code,
        Some(0)
    );
    let (manifest, config) = room.image("image");
    assert_eq!(manifest["annotations"], json!({ "a": "b" }));
    assert_eq!(config["config"]["User"], "7");
    assert_eq!(room.json("image/index.json")["annotations"], json!({ "a": "b" }));
}

#[test]
fn a_specification_has_more_options_than_arguments() {
    let room = Room::new();
    let spec = json!({
        "files": [
            { "source": "app", "destination": "/bin/app", "mode": "0555" },
            { "text": "hello\n", "destination": { "base64": "L2V0Yy9jYWbp" } },
            { "base64": "AP8=", "destination": "/etc/bytes" },
            { "directory": true, "destination": "/tmp", "mode": "1777" },
        ],
        "perms": [{ "glob": "etc/bytes", "mode": "0400" }],
        "compression": "gzip:9",
    });
    fs::write(room.path("spec.json"), spec.to_string()).unwrap();
    let digest = room.ok("layer-tar --spec spec.json -o layer");
    let app = fs::read(room.path("app")).unwrap();
    let expected: [(&[u8], u32, &[u8]); 6] = [
        (b"bin/", 0o755, b""),
        (b"bin/app", 0o555, &app),
        (b"etc/", 0o755, b""),
        (b"etc/bytes", 0o400, b"\0\xff"),
        (b"etc/caf\xe9", 0o644, b"hello\n"),
        (b"tmp/", 0o1777, b""),
    ];
    let expected = expected.map(|(path, mode, bytes)| (path.to_vec(), (mode, bytes.to_vec())));
    assert_eq!(entries(&layer(&room, "layer", &digest)), BTreeMap::from(expected));

    let other = room.ok("layer-tar --spec spec.json --compression none -o other");
    assert_ne!(other, digest);
    assert_eq!(
        room.json("other/media-descriptor.json")["mediaType"],
        "application/vnd.oci.image.layer.v1.tar",
        "the option goes over the specification"
    );
}

#[test]
fn names_need_not_be_utf8_and_separators_are_escaped() {
    let room = Room::new();
    let ok = |args: &[&[u8]]| {
        let run = room.run(args.iter().map(|arg| OsStr::from_bytes(arg)));
        assert_eq!((run.code, &*run.err), (Some(0), ""), "{args:?}");
        run.out
    };
    fs::write(room.path(OsStr::from_bytes(b"caf\xe9")), "1").unwrap();
    fs::write(room.path(r"a:b=c\d"), "2").unwrap();
    let digest = ok(&[
        b"layer-tar",
        b"-f",
        b"caf\xe9:/\xe9",
        b"-f",
        br"a\:b=c\d:/x\:y\=z\\",
        b"-o",
        b"layer",
    ]);
    let expected =
        [(b"x:y=z\\".to_vec(), (0o644, b"2".to_vec())), (b"\xe9".to_vec(), (0o644, b"1".to_vec()))];
    assert_eq!(entries(&layer(&room, "layer", &digest)), BTreeMap::from(expected));

    ok(&[b"image-manifest", b"--layer", b"layer", b"-o", b"man=if\xe9st"]);
    let image = ok(&[b"image-layout", b"latest=man\\=if\xe9st", b"-o", b"im:\xe9"]);
    assert_eq!(ok(&[b"image-layout", b"man\\=if\xe9st", b"-o", b"untagged"]), image);
    ok(&[b"build", b"-f", b"app", b"--base", b"im\\:\xe9:latest", b"-o", b"built"]);
    assert_eq!(room.image("built").0["layers"].as_array().unwrap().len(), 2);
    let append: &[&[u8]] = &[b"append", b"2=man\\=if\xe9st", b"-o", b"im:\xe9"];
    let appended = room.run(append.iter().map(|arg| OsStr::from_bytes(arg)));
    assert_eq!((appended.code, appended.out), (Some(0), image));
    let removed = room.run([OsStr::new("delete"), OsStr::from_bytes(b"im\\:\xe9:2")]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
}

#[test]
fn source_date_epoch_sets_created_and_nothing_else() {
    let room = Room::new();
    let build = |args: &[&str], output: &str| {
        let mut command = room.command(["build", "-f", "app", "-o", output]);
        Run::of(command.args(args).env("SOURCE_DATE_EPOCH", "1700000000"))
    };
    room.ok("build -f app -o plain");
    assert_eq!(build(&[], "dated").code, Some(0));
    let (manifest, mut config) = room.image("dated");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(config["history"][0]["created"], "2023-11-14T22:13:20Z");
    let (plain_manifest, plain_config) = room.image("plain");
    assert_eq!(manifest["layers"], plain_manifest["layers"]);
    config["created"] = plain_config["created"].clone();
    config["history"][0]["created"] = plain_config["created"].clone();
    assert_eq!(config, plain_config);

    // Options take precedence over the environment.
    assert_eq!(
        build(&["--extra-config", r#"{"created":"2000-01-01T00:00:00Z"}"#], "said").code,
        Some(0)
    );
    assert_eq!(room.image("said").1["created"], "2000-01-01T00:00:00Z");
}

#[test]
fn threads_change_nothing() {
    let room = Room::new();
    let noise: Vec<u8> =
        (0..6u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(room.path("noise"), noise).unwrap();
    let digest = room.ok("build -f noise -o all");
    for threads in ["0", "1", "2", "8"] {
        assert_eq!(
            room.ok(&format!("--threads {threads} build -f noise -o before{threads}")),
            digest
        );
        assert_eq!(
            room.ok(&format!("build -f noise --threads {threads} -o behind{threads}")),
            digest
        );
        let mut command = room.command(["build", "-f", "noise", "-o", &format!("cores{threads}")]);
        assert_eq!(Run::of(command.env("NIX_BUILD_CORES", threads)).out, digest);
    }
}

#[test]
fn images_with_one_tag_become_a_multi_platform_image() {
    let room = Room::new();
    room.ok("layer-tar -f app -o layer");
    for platform in ["amd64", "arm64"] {
        room.ok(&format!("image-manifest --layer layer --platform linux/{platform} -o {platform}"));
    }
    let digest = room.ok("image-layout latest=amd64 latest=arm64 -o image");
    let index = room.json("image/index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(format!("{}\n", index["manifests"][0]["digest"].as_str().unwrap()), digest);
    assert_eq!(index["manifests"][0]["mediaType"], "application/vnd.oci.image.index.v1+json");

    let digests = room.ok("image-layout a=amd64 b=arm64 -o two");
    assert_eq!(digests.lines().count(), 2);
    room.ok("build -f assets:/srv --base image:latest --platform linux/arm64 -o built");
    assert_eq!(room.ok("verify image") + &room.ok("verify two") + &room.ok("verify built"), "");
    assert_eq!(room.image("built").1["architecture"], "arm64");
}
