//! Six images with everything that layers can contain, each by other programs, unpacked by this
//! program and by others, as root and as a user. The files that were packed say what is right.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use oci_layout::{MemoryBlob, Pool, document::MediaType, rootfs::unpack};
use tempfile::TempDir;

use super::{gnu_tar, not_before_1970, without_times_of_directories};
use crate::common::{
    as_nobody,
    tool::{Containers, run, tool},
};
use crate::tools::entry::{Entry, Kind, assert_same, found_in};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oci-layout");

#[test]
fn of_this_program() {
    let image = Made::by("ours");
    image.judge();
    image.in_other_forms();
}

/// Formats of GNU tar, an empty layer and three compressions. umoci adds the layers.
#[test]
fn of_gnu_tar() {
    let image = Made::by("gnu");
    image.judge();
    assert_has_holes(&image.path("ours/sparse"));
}

/// crane appends the layers, and skopeo makes a layout of its archive.
#[test]
fn of_bsdtar() {
    let image = Made::by("bsd");
    image.judge();
    assert_has_holes(&image.path("ours/sparse"));
}

/// Directories after their files, and a hard link to a file of a lower layer.
#[test]
fn of_python() {
    Made::by("python").judge();
}

/// umoci finds the differences of the layers.
#[test]
fn of_umoci() {
    Made::by("umoci").judge();
}

/// buildah finds the differences of the layers.
#[test]
fn of_buildah() {
    Made::by("buildah").judge();
}

/// An image, `image:t` in a folder, and what its maker packed.
struct Made {
    maker: &'static str,
    files: Vec<Entry>,
    dir: TempDir,
    containers: Containers,
}

impl Made {
    fn by(maker: &'static str) -> Self {
        let dir = TempDir::new().unwrap();
        let containers = Containers::new(dir.path());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/unpack/images.py");
        run(containers.tool("python3").args([script, maker, PROGRAM]));
        let mut files = found_in(&dir.path().join("root"));
        assert!(files.len() > 60, "{files:?}");
        if ["ours", "umoci", "buildah"].contains(&maker) {
            // These programs write whole seconds.
            files.iter_mut().for_each(|file| file.nanoseconds = 0);
        }
        if maker == "buildah" {
            // A new name of a file of the layers below becomes a file.
            let contents = Kind::File(b"hard/first".to_vec());
            files.iter_mut().find(|file| file.path.ends_with("third-too")).unwrap().kind = contents;
        }
        Self { maker, files, dir, containers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = tool(program);
        command.args(args).current_dir(&self.dir);
        command
    }

    fn judge(&self) {
        self.this_program_unpacks();
        self.umoci_unpacks();
        self.podman_mounts();
        self.crane_exports();
        self.a_user_unpacks();
    }

    fn this_program_unpacks(&self) {
        run(&mut self.command(PROGRAM, &["--strict", "unpack", "image:t", "-o", "ours"]));
        assert_same("this program", &self.files, &found_in(&self.path("ours")));
        run(&mut self.command(PROGRAM, &["--strict", "unpack", "image:t", "--tar", "ours.tar"]));
        fs::create_dir(self.path("tar")).unwrap();
        run(gnu_tar().args(["--file=ours.tar", "--directory=tar"]).current_dir(&self.dir));
        assert_same("this program's tar", &self.files, &found_in(&self.path("tar")));
    }

    fn umoci_unpacks(&self) {
        run(&mut self.command("umoci", &["raw", "unpack", "--image", "image:t", "umoci"]));
        assert_same("umoci", &self.files, &found_in(&self.path("umoci")));
    }

    fn podman_mounts(&self) {
        let mut pull = self.containers.tool("podman");
        let output = pull.args(["pull", "--quiet", "oci:image:t"]).output().unwrap();
        if self.maker == "umoci" {
            // The layer has a file in the place of a folder, and whiteouts for what the folder had.
            // We follow umoci, which made it: the whiteouts are about the layer below.
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("not a directory"), "{error}");
            return;
        }
        assert!(output.status.success(), "{output:?}");
        let image = String::from_utf8(output.stdout).unwrap();
        let mount = self.containers.podman(["image", "mount", image.trim()]);
        // Of the times of directories we follow umoci: an entry in a directory is not a change of
        // the directory's own entry.
        let comparable = |files| without_times_of_directories(not_before_1970(files));
        let found = found_in(mount.trim().as_ref());
        assert_same("podman", &comparable(self.files.clone()), &comparable(found));
    }

