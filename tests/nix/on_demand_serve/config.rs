//! `serve --config`: what the keys of the file do, and how it is read again.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    registry::{Registry, begun, program, take_calls},
    set,
};
use crate::{
    common::{
        bucket::{Bucket, Provider},
        tool::{crane, run},
    },
    nix::versions::{Nix, Version, for_each_nix},
};

for_each_nix!(
    names_and_metapackages_are_of_the_file,
    a_reload_changes_names,
    limits_are_of_the_file,
    two_servers_share_a_storage,
    large_images_are_forgotten,
    a_file_can_be_checked,
);

/// Paths are relative to the folder of the file.
const FILE: &str = r#"
operations = "127.0.0.1:0"
verbose = true

[packages]
source = "path:set"
state = "state"
allow-builds = true
allow-root = true

[names.aliases]
uno = "one"

[metapackages.tools]
packages = ["two"]
user = "1234:99"
environment = { COLOUR = "blue" }
files = { "/etc/motd" = "welcome\n" }
command = ["two", "--now"]
"#;

/// Writes the file.
fn write(nix: &Nix, name: &str, text: &str) -> PathBuf {
    let file = nix.folder().join(name);
    fs::write(&file, text).unwrap();
    file
}

fn start(nix: &Nix, text: &str) -> Registry {
    let file = write(nix, "registry.toml", text);
    Registry::of(program(nix).arg("--config").arg(file))
}

fn names_and_metapackages_are_of_the_file(nix: Nix) {
    let _set = set(&nix);
    let registry = start(&nix, FILE);
    assert_eq!(registry.manifest("uno").body, registry.manifest("one").body);

    let reference = registry.reference("uno/tools");
    let config: Value = serde_json::from_str(&crane(["config", "--insecure", &reference])).unwrap();
    let config = &config["config"];
    assert_eq!(config["User"], "1234:99");
    assert_eq!(config["Cmd"], serde_json::json!(["two", "--now"]));
    let environment = config["Env"].as_array().unwrap();
    assert!(environment.contains(&"COLOUR=blue".into()), "{environment:?}");
    let tar = nix.folder().join("files.tar");
    crane(["export", "--insecure", &reference, tar.to_str().unwrap()]);
    let motd = run(Command::new("tar").arg("--extract").arg("--file").arg(&tar).args([
        "--to-stdout",
        "--wildcards",
        "*etc/motd",
    ]));
    assert_eq!(motd, "welcome\n");
    // Nobody knows whether the set has the packages of `shell`.
    assert!(registry.log().contains(&format!("{}/NAME/NAME…", registry.address)));
    assert!(!registry.log().contains("/shell"), "{}", registry.log());

    // An option takes precedence.
    drop(registry);
    let mut command = program(&nix);
    command.arg("--config").arg(nix.folder().join("registry.toml"));
    let registry = Registry::of(command.args(["--max-layers", "2"]));
    assert_eq!(registry.manifest("one").blobs().len(), 3, "a configuration and two layers");
}

fn a_reload_changes_names(nix: Nix) {
    let _set = set(&nix);
    let registry = start(&nix, FILE);
    let [one, two] = ["one", "two"].map(|name| registry.manifest(name).body);
    assert_eq!(registry.manifest("uno").body, one);

    let changed = FILE.replace("uno = \"one\"", "uno = \"two\"\ndos = \"two\"");
    write(&nix, "registry.toml", &format!("{changed}\n[limits]\nbuilds = 7\nqueue = 7\n"));
    registry.reload();
    registry.wait_for("restart the server for limits.builds\n");
    registry.wait_for(
        "has changed, and in effect are names.aliases.dos, names.aliases.uno, limits.queue\n",
    );
    assert_eq!(registry.manifest("uno").body, two);
    assert_eq!(registry.manifest("dos").body, two);

    write(&nix, "registry.toml", &changed.replace("dos = \"two\"", "dos = 2"));
    registry.reload();
    registry.wait_for("is not in effect, and its earlier contents are: ");
    registry.wait_for("line 13, names.aliases.dos: ");
    assert_eq!(registry.manifest("dos").body, two);
    registry.terminate();
    assert!(registry.end().success());
}

fn limits_are_of_the_file(nix: Nix) {
    let _set = set(&nix);
    let limits = "[limits]\nat-once = 1\nqueue = 1\nnix-timeout = \"4s\"\nretry = \"0s\"\n";
    let registry = start(&nix, &format!("{FILE}\n{limits}"));
    thread::scope(|scope| {
        let sleeping = scope.spawn(|| registry.manifest("sleeping"));
        let is_begun = || begun(&take_calls(&nix), "nix-instantiate") == 1;
        while !is_begun() {
            thread::sleep(Duration::from_millis(10));
        }
        let waiting = ["one", "two"].map(|name| scope.spawn(|| registry.manifest(name)));
        let mut answers = waiting.map(|answer| answer.join().unwrap());
        answers.sort_by_key(|answer| answer.status);
        // The second one waits for the place of the first, and the third finds the queue full.
        assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 429]);
        assert!(answers[1].header("retry-after").is_some());
        let sleeping = sleeping.join().unwrap();
        assert_eq!(sleeping.status, 422);
        assert!(sleeping.message().contains("4 s"), "{}", sleeping.message());
    });
    drop(registry);

    let registry = start(&nix, &format!("{FILE}\n[limits]\nclosure-size = \"1KiB\"\n"));
    let answer = registry.manifest("two/one/hello");
    assert_eq!(answer.status, 422);
    assert!(answer.message().contains("allows 1024"), "{}", answer.message());
}

