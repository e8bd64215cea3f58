//! Advice for commands and options that other programs have, and this one does not.

use std::ffi::OsString;

use clap::{
    Command, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Replaces the suggestions of clap, which are names with similar letters, by advice about what the
/// user wants to do.
pub(crate) fn advise(error: &mut Error, program: &Command, arguments: &[OsString]) {
    let text = |error: &Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let tips = |tips: Vec<&str>| {
        ContextValue::StyledStrs(
            tips.into_iter().map(|tip| StyledStr::from(tip.to_owned())).collect(),
        )
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            if let Some((_, advice)) = COMMANDS.iter().find(|(names, _)| names.contains(&&*name)) {
                error.remove(ContextKind::SuggestedSubcommand);
                error.insert(ContextKind::Suggested, tips(vec![advice]));
            }
        }
        ErrorKind::UnknownArgument => {
            let option = text(error, ContextKind::InvalidArg).unwrap_or_default();
            let Some(mut command) = subcommand(program, arguments) else { return };
            if !option.starts_with('-') {
                let is_named = |argument: &OsString| {
                    let text = argument.to_string_lossy();
                    text.starts_with("-o") || text.starts_with("--output")
                };
                if command.get_arguments().any(|argument| argument.get_long() == Some("output"))
                    && !arguments.iter().any(is_named)
                {
                    let advice = format!("name the output with -o: -o {option}");
                    error.insert(ContextKind::Suggested, tips(vec![&advice]));
                }
                return;
            }
            // clap suggests to pass any unknown option as a value, after `--`.
            if !command.get_positionals().any(|argument| argument.is_last_set()) {
                error.remove(ContextKind::Suggested);
            }
            let meant = for_program(&option, &command, arguments);
            if let Some(advice) = meant.as_deref().or_else(|| for_option(&option, &command)) {
                error.remove(ContextKind::SuggestedArg);
                error.insert(ContextKind::Suggested, tips(vec![advice]));
                let usage = ContextValue::StyledStr(command.render_usage());
                error.insert(ContextKind::Usage, usage);
            }
        }
        _ => {}
    }
}

/// The command of these arguments, if they name one.
fn subcommand(program: &Command, arguments: &[OsString]) -> Option<Command> {
    let matches = program.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    program.find_subcommand(matches.subcommand_name()?).cloned()
}

/// Advice for what seems to be a further argument of the image's program.
fn for_program(option: &str, command: &Command, arguments: &[OsString]) -> Option<String> {
    let is_of_program = |name: &str| {
        ["--entrypoint", "--cmd"].contains(&name)
            && command
                .get_arguments()
                .any(|argument| argument.get_long() == name.strip_prefix("--"))
    };
    // `--entrypoint VALUE` or `--entrypoint=VALUE`, and the option after it.
    let texts: Vec<_> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let at = texts.iter().position(|text| text.split('=').next() == Some(option))?;
    let before = [texts.get(at.checked_sub(2)?), texts.get(at - 1)];
    let name = match before {
        [Some(name), _] if is_of_program(name) => *name,
        [_, Some(text)] => {
            text.split_once('=').map(|(name, _)| name).filter(|n| is_of_program(n))?
        }
        _ => return None,
    };
    let option = texts[at];
    Some(format!("repeat the option for each argument of the program: {name} {option}"))
}

fn for_option(option: &str, command: &Command) -> Option<&'static str> {
    let has = |condition: &&str| match condition.strip_prefix("--") {
        Some(long) => command.get_arguments().any(|argument| argument.get_long() == Some(long)),
        None => command.get_name() == *condition,
    };
    let is_it = |(options, conditions, _): &&(&[&str], &[&str], _)| {
        options.contains(&option) && (conditions.is_empty() || conditions.iter().any(has))
    };
    OPTIONS.iter().find(is_it).map(|(_, _, advice)| *advice)
}

