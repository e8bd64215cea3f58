//! What `build` makes runs, and other programs find its platforms.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use oci_layout::{LayoutOptions, image_layout};
use tempfile::TempDir;

use crate::common::{
    hello::{busybox, hello},
    tool::{Containers, Registry, crane},
};

fn program(folder: &Path, args: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    program.args(args.split(' ')).current_dir(folder).stdin(Stdio::null());
    program.env("XDG_CACHE_HOME", folder.join("cache")).output().unwrap()
}

#[track_caller]
fn ok(folder: &Path, args: &str) -> String {
    let output = program(folder, args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*err), (Some(0), ""), "{args}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_runs_with_the_libraries_of_this_machine() {
    let dir = TempDir::new().unwrap();
    let ls = fs::canonicalize("/bin/ls").unwrap();
    let files = format!("-f {}:/bin/ls --text /hello=x --entrypoint /bin/ls --cmd /", ls.display());
    let output = program(dir.path(), &format!("build {files} -o without"));
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(warnings.contains("\"libc.so.6\", which \"/bin/ls\" needs"), "{warnings}");
    ok(dir.path(), &format!("build {files} --with-libraries -t 1.0 -o image"));
    // What it adds is enough for the loader, and not more than that loader loads.
    let containers = Containers::new(dir.path());
    let listed = containers.podman(["run", "--rm", "--quiet", "oci:image:1.0"]);
    assert!(listed.lines().any(|name| name == "hello"), "{listed}");
    let loaded = Command::new("ldd").arg(&ls).output().unwrap();
    let loaded = String::from_utf8(loaded.stdout).unwrap();
    let mut loaded: Vec<_> = loaded
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(|path| PathBuf::from(path).file_name().unwrap().to_owned())
        .collect();
    loaded.sort();
    loaded.dedup();
    let files = ok(dir.path(), "ls image **/*.so*");
    let mut added: Vec<_> =
        files.lines().map(|path| PathBuf::from(path).file_name().unwrap().to_owned()).collect();
    added.sort();
    added.dedup();
    assert_eq!(added, loaded);
}

/// podman runs no container of an image whose user has a warning, and all others.
#[test]
fn users_with_a_warning_are_refused_by_podman() {
    let dir = TempDir::new().unwrap();
    let containers = Containers::new(dir.path());
    let busybox = busybox();
    for with_files in [false, true] {
        for user in ["1000", "1000:1000", "app", "root", "other", "app:app", "1000:other", "app:5"]
        {
            let mut build = format!("build -f {}:/bin/busybox -o image --force", busybox.display());
            build += &format!(" --entrypoint /bin/busybox --cmd true --user {user}");
            if with_files {
                build += " --text /etc/passwd=app:x:7:7::/:/bin/sh --text /etc/group=app:x:7:";
            }
            let output = program(dir.path(), &build);
            let warnings = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{warnings}");
            let mut podman = containers.tool("podman");
            let run = podman.args(["run", "--rm", "--quiet", "oci:image"]).output().unwrap();
            let is_fine = warnings.is_empty();
            assert_eq!(run.status.success(), is_fine, "{user} {with_files}: {run:?} {warnings}");
            assert!(is_fine || warnings.contains(", as which a container runs, is not in"));
        }
    }
}

#[test]
fn a_base_image_comes_from_a_registry_once() {
    let dir = TempDir::new().unwrap();
    let base = dir.path().join("base");
    let image = hello(&base, "hello\n", "linux/amd64");
    let digest = image.digest();
    image_layout(&base, [image.tagged("1.0")], LayoutOptions::default()).unwrap();
    let registry = Registry::start();
    let reference = format!("{}/a/hello:1.0", registry.address);
    crane(["push", "--insecure", base.to_str().unwrap(), &reference]);
    let made = ok(dir.path(), &format!("build --base {reference} --text /new=new -t 1.0 -o image"));
    // The same as with the layout.
    assert_eq!(made, ok(dir.path(), "build --base base:1.0 --text /new=new -t 1.0 -o same"));
    let containers = Containers::new(dir.path());
    let text = containers.podman(["run", "--rm", "--quiet", "oci:image:1.0", "/hello", "/new"]);
    assert_eq!(text, "hello\nnew");
    // The digest pins the image, so that the cache is enough. A tag can change.
    let pinned = format!("{}/a/hello@{digest}", registry.address);
    ok(dir.path(), &format!("build --base {pinned} --cmd /other -o pinned"));
    drop(registry);
    ok(dir.path(), &format!("build --base {pinned} --cmd /other -o pinned-again"));
    let output = program(dir.path(), &format!("build --base {reference} --cmd /x -o late"));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("cannot connect to"), "{error}");
    assert!(!dir.path().join("late").exists());
}

#[test]
fn crane_finds_the_platforms() {
    let dir = TempDir::new().unwrap();
    for architecture in ["amd64", "arm64"] {
        fs::write(dir.path().join(architecture), architecture).unwrap();
    }
    ok(
        dir.path(),
        "build --platform linux/amd64=amd64:/bin/app --platform linux/arm64=arm64:/bin/app \
         --text /common=x -o image",
    );
    let registry = Registry::start();
    let reference = format!("{}/a/app:1.0", registry.address);
    crane(["push", "--insecure", dir.path().join("image").to_str().unwrap(), &reference]);
    for architecture in ["amd64", "arm64"] {
        let platform = format!("linux/{architecture}");
        let tar = dir.path().join("tar");
        let export = ["export", "--insecure", "--platform", &platform, &reference];
        crane(export.into_iter().chain([tar.to_str().unwrap()]));
        let mut tar = tar::Archive::new(fs::File::open(tar).unwrap());
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let text = std::io::read_to_string(&mut entry).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let entries: Vec<_> = entries.filter(|(_, text)| !text.is_empty()).collect();
        let expected = [("bin/app", architecture), ("common", "x")];
        let mut entries: Vec<_> =
            entries.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        entries.sort_unstable();
        assert_eq!(entries, expected);
    }
}