fn two_servers_share_a_storage(nix: Nix) {
    let _set = set(&nix);
    let text = |state: &str| {
        let text = FILE.replace("state = \"state\"", &format!("state = \"{state}\""));
        format!("{text}\n[storage]\nfolder = \"shared\"\n")
    };
    let one = start(&nix, &text("state-of-one"));
    let manifest = one.manifest("one/tools");
    take_calls(&nix);
    let two = start(&nix, &text("state-of-two"));
    assert_eq!(two.manifest("tools/uno").body, manifest.body);
    assert_eq!(take_calls(&nix), [""; 0], "it was in the storage");
    two.pull_blobs("one/tools", &manifest);
    // The links are of one machine.
    for (folder, has_state) in [("state-of-one", false), ("state-of-two", false), ("shared", true)]
    {
        let folder = nix.folder().join(folder);
        assert_eq!(folder.join("images").exists(), has_state, "{folder:?}");
        assert!(!folder.join("state").exists());
    }
}

#[test]
#[ignore = "it wants moto_server, which no distribution provides: tests/run runs it if it is on PATH"]
fn two_servers_share_a_bucket_of_s3() {
    two_servers_share_a_bucket(Provider::S3);
}

#[test]
#[ignore = "it wants azurite-blob, which no distribution provides: tests/run runs it if it is on PATH"]
fn two_servers_share_a_bucket_of_azure() {
    two_servers_share_a_bucket(Provider::Azure);
}

fn two_servers_share_a_bucket(provider: Provider) {
    let nix = Nix::new(Version::System);
    let _set = set(&nix);
    let bucket = Bucket::of(provider);
    let start = |state: &str| {
        let text = FILE.replace("state = \"state\"", &format!("state = \"{state}\""));
        let file = write(&nix, "registry.toml", &(text + &bucket.config()));
        let mut command = program(&nix);
        command.envs(bucket.environment());
        // The file takes precedence over the region and the account.
        command.env("AWS_DEFAULT_REGION", "elsewhere").env("AZURE_STORAGE_ACCOUNT_NAME", "nobody");
        Registry::of(command.arg("--config").arg(file))
    };
    let manifest = start("state-of-one").manifest("one/tools");
    take_calls(&nix);
    let two = start("state-of-two");
    assert_eq!(two.manifest("tools/uno").body, manifest.body);
    assert_eq!(take_calls(&nix), [""; 0], "it was in the bucket");
    two.pull_blobs("one/tools", &manifest);
    let log = two.log();
    let mut secrets = bucket.environment().into_iter().filter(|(name, _)| name.ends_with("KEY"));
    assert!(secrets.all(|(_, secret)| !log.contains(secret)), "{log}");
}

fn large_images_are_forgotten(nix: Nix) {
    let set = set(&nix);
    let registry = start(&nix, FILE);
    registry.manifest("one");
    registry.manifest("two");
    registry.terminate();
    assert!(registry.end().success());
    // Images of the last hour stay.
    run(Command::new("find").arg(&set.state).args([
        "-exec",
        "touch",
        "--no-dereference",
        "--date",
        "2 hours ago",
        "{}",
        "+",
    ]));
    let registry = start(&nix, &format!("{FILE}\n[eviction]\nmax-size = \"1GiB\"\n"));
    assert_eq!(registry.manifest("one").status, 200);
    // No client waits until its pull is written down, beside the final name at first.
    let is_new = |entry: fs::DirEntry| {
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().map(|modified| modified.elapsed().unwrap_or_default());
        let is_whole = !entry.file_name().to_string_lossy().contains('#');
        is_whole && age.is_some_and(|age| age < Duration::from_secs(60))
    };
    let uses = || fs::read_dir(set.state.join("state/uses")).unwrap().flatten();
    let end = Instant::now() + Duration::from_secs(20);
    while !uses().any(is_new) {
        assert!(Instant::now() < end, "the pull is never written down");
        thread::sleep(Duration::from_millis(10));
    }
    drop(registry);
    let roots = || fs::read_dir(set.state.join("roots")).unwrap().count();
    assert_eq!(roots(), 2);
    // Only one of the images was pulled since.
    let registry = start(&nix, &format!("{FILE}\n[eviction]\nmax-size = \"1B\"\n"));
    registry.wait_for("1 images are forgotten; 1 are left");
    assert_eq!(roots(), 1);
}

fn a_file_can_be_checked(nix: Nix) {
    let _set = set(&nix);
    let check = |text: &str| {
        let file = write(&nix, "registry.toml", text);
        let mut command = program(&nix);
        let output = command.arg("--config").arg(file).arg("--check").output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        match output.status.success() {
            true => out + &err,
            false => format!("{out}{err}"),
        }
    };
    take_calls(&nix);
    let file = nix.folder().join("registry.toml");
    assert_eq!(check(FILE), format!("{file:?} is valid\n"));
    for (text, expected) in [
        (FILE.replace("state =", "stat ="), "line 7, packages: unknown member \"stat\"; did you"),
        (
            FILE.replace("user =", "plan = 'x'\nuser ="),
            "metapackages.tools: unknown member \"plan\"",
        ),
        (FILE.replace("allow-root = true", "plan = 'plan.json'"), "plan.json"),
        (FILE.replace("[packages]", "htpasswd = 'users'\n[packages]"), "users"),
        (FILE.replace("[packages]", "[layouts]\na = 'none'\n[packages]"), "none"),
        (FILE.replace("1234:99", "1:2:3"), "metapackage \"tools\", user \"1:2:3\": write a name"),
        (format!("{FILE}[storage]\nbucket = 'ftp://a'\n"), "expected s3://"),
    ] {
        let said = check(&text);
        assert!(said.starts_with("oci-layout: error: ") && said.contains(expected), "{said}");
    }
    assert_eq!(take_calls(&nix), [""; 0]);
    assert!(!nix.folder().join("state").exists());
}