/// Commands of docker, podman, buildah, skopeo, crane and umoci, and what does the same here.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["rm", "rmi", "remove", "untag"], "`delete` removes a tag, and `gc` what no image uses"),
    (
        &["prune", "system", "clean", "cleanup", "purge"],
        "`gc` removes the blobs that no image uses",
    ),
    (&["save"], "`export` writes images as one tar"),
    (
        &["load", "import"],
        "every command reads archives, as in `inspect FILE`; `image-layout FILE -o DIR` makes a \
         folder of one",
    ),
    (&["images", "list", "list-tags", "catalog"], "`tags` lists names, and `inspect` shows images"),
    (&["version"], "`--version` prints the version"),
    (&["image"], "`build` makes an image, and `inspect` shows one"),
    (&["buildx"], "`build` makes an image"),
    (&["auth"], "`login` and `logout` store and remove credentials"),
    (&["history"], "`inspect` shows the layers, and `config IMAGE` prints the history"),
    (&["info", "show", "stat"], "`inspect` shows an image"),
    (&["extract"], "`unpack` writes all files of an image, and `cp` some of them"),
    (&["mount"], "`ls`, `cat` and `cp` read the files of an image"),
    (&["size", "du"], "`inspect --size` explains the size of an image"),
    (&["compress"], "`recompress` changes the compression of the layers"),
    (
        &["convert"],
        "`recompress` changes the compression, and `export` writes an archive for docker",
    ),
    (&["compare"], "`diff` compares two images"),
    (&["retag"], "`tag` gives another name to an image"),
    (
        &["edit", "set", "update", "env", "label", "annotate"],
        "`mutate` changes the configuration and the annotations of an image",
    ),
    (&["tar"], "`layer-tar` packs files, and `unpack` writes the files of an image, also as a tar"),
    (
        &["create", "new", "init", "pack"],
        "`build` makes an image, and `image-layout` an empty layout",
    ),
    (&["from"], "`build --base IMAGE` builds on an image"),
    (&["add", "insert"], "`build --base IMAGE -f SRC:DEST` adds files to an image"),
    (&["commit", "repack"], "`layer-diff` makes a layer of what changed in a folder"),
    (&["flatten", "merge"], "`squash` merges the layers of an image"),
    (&["rebase"], "`mutate --rebase` replaces the base of an image"),
    (&["validate", "fsck"], "`verify` checks every byte of a layout"),
    (&["sync"], "`copy` copies from registry to registry"),
    (&["manifest-digest"], "`digest` prints the digest of an image"),
    (&["run", "exec"], "no container runs here: use `podman run oci:LAYOUT[:TAG]`"),
];

