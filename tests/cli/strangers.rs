//! Untrusted layouts that try to make this program disclose or destroy other files.

#[cfg(feature = "registry")]
mod network;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use oci_layout::Digest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::cli::room::Room;

/// A layout with one image of one layer, whose blob is missing.
pub(crate) fn layout(room: &Room, name: &str, digest: Digest, size: u64) -> PathBuf {
    let dir = room.path(name);
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    let put = |kind: &str, document: Value| {
        let bytes = document.to_string();
        let digest = Digest::of(&bytes);
        fs::write(dir.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}.v1+json"), "digest": digest, "size": bytes.len() })
    };
    let rootfs = json!({ "type": "layers", "diff_ids": [digest] });
    let config = put("config", json!({ "architecture": "amd64", "os": "linux", "rootfs": rootfs }));
    let layer = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
    });
    let mut manifest = put("manifest", manifest);
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "t" });
    fs::write(
        dir.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string(),
    )
    .unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    dir
}

/// Replaces the layer by a recipe of a file.
pub(crate) fn recipe(layout: &Path, digest: Digest, size: u64, file: &Path, offset: u64) {
    let descriptor = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size });
    let mut recipe = json!({ "descriptor": descriptor, "diffId": digest, "file": file });
    if offset > 0 {
        recipe["offset"] = offset.into();
    }
    write_recipe(layout, digest, &recipe);
}

fn write_recipe(layout: &Path, digest: Digest, recipe: &Value) {
    fs::create_dir_all(layout.join("recipes/sha256")).unwrap();
    fs::write(
        layout.join("recipes/sha256").join(format!("{}.json", digest.hex())),
        recipe.to_string(),
    )
    .unwrap();
}

/// The file to be disclosed: larger than one read, and its first line.
pub(crate) const LINE: &str = "SECRET-LINE-";

