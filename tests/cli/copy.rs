//! `copy`, and scripts that run the program, with stand-ins for skopeo and docker.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::cli::room::{Room, Run};

/// A layout `image` with a full name, and stand-ins `skopeo` and `docker` that record their
/// arguments.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag ghcr.io/me/app:1.0 -o image");
    for name in ["skopeo", "docker"] {
        let script = format!(
            "#!/bin/sh\necho chatter\necho \"$@\" > {name}.arguments\ncat > {name}.input\n[ ! -e \
             fail ] || exit 42\n"
        );
        executable(&room, &format!("bin/{name}"), &script);
    }
    room
}

fn executable(room: &Room, name: &str, text: &str) {
    let path = room.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The output of the program with the stand-ins on PATH.
#[track_caller]
fn copy(room: &Room, args: &str) -> Run {
    let path = format!("{}:/usr/bin:/bin", room.path("bin").display());
    Run::of(room.command(args.split(' ')).env("PATH", path))
}

#[test]
fn skopeo_gets_the_options_that_keep_digests() {
    let room = room();
    let digest =
        room.json("image/index.json")["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let all = "--all --preserve-digests";
    // The port differs in each run.
    let source = format!("docker://127.0.0.1:PORT/image@{digest}");
    let read = "--src-tls-verify=false";
    for (args, told, printed) in [
        (
            "image docker://a.b/c:1",
            format!("{all} {read} {source} docker://a.b/c:1"),
            format!("a.b/c@{digest}"),
        ),
        (
            "image docker://a.b/c:1 --authfile auth.json --tls-verify=false --cert-dir certs",
            format!(
                "{all} --dest-tls-verify=false --dest-authfile auth.json --dest-cert-dir certs \
                 {read} {source} docker://a.b/c:1"
            ),
            format!("a.b/c@{digest}"),
        ),
        (
            "image:1.0 docker://localhost:5000/c",
            format!("{all} --dest-tls-verify=false {read} {source} docker://localhost:5000/c"),
            format!("localhost:5000/c@{digest}"),
        ),
        (
            "image --to docker 127.0.0.1/c:1",
            format!("{all} --dest-tls-verify=false {read} {source} docker://127.0.0.1/c:1"),
            format!("127.0.0.1/c@{digest}"),
        ),
        (
            "image --to docker docker://[::1]:5000/c:1",
            format!("{all} --dest-tls-verify=false {read} {source} docker://[::1]:5000/c:1"),
            format!("[::1]:5000/c@{digest}"),
        ),
        (
            "image --to docker",
            format!("{all} {read} {source} docker://ghcr.io/me/app:1.0"),
            format!("ghcr.io/me/app@{digest}"),
        ),
        (
            "image containers-storage:app:1 -- --quiet",
            format!("--preserve-digests {read} --quiet {source} containers-storage:app:1"),
            "app:1".to_owned(),
        ),
        (
            "image docker-archive:a.tar:b:1",
            format!("{read} {source} docker-archive:a.tar:b:1"),
            "docker-archive:a.tar:b:1".to_owned(),
        ),
        (
            "image dir:somewhere",
            format!("{all} {read} {source} dir:somewhere"),
            "dir:somewhere".to_owned(),
        ),
    ] {
        let run = copy(&room, &format!("copy {args}"));
        assert_eq!(
            run,
            Run { code: Some(0), out: printed + "\n", err: "chatter\n".to_owned() },
            "{args}"
        );
        let arguments = fs::read_to_string(room.path("skopeo.arguments")).unwrap();
        let port = arguments
            .split("docker://127.0.0.1:")
            .find_map(|rest| rest.split_once("/image@"))
            .unwrap()
            .0;
        assert!((1024..=65535).contains(&port.parse::<u32>().unwrap()), "{port}");
        let told = format!("--insecure-policy copy {told}\n").replace("PORT", port);
        assert_eq!(arguments, told, "{args}");
    }
}

#[test]
fn docker_gets_an_archive() {
    let room = room();
    for (args, name) in [
        ("image docker-daemon:app:2", "docker.io/library/app:2"),
        ("image --to docker-daemon app", "docker.io/library/app:latest"),
        ("image --to docker-daemon", "ghcr.io/me/app:1.0"),
    ] {
        let run = copy(&room, &format!("copy {args} -- --quiet"));
        let printed = args.rsplit("daemon").next().unwrap().trim_start_matches([':', ' ']);
        let printed = if printed.is_empty() { name } else { printed };
        assert_eq!(
            run,
            Run { code: Some(0), out: format!("{printed}\n"), err: "chatter\n".to_owned() },
            "{args}"
        );
        assert_eq!(fs::read_to_string(room.path("docker.arguments")).unwrap(), "load --quiet\n");
        let mut export = room.command(["export", "image", "--tag", name, "-o", "-"]);
        assert!(
            fs::read(room.path("docker.input")).unwrap() == export.output().unwrap().stdout,
            "{args}"
        );
    }
}

#[test]
fn the_output_and_exit_code_of_skopeo_and_docker_are_passed_on() {
    let room = room();
    fs::write(room.path("fail"), "").unwrap();
    for destination in ["dir:x", "docker-daemon:app:1"] {
        let run = copy(&room, &format!("copy image {destination}"));
        assert_eq!(run, Run { code: Some(42), out: String::new(), err: "chatter\n".to_owned() });
    }
    // A program that exits before it reads anything.
    executable(&room, "bin/docker", "#!/bin/sh\nexec <&-\necho no daemon >&2\nexit 3\n");
    let run = copy(&room, "copy image docker-daemon:app:1");
    assert_eq!(run, Run { code: Some(3), out: String::new(), err: "no daemon\n".to_owned() });
    for (args, sentence) in [
        (
            "image dir:x --skopeo bin/none",
            "program \"bin/none\": not found: install it, give its path with --skopeo or \
             --docker, or use `oci-layout push`, which sends to registries by itself",
        ),
        (
            "image docker-daemon:x --docker bin/none",
            "program \"bin/none\": not found: install it, give its path with --skopeo or \
             --docker, or use `oci-layout push`, which sends to registries by itself",
        ),
        (
            "image somewhere",
            "DEST: expected TRANSPORT:REFERENCE, as in docker://ghcr.io/me/app:1.0",
        ),
        ("image:2.0 dir:x", "\"image\" has no image with the tag \"2.0\": it has 1.0"),
    ] {
        let run = copy(&room, &format!("copy {args}"));
        assert_eq!(
            run,
            Run {
                code: Some(1),
                out: String::new(),
                err: format!("oci-layout: error: {sentence}\n")
            }
        );
    }
    assert_eq!(copy(&room, "copy image").code, Some(2));
}

#[test]
fn a_script_runs_with_the_arguments_in_it() {
    let room = room();
    let program = env!("CARGO_BIN_EXE_oci-layout");
    let script = |arguments: &str| format!("#!{program}\n{arguments}\n");
    let digest = room.ok("build -f app --tag odd -o odd");
    // Run by the kernel. An argument may contain any character.
    fs::rename(room.path("odd"), room.path("with space, \"quote\"\nand $(line)")).unwrap();
    let arguments = json!(["image-layout", "with space, \"quote\"\nand $(line)", "-o"]);
    executable(&room, "script", &script(&serde_json::to_string_pretty(&arguments).unwrap()));
    let mut command = Command::new(room.path("script"));
    let run = Run::of(
        command.arg("new layout").current_dir(room.path("")).env_clear().stdin(Stdio::null()),
    );
    assert_eq!(run, Run { code: Some(0), out: digest, err: String::new() });
    assert_eq!(room.run(["verify", "new layout"]).code, Some(0));

    // Run by hand, and through a link.
    symlink("script", room.path("link")).unwrap();
    assert_eq!(room.run(["link", "another"]).code, Some(0));
    fs::write(room.path("by-env"), "#!/usr/bin/env oci-layout\n[\"verify\"]").unwrap();
    assert_eq!(room.ok("by-env image"), "");
}

#[test]
fn other_files_are_not_run_as_scripts() {
    let room = room();
    let program = env!("CARGO_BIN_EXE_oci-layout");
    // Subcommands take precedence over files.
    fs::write(room.path("verify"), format!("#!{program}\n[\"help\"]")).unwrap();
    assert_eq!(room.ok("verify image"), "");
    fs::write(room.path("shell"), "#!/bin/sh\n[\"verify\"]").unwrap();
    fs::write(room.path("text"), "hello\n").unwrap();
    fs::write(room.path("line"), format!("#!{program}")).unwrap();
    for name in ["shell", "text", "line", "assets", "nothing"] {
        let run = room.run([name, "image"]);
        assert_eq!(run.code, Some(2));
        assert!(run.err.contains(&format!("unrecognized subcommand '{name}'")), "{run:?}");
    }
    for (name, text) in [("a", "{}"), ("b", "[1]"), ("c", "[\"verify\""), ("d", "")] {
        fs::write(room.path(name), format!("#!{program}\n{text}")).unwrap();
        let run = room.run([name, "image"]);
        assert_eq!((run.code, &*run.out), (Some(1), ""));
        let start = format!("oci-layout: error: script {name:?}: expected a JSON list of strings");
        assert!(run.err.starts_with(&start), "{run:?}");
    }
}