/// Options of the same programs, the commands for which the advice is, or options that these
/// commands have, and the advice.
const OPTIONS: &[(&[&str], &[&str], &str)] = &[
    (&["--port", "-p", "--exposed-ports"], &["--expose"], "use --expose"),
    (&["--port", "-p", "--address", "--bind"], &["--listen"], "use --listen HOST:PORT"),
    (&["--working-dir", "--workingdir"], &["--workdir"], "use --workdir"),
    (&["--set-env", "--add-env", "--environment"], &["--env"], "use --env"),
    (&["--remove-env", "--rm-env", "--env-rm"], &["--unset-env"], "use --unset-env"),
    (&["--add-label", "--set-label"], &["--label"], "use --label"),
    (
        &["--unset-entrypoint", "--remove-entrypoint", "--no-entrypoint"],
        &["--clear"],
        "use --clear entrypoint",
    ),
    (&["--command"], &["--cmd"], "use --cmd"),
    (
        &["--author", "--shell", "--healthcheck", "--health-cmd"],
        &["--extra-config"],
        "use --extra-config, which takes a part of the configuration as JSON",
    ),
    (&["--from"], &["--base"], "use --base"),
    (&["--add", "--copy"], &["--file"], "use -f SRC:DEST"),
    (&["--name"], &["--tag"], "use --tag"),
    (&["--overwrite"], &["--force"], "use --force"),
    (
        &["--timestamp", "--date"],
        &["--created"],
        "use --created for the image, and --mtime for its files",
    ),
    (&["--uid", "--gid", "--owner"], &["--chown"], "use --chown UID:GID"),
    (&["--layers"], &["build"], "use --split, or --new-layer before the files of each layer"),
    (&["--tree"], &["ls"], "`oci-layout inspect` draws a tree"),
    (&["-r", "-R", "--recursive"], &["cp"], "a directory is copied with everything below it"),
    (&["-t", "--tag"], &["push"], "write the new name after the image"),
    (
        &["--password", "-p", "--creds", "--src-creds", "--dest-creds"],
        &["--authfile"],
        "other users can see a password on the command line: store it with `oci-layout login \
         REGISTRY -u USER --password-stdin`, or name a file that has it with --authfile",
    ),
    (&["--src-authfile", "--dest-authfile"], &["--authfile"], "use --authfile"),
    (
        &["--insecure", "--src-tls-verify", "--dest-tls-verify"],
        &["--tls-verify"],
        "use --tls-verify=false, or --plain-http",
    ),
    (&["--src-cert-dir", "--dest-cert-dir"], &["--cert-dir"], "use --cert-dir"),
    (
        &["--all", "-a", "--multi-arch", "--all-platforms"],
        &["copy", "pull", "push", "inspect"],
        "all platforms are taken, unless --platform selects one",
    ),
    (
        &["--os", "--arch", "--variant", "--override-os", "--override-arch", "--override-variant"],
        &["--platform"],
        "use --platform OS/ARCH[/VARIANT]",
    ),
    (&["--format"], &["--json"], "use --json, and choose members with jq"),
    (
        &["--format"],
        &["build", "push", "pull", "copy"],
        "the format is that of OCI; `oci-layout export --format docker-archive` writes docker's",
    ),
    (&["--raw"], &["inspect"], "`oci-layout manifest` prints the manifest"),
    (&["-c", "--conf", "--configuration"], &["serve"], "use --config FILE"),
    (&["-t", "--test", "--validate", "--verify"], &["serve"], "use --check with --config FILE"),
    (&["--config"], &["inspect"], "`oci-layout config` prints the configuration"),
    (
        &["--build-arg", "--no-cache", "--pull", "--target", "--secret"],
        &["build"],
        "no Dockerfile is read, and no command runs: -f adds files, and --base names a base image",
    ),
    (&["--push"], &["build"], "`oci-layout push` sends the image to a registry"),
    (&["--load"], &["build"], "`oci-layout copy LAYOUT docker-daemon:NAME` loads the image"),
    (&["--image"], &[], "write the image without an option, as in LAYOUT:TAG"),
    (&["--rootless"], &["unpack"], "use --no-same-owner"),
    (
        &["--force"],
        &["append", "export", "pull", "push", "tag"],
        "it is not needed: what has the same name is replaced",
    ),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The commands and options between backticks, and options elsewhere in the advice.
    #[test]
    fn advice_names_what_exists() {
        let program = crate::Program::command();
        let find = |name: &str| program.find_subcommand(name);
        let all = COMMANDS.iter().map(|(names, advice)| (*names, &[][..], *advice));
        for (names, conditions, advice) in all.chain(OPTIONS.iter().copied()) {
            assert!(names.iter().all(|name| find(name).is_none()), "{names:?}");
            for condition in conditions.iter().filter(|condition| !condition.starts_with("--")) {
                let command = find(condition);
                #[cfg(not(feature = "registry"))]
                let command = command.or(find("build"));
                command.unwrap();
            }
            for quoted in advice.split('`').skip(1).step_by(2) {
                let words = quoted.strip_prefix("oci-layout ").unwrap_or(quoted);
                let name = words.split(' ').next().unwrap();
                let is_other = name == "podman" || name.starts_with("--");
                #[cfg(not(feature = "registry"))]
                let is_other = is_other || ["login", "logout", "push"].contains(&name);
                assert!(is_other || find(name).is_some(), "{advice}");
            }
        }
    }
}
