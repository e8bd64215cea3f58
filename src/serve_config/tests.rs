//! What files mean, and the errors of those that are wrong.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    basics::error::{Error, Result},
    document::descriptor::Platform,
    registry::Client,
    serve_config::{
        change::changed,
        config::ServeConfig,
        read::{parse, read},
        section::{Key, Kind},
    },
};

const WHOLE: &str = r#"
listen = ":5000"
hosts = ["registry.example"]
tls = { cert = "cert.pem", key = "/etc/key.pem" }
htpasswd = "users"
access = "rights"
operations = "127.0.0.1:9090"
drain = "1m"
page = false
log-format = "json"
verbose = true

[layouts]
"me/app" = "images/app"

[packages]
source = "path:set"
state = "state"
allow-builds = true
allow-root = true
plan = "plan.json"
max-layers = 100
images = "images.toml"
store-layers = "always"
compression = "zstd:9"
pin = "1m"
branches = ["stable"]
tags = { old = "sets/old" }
channels = "https://channels.example"
nix = { substituters = "https://cache.example" }

[names]
platform = "linux/arm64"
aliases = { gtk = "gtk+3" }
always = []

[metapackages.tools]
packages = ["git", "jq?"]
user = "1000:100"
environment = { LANG = "C.UTF-8" }
files = { "/etc/motd" = "hello\n" }
command = ["git"]

[limits]
at-once = 1
queue = 0
per-client = 2
retry = "0s"
evaluation-time = "2m"
evaluation-memory = "1GiB"
nix-timeout = "1h"
silent-time = "5m"
closure-size = "1MiB"
builds = 3

[eviction]
keep = "30d"
max-size = "100GiB"

[storage]
bucket = "s3://bucket/state"
region = "eu-central-1"
endpoint = "http://localhost:1"
allow-http = true
account = "me"
redirect = true
"#;

/// Instead of a bucket.
const FOLDER: &str = "[storage]\nfolder = \"shared\"";

fn members(text: &str) -> Value {
    serde_json::to_value(parse("file", text).unwrap()).unwrap()
}

#[track_caller]
fn refused(text: &str) -> String {
    parse("\"r.toml\"", text).unwrap_err().to_string()
}

/// So that no key is missing above, or in the tests of what keys do.
#[test]
fn every_key_can_be_set_and_changes_something() {
    let (mut set, default) = (members(WHOLE), members(""));
    set["storage"]["folder"] = members(FOLDER)["storage"]["folder"].take();
    for Key { name, .. } in ServeConfig::keys() {
        let pointer = format!("/{}", name.trim_end_matches(".NAME").replace('.', "/"));
        assert!(set.pointer(&pointer).is_some(), "{name}");
        assert_ne!(set.pointer(&pointer), default.pointer(&pointer), "{name}");
    }
    let keys = changed(&parse("file", WHOLE).unwrap(), &ServeConfig::default());
    assert_eq!(keys.len(), ServeConfig::keys().len() - 1, "{keys:?}");
    for chosen in ["layouts.me/app", "packages.tags.old", "names.aliases.gtk", "metapackages.tools"]
    {
        assert!(keys.contains(&chosen.to_owned()), "{keys:?}");
    }
    assert!(changed(&ServeConfig::default(), &parse("file", "").unwrap()).is_empty());
}

#[test]
fn keys_reach_the_options_of_the_library() -> Result<()> {
    let config = parse("file", WHOLE)?;
    let limits = config.making_limits();
    assert_eq!((limits.at_once, limits.queued, limits.of_client), (1, 0, 2));
    assert!(limits.remember_failures.is_zero());
    let nix = config.nix_options();
    assert!(nix.allow_builds);
    assert_eq!((nix.jobs, nix.closure_size, nix.evaluation_memory), (3, 1 << 20, Some(1 << 30)));
    let seconds = [nix.evaluation_time, nix.realisation_time, nix.silent_time].map(|t| t.as_secs());
    assert_eq!(seconds, [120, 3600, 300]);
    assert_eq!(nix.settings["substituters"], "https://cache.example");
    let source = config.source_options();
    assert_eq!((source.remember.as_secs(), &*source.branches[0]), (60, "stable"));
    assert_eq!(source.channels, "https://channels.example");
    let eviction = config.eviction().unwrap();
    assert_eq!(eviction.max_age.unwrap().as_secs(), 30 * 24 * 60 * 60);
    assert_eq!(eviction.max_bytes, Some(100 << 30));
    let names = config.parsed_names()?;
    let contents = names.contents("gtk/tools").unwrap();
    assert_eq!(contents.platform, Platform::new("linux", "arm64"));
    assert_eq!(contents.packages, ["git", "gtk+3", "jq?"]);
    assert_eq!(contents.files["/etc/motd"], "hello\n".into());
    assert_eq!((contents.user.as_deref(), &*contents.command[0]), (Some("1000:100"), "git"));
    assert!(ServeConfig::default().eviction().is_none());
    let read = |file: &Path| Err(Error::invalid(format!("{file:?}"), "it is read"));
    assert!(config.layering(read).unwrap_err().to_string().starts_with("\"plan.json\": "));
    let layering = parse("file", &WHOLE.replace("plan =", "#"))?.layering(read)?;
    assert_eq!((layering.max_layers, layering.compression.to_string()), (100, "zstd:9".to_owned()));
    Ok(())
}

