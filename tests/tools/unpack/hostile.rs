//! Layers that try to write outside of the folder, to get rights, or to use up the machine. This
//! program unpacks them as root and as a user: nothing outside of the folder changes, and a failure
//! leaves nothing. umoci and GNU tar are asked too.

use std::{
    fs,
    io::Write,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use flate2::{Compression as Level, write::GzEncoder};
use oci_layout::document::MediaType;
use serde_json::json;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::attacks::{
    Attack,
    Ours::{Fails, Makes},
    Theirs::{self, Differs, NotAsked, Same},
    attacks,
};
use crate::common::{
    as_nobody, put,
    raw_tar::{file, tar},
    tool::tool,
};
use crate::tools::entry::found_in;

const PROGRAM: &str = env!("CARGO_BIN_EXE_oci-layout");
const NOBODY: u32 = 65534;

/// The type and the path of each file, and whether it runs as its owner or group.
fn lines(root: &Path) -> Vec<String> {
    let line = |found: walkdir::DirEntry| {
        let metadata = found.metadata().unwrap();
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => 'd',
            kind if kind.is_file() => '-',
            kind if kind.is_symlink() => 'l',
            kind if kind.is_char_device() => 'c',
            _ => '?',
        };
        let sets_id = if metadata.mode() & 0o6000 == 0 { "" } else { "set-id " };
        format!("{sets_id}{kind} {}", found.path().strip_prefix(root).unwrap().display())
    };
    let walk = WalkDir::new(root).min_depth(1).sort_by_file_name();
    walk.into_iter().map(|found| line(found.unwrap())).collect()
}