pub(crate) fn secret(room: &Room, lines: usize) -> (PathBuf, Vec<u8>) {
    let bytes: Vec<u8> =
        (0..lines).flat_map(|line| format!("{LINE}{line:07}\n").into_bytes()).collect();
    let path = room.path(format!("secret-{lines}"));
    fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

/// A digest that does not match any file.
pub(crate) fn made_up() -> Digest {
    Digest::of("nobody knows")
}

/// All ways in which a layout may claim that a file of this machine is its blob, by name.
pub(crate) fn attempts(room: &Room) -> Vec<(String, PathBuf)> {
    let mut attempts = Vec::new();
    for lines in [2, 60_000] {
        let (file, bytes) = secret(room, lines);
        for (known, digest) in [("unknown", made_up()), ("known", Digest::of(&bytes))] {
            let mut add = |way: &str, layout: PathBuf| {
                attempts.push((format!("{way}, {lines} lines, {known}"), layout))
            };
            let name = |way: &str| format!("{way}-{lines}-{known}");
            let size = bytes.len() as u64;
            let linked = layout(room, &name("link"), digest, size);
            symlink(&file, linked.join("blobs/sha256").join(digest.hex())).unwrap();
            add("a link", linked);
            let linked = layout(room, &name("relative"), digest, size);
            symlink(
                Path::new("../../..").join(file.file_name().unwrap()),
                linked.join("blobs/sha256").join(digest.hex()),
            )
            .unwrap();
            add("a relative link", linked);
            let linked = layout(room, &name("larger"), digest, 1 << 40);
            symlink(&file, linked.join("blobs/sha256").join(digest.hex())).unwrap();
            add("a link to less than is said", linked);
            let other = layout(room, &name("recipe"), digest, size);
            recipe(&other, digest, size, &file, 0);
            add("a recipe", other);
        }
        let (part, digest) = (&bytes[4..20], Digest::of(&bytes[4..20]));
        let other = layout(room, &format!("part-{lines}"), digest, part.len() as u64);
        recipe(&other, digest, part.len() as u64, &file, 4);
        attempts.push((format!("a recipe of a part, {lines} lines"), other));
    }
    attempts
}

/// The refusal of a recipe names the file and both options.
const REFUSAL: [&str; 3] = ["this user did not write it here", "--recipe-root", "--trust-recipes"];

#[test]
fn no_command_discloses_a_file() {
    let room = Room::new();
    for (name, layout) in attempts(&room) {
        let layout = layout.to_str().unwrap();
        for command in [
            vec!["export", layout, "-o", "-"],
            vec!["export", layout, "-o", "-", "--format", "docker-archive"],
            vec!["export", layout, "-o", "out.tar"],
            vec!["image-layout", layout, "-o", "out"],
            vec!["image-layout", layout, "--sparse", "-o", "out"],
            vec!["build", "-f", "app:/bin/app", "--base", layout, "-o", "out"],
            vec!["fill", layout],
        ] {
            let run = room.run(&command);
            // Without a recipe, the layout has nothing to fill.
            let is_idle = command[0] == "fill" && !name.contains("recipe");
            assert_eq!(run.code, Some(i32::from(!is_idle)), "{name}, {command:?}: {}", run.err);
            assert!(
                !run.out.contains(LINE) && !run.err.contains(LINE),
                "{name}, {command:?} gave the file away"
            );
            assert!(
                !room.path("out").exists() && !room.path("out.tar").exists(),
                "{name}, {command:?}"
            );
            if name.contains("recipe") {
                assert!(
                    REFUSAL.iter().all(|part| run.err.contains(part)),
                    "{name}, {command:?}: {}",
                    run.err
                );
            } else if !is_idle {
                assert!(run.err.contains("symbolic link"), "{name}, {command:?}: {}", run.err);
            }
        }
        let verify = room.run(["verify", "--deep", layout]);
        assert_eq!(verify.code, Some(1), "{name}: {}", verify.out);
        assert!(room.run(["verify", layout]).out.contains(if name.contains("recipe") {
            REFUSAL[0]
        } else {
            "symbolic"
        }));
    }
}

/// Every file of a layout is inside of it.
#[test]
fn no_file_of_a_layout_is_a_link() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag t -o image");
    let manifest: Value =
        serde_json::from_slice(&fs::read(room.path("image/index.json")).unwrap()).unwrap();
    let digest =
        manifest["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    for name in ["oci-layout", "index.json", &digest, "blobs/sha256", "blobs"] {
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([room.path("image"), room.path("copy")])
            .status();
        assert!(copied.unwrap().success());
        fs::rename(room.path("copy").join(name), room.path("elsewhere")).unwrap();
        symlink(room.path("elsewhere"), room.path("copy").join(name)).unwrap();
        for command in [
            vec!["export", "copy:t", "-o", "-"],
            vec!["image-layout", "copy", "-o", "out"],
            vec!["build", "-f", "app:/bin/app", "--base", "copy", "-o", "out"],
            vec!["inspect", "copy"],
            vec!["verify", "copy"],
        ] {
            let run = room.run(&command);
            // `inspect` also shows the parts that it can read.
            assert_eq!(run.code, Some(1), "{name}, {command:?}: {}{}", run.out, run.err);
            assert!(
                format!("{}{}", run.out, run.err).contains("symbolic link"),
                "{name}, {command:?}: {}",
                run.err
            );
        }
        fs::remove_dir_all(room.path("copy")).unwrap();
        let elsewhere = room.path("elsewhere");
        if elsewhere.is_dir() { fs::remove_dir_all(elsewhere) } else { fs::remove_file(elsewhere) }
            .unwrap();
    }
}