#[test]
fn the_defaults_are_those_of_the_library() {
    use crate::{on_demand::NixOptions, registry::MakingLimits};
    let config = ServeConfig::default();
    assert_eq!(config.making_limits(), MakingLimits::default());
    let (nix, library) = (config.nix_options(), NixOptions::default());
    assert_eq!(format!("{nix:?}"), format!("{library:?}"));
    let contents = config.parsed_names().unwrap().contents("git").unwrap();
    assert_eq!(contents.platform, Platform::new("linux", "amd64"));
    assert_eq!(contents.packages, ["cacert?", "git"]);
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.toml");
    fs::write(&file, WHOLE).unwrap();
    let config = serde_json::to_value(read(&file)?).unwrap();
    for (pointer, path) in [
        ("/tls/cert", "cert.pem"),
        ("/htpasswd", "users"),
        ("/access", "rights"),
        ("/layouts/me~1app", "images/app"),
        ("/packages/state", "state"),
        ("/packages/plan", "plan.json"),
        ("/packages/tags/old", "sets/old"),
    ] {
        let expected = folder.path().join(path);
        assert_eq!(config.pointer(pointer).unwrap(), expected.to_str().unwrap(), "{pointer}");
    }
    assert_eq!(config["tls"]["key"], "/etc/key.pem");
    let set = format!("path:{}", folder.path().join("set").display());
    assert_eq!(config["packages"]["source"], *set);
    fs::write(&file, FOLDER).unwrap();
    assert_eq!(read(&file)?.storage.folder.unwrap(), folder.path().join("shared"));
    // Only folders are paths.
    fs::write(&file, "[packages]\nsource = 'git:repository'\ntags = { old = 'v1' }\n").unwrap();
    let config = serde_json::to_value(read(&file)?).unwrap();
    assert_eq!(config["packages"]["source"], "git:repository");
    assert_eq!(config["packages"]["tags"]["old"], "v1");

    let message = read(Path::new("/nowhere/r.toml")).unwrap_err().to_string();
    assert!(message.contains("/nowhere/r.toml"), "{message}");
    Ok(())
}

