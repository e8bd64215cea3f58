//! What the program says to users of other programs.

use crate::cli::room::Room;

/// The tip, if there is one.
fn tip(room: &Room, args: &str) -> String {
    let run = room.run(args.split(' '));
    assert_eq!((run.code, &*run.out), (Some(2), ""), "{args}");
    let tips: Vec<_> = run.err.lines().filter_map(|line| line.strip_prefix("  tip: ")).collect();
    tips.join("\n")
}

#[test]
fn commands_of_other_programs_are_known() {
    let room = Room::new();
    for (command, advice) in [
        ("rm image", "`delete` removes a tag, and `gc` what no image uses"),
        ("help rm", "`delete` removes a tag, and `gc` what no image uses"),
        ("--threads 1 save image", "`export` writes images as one tar"),
        ("images", "`tags` lists names, and `inspect` shows images"),
        ("version", "`--version` prints the version"),
        ("image ls", "`build` makes an image, and `inspect` shows one"),
        ("history image", "`inspect` shows the layers, and `config IMAGE` prints the history"),
        ("extract x", "`unpack` writes all files of an image, and `cp` some of them"),
        ("create", "`build` makes an image, and `image-layout` an empty layout"),
        ("run image", "no container runs here: use `podman run oci:LAYOUT[:TAG]`"),
        // A mistyped command.
        ("imspect", "a similar subcommand exists: 'inspect'"),
        ("zzz", ""),
    ] {
        assert_eq!(tip(&room, command), advice, "{command}");
    }
    // What is said of `load` is true.
    room.ok("build -f app -o image");
    room.ok("export image --format docker-archive -o image.tar");
    assert_eq!(room.ok("image-layout image.tar -o folder"), room.ok("digest image"));
}

#[test]
fn options_of_other_programs_are_known() {
    let room = Room::new();
    let format = "the format is that of OCI; `oci-layout export --format docker-archive` writes \
                  docker's";
    for (args, advice) in [
        ("inspect --format json image", "use --json, and choose members with jq"),
        ("build --format docker -f app -o out", format),
        ("build -p 80 -f app -o out", "use --expose"),
        ("inspect --raw image", "`oci-layout manifest` prints the manifest"),
        // Nothing has a name that begins with hyphens.
        ("ls --force image", ""),
        ("tag image --foo", ""),
        // The value could be an argument of skopeo.
        ("copy image --foo", "to pass '--foo' as a value, use '-- --foo'"),
        ("build --entrypont a -o out", "a similar argument exists: '--entrypoint'"),
        // Arguments of the image's program.
        (
            "build -f app --entrypoint /bin/app --flag -o out",
            "repeat the option for each argument of the program: --entrypoint --flag",
        ),
        (
            "mutate image --cmd=a --tagg=x",
            "repeat the option for each argument of the program: --cmd --tagg=x",
        ),
        ("build --tagg a --entrypoint /bin/app -o out", "a similar argument exists: '--tag'"),
        ("mutate image --set-env A=1", "use --env"),
        ("mutate image --unset-entrypoint", "use --clear entrypoint"),
        ("serve --port 80 image", "use --listen HOST:PORT"),
        ("serve --config registry.toml --test", "use --check with --config FILE"),
        ("unpack image rootfs", "name the output with -o: -o rootfs"),
        ("--env build", "'build --env' exists"),
        ("-- build", "subcommand 'build' exists; to use it, remove the '--' before it"),
    ] {
        assert_eq!(tip(&room, args), advice, "{args}");
    }
}

#[cfg(feature = "registry")]
#[test]
fn options_of_other_clients_are_known() {
    let room = Room::new();
    let password = "other users can see a password on the command line: store it with `oci-layout \
                    login REGISTRY -u USER --password-stdin`, or name a file that has it with \
                    --authfile";
    for (args, advice) in [
        ("pull a/b --creds me:secret -o out", password),
        ("copy image docker://a/b --dest-creds me:secret", password),
        ("login a.b -u me -p secret", password),
        ("push image a/b --dest-tls-verify=false", "use --tls-verify=false, or --plain-http"),
        ("push image a/b --all", "all platforms are taken, unless --platform selects one"),
        ("push image a/b --force", "it is not needed: what has the same name is replaced"),
        ("build --base a.b/c --creds me:secret -o out", password),
    ] {
        assert_eq!(tip(&room, args), advice, "{args}");
        assert!(!room.run(args.split(' ')).err.contains("secret"), "{args}");
    }
    // This command does not contact registries.
    assert_ne!(tip(&room, "gc --creds me:secret image"), password);
    // The usage is that of the command, without the option of clap's suggestion.
    let run = room.run(["pull", "a/b", "--creds", "me:secret"]);
    assert!(run.err.contains("\n\nUsage: oci-layout pull [OPTIONS] <REF>\n"), "{}", run.err);
}