/// No command hangs on a special file.
#[test]
fn special_files_are_not_blobs() {
    let room = Room::new();
    let stranger = layout(&room, "fifo", made_up(), 1000);
    mknodat(
        CWD,
        stranger.join("blobs/sha256").join(made_up().hex()),
        FileType::Fifo,
        Mode::RUSR,
        0,
    )
    .unwrap();
    let run = room.run(["export", "fifo", "-o", "-"]);
    assert!(run.code == Some(1) && run.err.contains("is a fifo"), "{}", run.err);
    mknodat(CWD, room.path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for source in ["/dev/zero", "/proc/self/environ", room.path("pipe").to_str().unwrap()] {
        let stranger = layout(&room, "device", made_up(), 1000);
        recipe(&stranger, made_up(), 1000, Path::new(source), 0);
        let run = room.run(["export", "device", "--trust-recipes", "-o", "-"]);
        assert_eq!(run.code, Some(1), "{source}: {}", run.err);
    }
}

/// A write below a link would change another folder, and collecting garbage would empty it.
#[test]
fn nothing_is_written_or_removed_below_a_link() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag t -o image");
    room.ok("build -f assets:/srv --tag u -o other");
    for link in ["blobs", "blobs/sha256", "recipes", "recipes/sha256"] {
        room.ok("build -f app:/bin/app --tag t --sparse -o stranger");
        fs::create_dir_all(room.path("victim/sha256")).unwrap();
        let victims = ["victim", "victim/sha256"].map(|folder| room.path(folder));
        for victim in &victims {
            for text in ["1", "2"] {
                fs::write(victim.join(Digest::of(text).hex()), text).unwrap();
                fs::write(victim.join(format!("{}.json", Digest::of(text).hex())), text).unwrap();
            }
            fs::write(victim.join(".oci-layout-x"), "x").unwrap();
        }
        // The layout also has blobs of its own.
        let place = room.path("stranger").join(link);
        for file in fs::read_dir(if link.ends_with("sha256") {
            place.clone()
        } else {
            place.join("sha256")
        })
        .unwrap()
        {
            let file = file.unwrap();
            fs::copy(file.path(), victims[1].join(file.file_name())).unwrap();
        }
        let before = room.files("victim");
        fs::rename(&place, room.path("away")).unwrap();
        symlink(if link.ends_with("sha256") { &victims[1] } else { &victims[0] }, &place).unwrap();
        for command in
            ["gc stranger", "fill stranger", "append other -o stranger", "image-layout -o stranger"]
        {
            let run = room.run(command.split(' '));
            // A layout whose folder of recipes is a link is not sparse, and blobs are appended to
            // it.
            let may_end_well = command.starts_with("append") && link.starts_with("recipes");
            assert!(run.code == Some(1) || may_end_well, "{link}, {command}: {}", run.err);
            assert_eq!(room.files("victim"), before, "{link}, {command}");
        }
        for folder in ["stranger", "victim", "away"] {
            fs::remove_dir_all(room.path(folder)).unwrap();
        }
    }
}

#[test]
fn roots_and_trust_let_recipes_read() {
    let room = Room::new();
    fs::create_dir_all(room.path("root/below")).unwrap();
    let bytes = b"a tar or not, its digest is right".repeat(100);
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    let inside = room.path("root/below/file");
    fs::write(&inside, &bytes).unwrap();
    fs::write(room.path("outside"), &bytes).unwrap();
    fs::create_dir(room.path("rooted")).unwrap();
    fs::write(room.path("rooted/file"), &bytes).unwrap();
    symlink(room.path("outside"), room.path("root/link")).unwrap();
    symlink(room.path("root"), room.path("to-root")).unwrap();
    symlink(room.path(""), room.path("root/up")).unwrap();
    for (source, in_root) in [
        ("root/below/file", true),
        ("root/below/../below/file", true),
        ("to-root/below/file", true),
        ("outside", false),
        ("rooted/file", false),
        ("root/link", false),
        ("root/../outside", false),
        ("root/up/outside", false),
    ] {
        let stranger = layout(&room, "stranger", digest, size);
        recipe(&stranger, digest, size, &room.path(source), 0);
        let run = |options: &str| {
            let command = format!("export stranger -o out.tar {options}");
            let run = room.run(command.trim_end().split(' '));
            let _ = fs::remove_file(room.path("out.tar"));
            if run.code != Some(0) {
                assert!(
                    REFUSAL.iter().all(|part| run.err.contains(part)),
                    "{source}, {options}: {}",
                    run.err
                );
            }
            run.code == Some(0)
        };
        assert!(!run(""), "{source}");
        assert!(run("--trust-recipes"), "{source}");
        for root in ["root", "to-root", "root/below/.."] {
            assert_eq!(run(&format!("--recipe-root {root}")), in_root, "{source}, {root}");
        }
        assert!(!run("--recipe-root assets"), "{source}");
        assert!(run("--recipe-root assets --recipe-root ."), "{source}");
    }
}