#[test]
fn errors_name_the_line_the_key_and_what_is_expected() {
    for (text, expected) in [
        ("\nlisten = [\n", "\"r.toml\", line 2: not TOML: unclosed array"),
        (
            "\nlisten = 5000",
            "\"r.toml\", line 2, listen: invalid type: integer `5000`, expected an \
            address in quotes, as in \"127.0.0.1:5000\"",
        ),
        ("listen = '1:2:3'", "\"r.toml\", line 1, listen: expected PORT, :PORT or ADDRESS:PORT"),
        (
            "drain = 10",
            "\"r.toml\", line 1, drain: invalid type: integer `10`, expected a time in \
            quotes with its unit, as in \"30s\", \"5m\" or \"30d\"",
        ),
        (
            "\n\n[limits]\nnix-timeout = '0s'",
            "\"r.toml\", line 4, limits.nix-timeout: expected a \
            time from 1s to 3650d",
        ),
        (
            "[limits]\nclosure-size = '8GB'",
            "line 2, limits.closure-size: expected a size with its \
            unit, as in 512MiB or 8GiB",
        ),
        ("[limits]\nat-once = 0", "line 2, limits.at-once: expected a number from 1 to 1000"),
        ("[limits]\nat-once = -1", "line 2, limits.at-once: expected a number from 1 to 1000"),
        ("[packages]\nmax-layers = 128", "packages.max-layers: expected a number from 2 to 127"),
        (
            "[packages]\nsource = 'svn:x'",
            "line 2, packages.source: source \"svn:x\": write path:DIR",
        ),
        ("[packages]\ncompression = 'brotli'", "line 2, packages.compression: "),
        ("[names]\nplatform = 'linux'", "line 2, names.platform: "),
        ("hosts = 'a'", "line 1, hosts: "),
        ("log-format = 'xml'", "line 1, log-format: expected text or json"),
        ("allow-builds = true", "line 1: unknown member \"allow-builds\"; "),
        (
            "[limits]\nqueu = 1",
            "\"r.toml\", line 2, limits: unknown member \"queu\"; did you mean \
            \"queue\"?",
        ),
        (
            "[metapackages.a]\nusr = 'x'",
            "line 2, metapackages.a: unknown member \"usr\"; did you \
            mean \"user\"?",
        ),
        ("[limit]\nqueue = 1", "line 1: unknown member \"limit\"; did you mean \"limits\"?"),
        ("listen = '1'\nlisten = '2'", "line 2: not TOML: duplicate key"),
        ("[tls]\ncert = 'c'", "\"r.toml\", tls: cert and key belong together"),
        (
            "[storage]\nfolder = 'a'\nbucket = 's3://b'",
            "\"r.toml\", storage: it has a folder and a",
        ),
        ("[storage]\nregion = 'a'", "\"r.toml\", storage: region, endpoint"),
        ("[names]\naliases = { A = 'b' }", "\"r.toml\", alias \"A\": clients cannot write"),
        ("[metapackages.a]\nuser = ''", "\"r.toml\", metapackage \"a\", user \"\": write a name"),
        ("[names]\nplatform = 'windows/amd64'", "\"r.toml\", platform windows/amd64: no packages"),
    ] {
        let message = refused(text);
        assert!(message.contains(expected), "{text}\n{message}\n{expected}");
    }
}

#[test]
fn credentials_are_refused_and_not_shown() {
    for (text, expected) in [
        (
            "[storage]\naccess-key-id = 'hunter2'",
            "line 2, access-key-id: credentials do not belong",
        ),
        ("[storage]\nsecret_access_key = 'hunter2'", "AWS_SECRET_ACCESS_KEY"),
        (
            "[packages]\nsource = 'git:https://me:hunter2@example.org/x'",
            "packages.source: a password",
        ),
        ("[packages]\nnix = { access-tokens = 'hunter2' }", "set access-tokens in nix.conf"),
        ("password = 'hunter2'", "credentials do not belong"),
        ("unknown = 'hunter2'", "unknown member \"unknown\""),
        ("listen = 'hunter2", "not TOML"),
        ("listen = 'hunter2'", "expected PORT"),
    ] {
        let message = refused(text);
        assert!(message.contains(expected) && !message.contains("hunter2"), "{text}\n{message}");
    }
    assert!(parse("file", "[packages]\nsource = 'git:ssh://git@example.org/x'").is_ok());
}

/// The options of a bucket come from the file and the environment; the file decides.
#[test]
fn a_bucket_is_opened_with_the_credentials_of_the_environment() {
    let open = |text: &str, variables: &[(&str, &str)]| {
        let own = |text: &str| text.to_owned();
        let variables = variables.iter().map(|(name, value)| (own(name), own(value)));
        let config = parse("file", text).unwrap();
        config.storage.open(variables, &Client::default()).map(|storage| storage.is_some())
    };
    let bucket = "[storage]\nbucket = 's3://b/c'\nregion = 'r'\nendpoint = 'http://localhost:1'\n";
    let ignored = [("AWS_PROFILE", "x"), ("PATH", "/bin"), ("AWS_ENDPOINT_URL_S3", "not a URL")];
    assert!(open(bucket, &ignored).unwrap());
    assert!(open(&bucket.replace("endpoint = 'http://localhost:1'", ""), &ignored).is_ok());
    assert!(!open("", &ignored).unwrap());
    // A key without its secret shows that the environment is read, and is not in the message.
    let message = open(bucket, &[("AWS_ACCESS_KEY_ID", "hunter2")]).unwrap_err().to_string();
    assert!(message.contains("s3://b/c") && !message.contains("hunter2"), "{message}");
    assert!(open(bucket, &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]).unwrap());
    let message = open("[storage]\nbucket = 'ftp://b'", &[]).unwrap_err().to_string();
    assert!(message.contains("expected s3://, gs:// or az://"), "{message}");
}