    fn crane_exports(&self) {
        let archive = ["export", "--format=docker-archive", "image:t", "-o", "archive.tar"];
        run(&mut self.command(PROGRAM, &archive));
        run(&mut self.command("sh", &["-c", "crane export - crane.tar <archive.tar"]));
        fs::create_dir(self.path("crane")).unwrap();
        let mut extract = gnu_tar();
        extract.args(["--file=crane.tar", "--directory=crane"]).current_dir(&self.dir);
        let mut expected = self.files.clone();
        if self.maker == "python" {
            // The entries of upper layers come first, also a link to a file of a lower one.
            let output = extract.output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("third-too: Cannot hard link to 'hard/second'"), "{error}");
            expected.retain(|file| !file.path.ends_with("third-too"));
        } else {
            run(&mut extract);
        }
        // We follow the specification and all others: an opaque whiteout removes what layers below
        // have, and what a folder contained does not return when a link in its place is removed.
        let wrong: &[&str] = match self.maker {
            "umoci" => &[],
            "ours" | "buildah" => &["turn/and-back/x"],
            _ => &["emptied/old", "emptied/old/c", "turn/and-back/x"],
        };
        let is_wrong = |file: &Entry| wrong.iter().any(|path| file.path == Path::new(path));
        let (returned, found) =
            found_in(&self.path("crane")).into_iter().partition::<Vec<_>, _>(is_wrong);
        assert_eq!(returned.len(), wrong.len());
        let comparable = without_times_of_directories;
        assert_same("crane", &comparable(expected), &comparable(found));
    }

    /// podman and buildah cannot be asked: they give a user the numbers of a user namespace, which
    /// not every system grants.
    fn a_user_unpacks(&self) {
        run(&mut self.command("chmod", &["--recursive", "a+rX", "image"]));
        let user = self.path("user");
        fs::create_dir(&user).unwrap();
        fs::set_permissions(&user, fs::Permissions::from_mode(0o777)).unwrap();
        let run_as_user = |name: &str, args: &[&str]| {
            let path = run(tool("sh").args(["-c", "command -v \"$0\"", name]));
            let mut command = Command::new(path.trim());
            command.args(args).env("HOME", "/nonexistent");
            as_nobody(&mut command, &user).output().unwrap()
        };
        let error = |output: Output| String::from_utf8(output.stderr).unwrap();
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let expected = restorable_by_a_user(self.files.clone());

        let ours = run_as_user(PROGRAM, &["unpack", "../image:t", "-o", "ours"]);
        assert!(ours.status.success(), "{ours:?}");
        let warnings = error(ours);
        assert_eq!(warnings.lines().count(), 4, "{warnings}");
        assert_same("this program, for a user", &expected, &found_in(&user.join("ours")));

        // GNU tar fails where we warn. It and umoci keep setuid bits. We do not, because such a
        // program would act for the user who unpacked it, and not for the user that it names.
        fs::create_dir(user.join("tar")).unwrap();
        chown(user.join("tar"), Some(65534), Some(65534)).unwrap();
        let tar: Vec<_> =
            gnu_tar().get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        let args = tar.iter().map(|arg| &**arg).filter(|arg| *arg != "--same-owner");
        let args: Vec<_> = args.chain(["--file=../ours.tar", "--directory=tar"]).collect();
        let tar = error(run_as_user("tar", &args));
        assert!(tar.contains("dev/null: Cannot mknod: Operation not permitted"), "{tar}");
        let found = restorable_by_a_user(found_in(&user.join("tar")));
        assert_same("GNU tar, for a user", &expected, &found);

        // It notes owners in an attribute, for engines without root, and makes files in the place
        // of devices. We follow GNU tar and leave the device out, because a file in its place
        // would hide that it is missing.
        let unpack = ["raw", "unpack", "--rootless", "--image", "../image:t", "umoci"];
        let umoci = run_as_user("umoci", &unpack);
        assert!(umoci.status.success(), "{umoci:?}");
        let mut found = restorable_by_a_user(found_in(&user.join("umoci")));
        found
            .iter_mut()
            .for_each(|file| file.xattrs.retain(|name, _| name != "user.rootlesscontainers"));
        let before = found.len();
        found.retain(|file| !["dev/disk", "dev/null"].map(Path::new).contains(&&*file.path));
        assert_eq!(before - found.len(), 2);
        assert_same("umoci, for a user", &expected, &found);
    }

    /// As a sparse layout, and as archives.
    fn in_other_forms(&self) {
        let program = |args: &str| {
            run(&mut self.command(PROGRAM, &args.split(' ').collect::<Vec<_>>()));
        };
        program("image-layout --sparse t=manifest -o sparse");
        program("export image:t -o oci.tar");
        program("export --format docker-archive image:t -o docker.tar");
        run(&mut self.command("gzip", &["--keep", "oci.tar"]));
        for image in ["sparse:t", "oci.tar", "oci.tar.gz", "docker-archive:docker.tar"] {
            program(&format!("unpack --trust-recipes {image} -o {image}-root"));
            let found = found_in(&self.path(&format!("{image}-root")));
            assert_same(image, &self.files, &found);
        }
    }
}