/// A recipe of a tar reads its sources.
#[test]
fn recipes_of_tars_are_followed_as_those_of_files() {
    let room = Room::new();
    room.ok("build -f app:/bin/app -f assets:/srv --tag t --sparse -o image");
    let names: Vec<PathBuf> = fs::read_dir(room.path("image/recipes/sha256"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let sealed = fs::read(&names[0]).unwrap();
    room.ok("export image -o out.tar --tag t");
    let refused = |what: &str, options: &str| {
        let run = room.run(format!("export image -o out.tar {options}").trim_end().split(' '));
        assert_eq!(run.code, Some(1), "{what}");
        assert!(REFUSAL.iter().all(|part| run.err.contains(part)), "{what}: {}", run.err);
    };
    // Without the seal, with a changed seal, and with the seal of another recipe.
    let mut recipe: Value = serde_json::from_slice(&sealed).unwrap();
    let seal = recipe["seal"].clone();
    for other in [Value::Null, json!("A".repeat(43) + "=")] {
        recipe["seal"] = other;
        recipe.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        fs::write(&names[0], recipe.to_string()).unwrap();
        refused("another seal", "");
    }
    recipe["seal"] = seal.clone();
    recipe["createdBy"] = json!("a stranger");
    fs::write(&names[0], recipe.to_string()).unwrap();
    refused("another recipe", "");
    recipe["seal"] = seal;
    fs::write(&names[0], &sealed).unwrap();
    let app = room.path("app");
    assert_eq!(room.run(["export", "image", "-o", "out.tar"]).code, Some(0));
    // A part of the sources is not enough.
    recipe.as_object_mut().unwrap().remove("seal");
    recipe.as_object_mut().unwrap().remove("createdBy");
    let made_by: Value = serde_json::from_slice(&sealed).unwrap();
    recipe["createdBy"] = made_by["createdBy"].clone();
    fs::write(&names[0], recipe.to_string()).unwrap();
    refused("half a root", "--recipe-root assets");
    refused("the other half", &format!("--recipe-root {}", app.display()));
    let both =
        format!("export image -o out.tar --recipe-root assets --recipe-root {}", app.display());
    assert_eq!(room.run(both.split(' ')).code, Some(0));
}

/// The seal of docs/byte-format.md, by Python's hmac.
#[test]
fn seals_match_the_byte_format() {
    const SCRIPT: &str = r#"
import base64, hashlib, hmac, json, sys
recipe = json.load(open(sys.argv[1]))
seal = base64.b64decode(recipe.pop('seal'))
members = [m for m in ('descriptor', 'diffId', 'createdBy', 'file', 'offset', 'tar') if m in recipe]
assert members == list(recipe), list(recipe)
text = b'oci-layout recipe\n' + json.dumps(recipe, separators=(',', ':'), ensure_ascii=False).encode()
assert seal == hmac.digest(open(sys.argv[2], 'rb').read(), text, hashlib.sha256)
"#;
    let room = Room::new();
    for (layout, command) in [
        ("tar", "build -f app:/bin/app --tag t --sparse -o tar"),
        ("file", "image-layout full --sparse -o file"),
    ] {
        room.ok(&format!(
            "build -f app:/bin/app --tag t -o {}",
            if layout == "file" { "full" } else { "other" }
        ));
        room.ok(command);
        for recipe in fs::read_dir(room.path(layout).join("recipes/sha256")).unwrap() {
            let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oci-layout/recipe-key");
            let python = std::process::Command::new("python3")
                .args(["-c", SCRIPT])
                .args([recipe.unwrap().path(), key])
                .output()
                .unwrap();
            assert!(
                python.status.success(),
                "{layout}: {}",
                String::from_utf8_lossy(&python.stderr)
            );
        }
    }
}

/// The next process does not hash what this one has hashed.
#[test]
fn checked_files_are_recorded_in_the_cache() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag t -o image");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let mut export = room.command(["export", "image", "-o", "out.tar"]);
    assert!(export.env("XDG_CACHE_HOME", room.path("cache")).output().unwrap().status.success());
    let files = fs::read_dir(room.path("cache/oci-layout/checked")).unwrap();
    let known: String =
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let blobs: Vec<_> =
        fs::read_dir(room.path("image/blobs/sha256")).unwrap().map(Result::unwrap).collect();
    assert!(!blobs.is_empty());
    for blob in blobs {
        let digest = blob.file_name().into_string().unwrap();
        assert!(known.contains(&format!("sha256:{digest}")), "{known} has no {digest}");
    }
}

/// Another user has another key. A key that others can read is not used.
#[test]
fn a_seal_is_valid_for_one_user() {
    use std::os::unix::fs::PermissionsExt;

    let room = Room::new();
    let run = |state: &str, args: &str| {
        let output =
            room.command(args.split(' ')).env("XDG_STATE_HOME", room.path(state)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("mine", "build -f app:/bin/app --tag t --sparse -o image").0, Some(0));
    let key = room.path("mine/oci-layout/recipe-key");
    assert_eq!(
        (fs::metadata(&key).unwrap().permissions().mode() & 0o777, fs::read(&key).unwrap().len()),
        (0o600, 32)
    );
    assert_eq!(run("mine", "export image -o out.tar").0, Some(0));
    let (code, err) = run("yours", "export image -o out.tar");
    assert!(code == Some(1) && REFUSAL.iter().all(|part| err.contains(part)), "{err}");
    // A moved and a copied layout still belong to this user.
    fs::rename(room.path("image"), room.path("moved")).unwrap();
    assert_eq!(run("mine", "export moved -o out.tar").0, Some(0));
    assert_eq!(run("mine", "fill moved").0, Some(0));
    for (what, break_it) in [
        (
            "readable",
            (|key| fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap())
                as fn(&Path),
        ),
        ("short", |key| fs::write(key, "short").unwrap()),
        ("empty", |key| fs::write(key, "").unwrap()),
    ] {
        fs::remove_dir_all(room.path("mine")).unwrap();
        assert_eq!(run("mine", "build -f app:/bin/app --tag t --sparse -o image").0, Some(0));
        break_it(&key);
        let (code, err) = run("mine", "export image -o out.tar");
        assert!(
            code == Some(1) && err.contains("recipe key") && err.contains("--trust-recipes"),
            "{what}: {err}"
        );
        fs::remove_dir_all(room.path("image")).unwrap();
    }
    // A home directory that cannot hold a key: the layout is made, with a warning that the seal is
    // missing.
    fs::write(room.path("file"), "").unwrap();
    let (code, err) = run("file", "build -f app:/bin/app --tag t --sparse -o image");
    assert!(code == Some(0) && err.contains("recipes cannot be sealed or verified"), "{err}");
}

/// Zeros, as many as the blob has bytes.
fn damage(file: &Path) {
    let size = fs::metadata(file).unwrap().len();
    fs::write(file, vec![0; size as usize]).unwrap();
}

#[test]
fn damaged_blobs_are_repaired_or_refused() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag t -o image");
    room.ok("image-layout image -o copy");
    for blob in fs::read_dir(room.path("copy/blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        damage(&blob);
        assert_ne!(room.run(["verify", "copy"]).code, Some(0));
        room.did("append image -o copy");
        assert_eq!(room.ok("verify copy"), "");
        assert_eq!(room.files("copy"), room.files("image"));
        // No layer or image is made of it, either.
        let ours = room.path("image/blobs/sha256").join(blob.file_name().unwrap());
        let whole = fs::read(&ours).unwrap();
        damage(&ours);
        let run = room.run(["image-layout", "image", "-o", "made"]);
        assert!(run.code == Some(1) && !room.path("made").exists(), "{}", run.err);
        fs::write(&ours, whole).unwrap();
    }
    room.ok("layer-tar -f app:/bin/app -o layer");
    room.ok("image-manifest --layer layer -o manifest");
    for folder in ["layer", "manifest"] {
        for blob in fs::read_dir(room.path(folder).join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap().path();
            let whole = fs::read(&blob).unwrap();
            damage(&blob);
            let command = if folder == "layer" {
                "image-manifest --layer layer -o made"
            } else {
                "image-layout manifest -o made"
            };
            let run = room.run(command.split(' '));
            assert!(run.code == Some(1) && !room.path("made").exists(), "{folder}: {}", run.err);
            fs::write(&blob, whole).unwrap();
        }
    }
}