/// A layout `image` with the tag `t`, of these layers as they are.
fn make_image(dir: &Path, layers: &[(MediaType, &[u8])]) {
    let layout = dir.join("image");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let layers: Vec<_> =
        layers.iter().map(|(media_type, bytes)| put(&layout, media_type.as_str(), bytes)).collect();
    // Only `verify` compares the diff IDs.
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = put(&layout, MediaType::CONFIG.as_str(), config.to_string());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::MANIFEST.as_str(), "config": config, "layers": layers,
    });
    let mut manifest = put(&layout, MediaType::MANIFEST.as_str(), manifest.to_string());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "t" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A folder with an image and, next to the folder that is unpacked into, one that must not change.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        fs::create_dir_all(room.path("canary/below")).unwrap();
        fs::write(room.path("canary/secret"), "secret").unwrap();
        fs::write(room.path("canary/below/x"), "x").unwrap();
        fs::create_dir(room.path("work")).unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes everything belong to a user.
    fn give_to_nobody(&self) {
        for found in WalkDir::new(&self.0) {
            lchown(found.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Runs a command, which may write in the folder `work` only.
    #[track_caller]
    fn run(&self, command: &mut Command) -> Output {
        let before = [found_in(&self.path("canary")), found_in(&self.path("image"))];
        let command = command.current_dir(self.path("work")).stdin(Stdio::null());
        let output = command.output().unwrap();
        let after = [found_in(&self.path("canary")), found_in(&self.path("image"))];
        assert!(before == after, "{command:?} changed {after:?}");
        assert_eq!(names(&self.path("")), ["canary", "image", "work"], "{command:?}");
        output
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks what this program makes of all attacks, if it is started so.
fn this_program(start: impl Fn(&Room) -> Command, is_root: bool) {
    for number in 0..attacks(Path::new("/")).len() {
        let room = Room::new();
        let Attack { name, layers, ours, .. } = attacks(&room.path("canary")).swap_remove(number);
        let layers: Vec<_> = layers.into_iter().map(|members| tar(&[members])).collect();
        let layers: Vec<_> = layers.iter().map(|tar| (MediaType::LAYER, &**tar)).collect();
        make_image(room.0.path(), &layers);
        let output = room.run(start(&room).args(["unpack", "../image:t", "-o", "root"]));
        let error = String::from_utf8(output.stderr).unwrap();
        match ours {
            Makes(expected) => {
                assert_eq!(output.status.code(), Some(0), "{name}: {error}");
                let is_possible = |line: &&&str| is_root || !line.starts_with('c');
                let expected: Vec<_> = expected.iter().filter(is_possible).copied().collect();
                assert_eq!(lines(&room.path("work/root")), expected, "{name}");
                assert_eq!(names(&room.path("work")), ["root"], "{name}");
            }
            Fails(reason) => {
                assert_eq!(output.status.code(), Some(1), "{name}: {error}");
                assert!(error.contains(reason), "{name}: {error}");
                assert_eq!(names(&room.path("work")), [""; 0], "{name}");
            }
        }
    }
}

#[test]
fn this_program_writes_nothing_outside() {
    let start = |_: &Room| {
        let mut command = tool("prlimit");
        command.args(["--as=1000000000", PROGRAM]);
        command
    };
    this_program(start, true);
}

#[test]
fn this_program_writes_nothing_outside_for_a_user() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Installs the program where the user may read it.
    let program = as_nobody(&mut Command::new(PROGRAM), dir.path()).get_program().to_owned();
    let start = |room: &Room| {
        // What the user may change must not change either.
        room.give_to_nobody();
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY).env("XDG_STATE_HOME", room.path("work/state"));
        command
    };
    this_program(start, false);
}

#[test]
fn umoci_and_gnu_tar_agree_or_differ_as_noted() {
    let mut wrong = Vec::new();
    for number in 0..attacks(Path::new("/")).len() {
        let room = Room::new();
        let attack = attacks(&room.path("canary")).swap_remove(number);
        let layers: Vec<_> =
            attack.layers.iter().map(|members| tar(std::slice::from_ref(members))).collect();
        let parts: Vec<_> = layers.iter().map(|tar| (MediaType::LAYER, &**tar)).collect();
        make_image(room.0.path(), &parts);
        fs::write(room.path("work/layer.tar"), &layers[0]).unwrap();
        fs::create_dir(room.path("work/tar")).unwrap();
        let mut umoci = tool("umoci");
        umoci.args(["raw", "unpack", "--image", "../image:t", "umoci"]);
        let mut gnu_tar = super::gnu_tar();
        gnu_tar.args(["--file=layer.tar", "--directory=tar"]);
        for (program, command, said) in
            [("umoci", umoci, attack.umoci), ("tar", gnu_tar, attack.tar)]
        {
            if said == NotAsked {
                continue;
            }
            let mut command = command;
            let output = room.run(&mut command);
            let found = || {
                let lines = lines(&room.path("work").join(program));
                lines.iter().map(|line| line.replace("set-id ", "")).collect::<Vec<_>>()
            };
            let does = match (&attack.ours, output.status.success()) {
                (_, false) => Theirs::Fails,
                (Makes(expected), true) if found() == *expected => Same,
                _ => Differs,
            };
            if does != said {
                wrong.push(format!("{}: {program} {does:?}: {output:?}", attack.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A small layer that unpacks to more than the disk has.
#[test]
fn a_bomb_ends_with_the_disk_and_leaves_nothing() {
    let room = Room::new();
    let bomb = tar(&[file("bomb", &vec![0; 32 << 20])]);
    let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
    gzip.write_all(&bomb).unwrap();
    let zstd = zstd::encode_all(&bomb[..], 1).unwrap();
    let small = "mount -t tmpfs -o size=8m none . && cd .
        \"$0\" unpack ../image:t -o root; echo \"exit $?\"; ls -A";
    for (media_type, layer) in
        [(MediaType::LAYER_GZIP, gzip.finish().unwrap()), (MediaType::LAYER_ZSTD, zstd)]
    {
        assert!(layer.len() < 500_000);
        make_image(room.0.path(), &[(media_type, &layer)]);
        let mut command = tool("unshare");
        let output = room.run(command.args(["--mount", "sh", "-c", small, PROGRAM]));
        let error = String::from_utf8(output.stderr).unwrap();
        // The file is in a temporary folder, which the user does not know.
        let reason = "cannot write \"root/bomb\": No space left on device (os error 28)\n";
        assert!(error.ends_with(reason), "{error}");
        assert_eq!(output.stdout, b"exit 1\n");
        fs::remove_dir_all(room.path("image")).unwrap();
    }
}