/// The files as a user can have them: owned by that user, without devices, and without the rights
/// of another user.
fn restorable_by_a_user(mut files: Vec<Entry>) -> Vec<Entry> {
    files.retain(|file| !matches!(file.kind, Kind::CharDevice(..) | Kind::BlockDevice(..)));
    for file in &mut files {
        (file.uid, file.gid, file.mode) = (65534, 65534, file.mode & !0o6000);
        file.xattrs.retain(|name, _| name != "security.capability");
    }
    files
}

fn assert_has_holes(file: &Path) {
    let found = fs::metadata(file).unwrap();
    assert!(found.blocks() * 512 < found.len() / 10, "{} blocks", found.blocks());
}

/// Readers in Go refuse some of these formats, so GNU tar alone is the judge.
#[test]
fn sparse_files_of_every_format() {
    let dir = TempDir::new().unwrap();
    let make = "mkdir files; cd files; truncate --size 4M hole parts
        for at in $(seq 1 40); do
            printf data | dd of=parts bs=1 seek=$((at * 100000)) conv=notrunc status=none
        done";
    run(tool("bash").args(["-euc", make]).current_dir(&dir));
    let expected = found_in(&dir.path().join("files"));
    for format in ["gnu", "pax 0.0", "pax 0.1", "pax 1.0"] {
        let mut create = tool("tar");
        let (format, version) = format.split_once(' ').unwrap_or((format, ""));
        create.args(["--create", "--sparse", &format!("--format={format}"), "--file=tar"]);
        if !version.is_empty() {
            create.arg(format!("--sparse-version={version}"));
        }
        run(create.args(["--directory=files", "hole", "parts"]).current_dir(&dir));
        let tar = fs::read(dir.path().join("tar")).unwrap();
        assert!(tar.len() < 1 << 20);
        let root = dir.path().join(format!("{format}-{version}"));
        let layer = MemoryBlob::new(MediaType::LAYER, tar);
        assert_eq!(unpack([layer], &root, &Pool::new(2)).unwrap(), []);
        let mut found = found_in(&root);
        if format == "gnu" {
            // It has whole seconds.
            found.iter_mut().zip(&expected).for_each(|(found, file)| {
                assert_eq!(found.nanoseconds, 0);
                found.nanoseconds = file.nanoseconds;
            });
        }
        assert_same(&format!("{format} {version}"), &expected, &found);
        ["hole", "parts"].iter().for_each(|name| assert_has_holes(&root.join(name)));
    }
}
