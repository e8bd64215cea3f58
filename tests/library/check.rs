//! Policies, against images whose files are known.

use oci_layout::{
    ConfigOptions, Digest, Error, FileMapping, Image, ImageLayout, LayerOptions, ManifestOptions,
    PlatformImage, Pool,
    check::{Check, ImageChecks, Policy, Violation, check_image},
    image_config, image_manifest, layer_tar,
};
use serde_json::json;

use crate::common::raw_tar::{self, directory, file, hard_link};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n";

fn text(path: &str, text: &str) -> FileMapping {
    FileMapping::text(text, path)
}

fn image<L: IntoIterator<Item = FileMapping>>(
    layers: impl IntoIterator<Item = L>,
    options: ConfigOptions,
) -> PlatformImage {
    let layer = |files| layer_tar(files, LayerOptions::default()).unwrap();
    let layers: Vec<_> = layers.into_iter().map(layer).collect();
    let config = image_config(&layers, options).unwrap();
    let image = Image::from(image_manifest(config, layers, ManifestOptions::default()).unwrap());
    PlatformImage::of(&image, None).unwrap()
}

fn check(image: &PlatformImage, policy: &str) -> ImageChecks {
    let policy = Policy::from_yaml("policy.yaml", policy).unwrap();
    check_image(image, &[policy], &Pool::new(2)).unwrap()
}

/// The findings as `place: defect`.
fn found(image: &PlatformImage, policy: &str) -> Vec<String> {
    let checks = check(image, policy);
    let finding = checks.findings();
    finding.map(|it| format!("{}: {}", it.place, it.violation.name())).collect()
}

/// A base with links, as Debian has them, and a layer that deletes, replaces and adds.
fn layered() -> PlatformImage {
    let lower = vec![
        text("/usr/bin/su", "su").mode(0o4755),
        text("/usr/bin/wall", "wall").mode(0o2755),
        FileMapping::symlink("usr/bin", "/bin"),
        text("/root/.ssh/id", KEY),
        text("/root/.ssh/config", "Host *\n"),
        text("/etc/old.key", KEY).mode(0o4755),
        text("/etc/kept.key", KEY),
        text("/etc/app.conf", "mode: prod\n").mode(0o666),
        FileMapping::symlink("app.conf", "/etc/link.conf"),
        text("/tmp/x/file", "").mode(0o644),
    ];
    let upper = vec![
        FileMapping::whiteout("/root/.ssh"),
        text("/etc/old.key", "nothing"),
        text("/srv/new", "new"),
    ];
    image([lower, upper], ConfigOptions::default())
}

#[test]
fn what_a_layer_ships_is_found_wherever_it_is() {
    let image = layered();
    let layers: Vec<_> = image.layers().iter().map(|layer| layer.descriptor().digest).collect();
    let checks = check(&image, "privateKeys: forbidden");
    let [Check { findings, .. }] = &checks.checks[..] else { panic!("{checks:?}") };
    assert!(findings.iter().all(|finding| finding.digest == Some(layers[0])));
    let sentences: Vec<_> = findings.iter().map(|finding| finding.violation.to_string()).collect();
    let places: Vec<_> = findings.iter().map(|finding| &*finding.place).collect();
    assert_eq!(places, ["/etc/kept.key", "/etc/old.key", "/root/.ssh/id"]);
    let key = "contains a private key (OPENSSH PRIVATE KEY)";
    assert_eq!(sentences[0], format!("{key}: remove it and replace the key, or allow the file"));
    assert!(sentences[1].starts_with(&format!("{key}. The layer {} replaces it", layers[1])));
    assert!(sentences[2].starts_with(&format!("{key}. A later layer deletes it")));

    for (policy, expected) in [
        ("privateKeys: {allow: [/etc]}", &["/root/.ssh/id: private-key"][..]),
        ("privateKeys: {allow: ['**/id', '/etc/*.key']}", &[]),
        (
            "forbiddenFiles: [/root/.ssh]",
            &["/root/.ssh/config: forbidden-file", "/root/.ssh/id: forbidden-file"],
        ),
        ("forbiddenFiles: ['**/id']", &["/root/.ssh/id: forbidden-file"]),
        (
            "forbiddenFiles: ['/etc/old.key']",
            &["/etc/old.key: forbidden-file", "/etc/old.key: forbidden-file"],
        ),
        // A link leads to the directory.
        ("forbiddenFiles: [/bin/su]", &["/usr/bin/su: forbidden-file"]),
        ("forbiddenFiles: ['/bin/s?']", &["/usr/bin/su: forbidden-file"]),
        ("forbiddenFiles: [/bin]", &["/bin: forbidden-file"]),
        ("forbiddenFiles: [/bin/sh, '*.key']", &[]),
        ("requiredFiles: [/bin/su, /usr/bin, '**/link.conf', srv/*]", &[]),
        ("requiredFiles: [/root/.ssh/id]", &["/root/.ssh/id: required-file-missing"]),
        // What a container does not see has no mode.
        ("setuidFiles: forbidden", &["/usr/bin/su: setuid-file", "/usr/bin/wall: setuid-file"]),
        ("setuidFiles: {allow: [/bin/su]}", &["/usr/bin/wall: setuid-file"]),
        ("worldWritableFiles: forbidden", &["/etc/app.conf: world-writable"]),
        ("worldWritableFiles: {allow: [/etc]}", &[]),
    ] {
        assert_eq!(found(&image, policy), expected, "{policy}");
    }
}

#[test]
fn users_are_those_of_the_image() {
    let passwd = "root:x:0:0::/root:/bin/sh\n\nweb:x:33:33::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\
        odd:x:none:1::/:\nweb:x:0:0::/:\n7:x:0:0::/:\n";
    let with = |user: Option<&str>, files: Vec<FileMapping>| {
        let options = ConfigOptions::default();
        let options = match user {
            Some(user) => options.user(user),
            None => options,
        };
        let image = image([files], options);
        let mut checks = check(&image, "rootUser: forbidden");
        checks.checks.remove(0).findings.pop().map(|finding| finding.violation.to_string())
    };
    let store = "/nix/store/x-passwd";
    let linked = || vec![text(store, passwd), FileMapping::symlink(store, "/etc/passwd")];
    for (user, reason) in [
        (None, Some("is empty")),
        (Some("0"), Some("so that containers run as root")),
        (Some("00:5"), Some("so that containers run as root")),
        (Some("root"), Some("which has the ID 0")),
        (Some("toor:web"), Some("which has the ID 0")),
        (Some("nobody"), Some("does not define")),
        (Some("odd"), Some("which has no number")),
        (Some("web"), None),
        (Some("web:0"), None),
        (Some("7"), None),
        (Some("1000:1000"), None),
    ] {
        let said = with(user, linked());
        assert_eq!(said.is_some(), reason.is_some(), "{user:?}: {said:?}");
        assert!(said.unwrap_or_default().contains(reason.unwrap_or_default()), "{user:?}");
    }
    // This library makes no such images.
    for user in ["-1", "99999999999", "-0"] {
        let image = raw(&[], &format!(r#"{{"User": "{user}"}}"#));
        assert_eq!(found(&image, "rootUser: forbidden"), ["configuration, config.User: root-user"]);
    }
    for files in [
        vec![text("/x", "")],
        vec![FileMapping::symlink("/none", "/etc/passwd")],
        vec![text("/etc/passwd", &format!("web:x:33:33::/:\n{}", "#".repeat(2 << 20)))],
        vec![text("/etc/passwd/x", "")],
    ] {
        let said = with(Some("web"), files).unwrap();
        assert!(said.contains("may be root, because /etc/passwd"), "{said}");
    }
}

#[test]
fn sizes_and_labels() {
    let options = ConfigOptions::default().label("a", "https://x/y").label("empty", "");
    let layers = [vec![text("/a", &"x".repeat(3000))], vec![text("/a", "xy")]];
    let image = image(layers, options);
    let layers = image.layers();
    let sizes: Vec<u64> = layers.iter().map(|layer| layer.descriptor().size).collect();
    let sum: u64 = sizes.iter().sum();
    let most = sizes.iter().max().unwrap();
    assert_ne!(sizes[0], sizes[1]);
    let largest = sizes.iter().position(|size| size == most).unwrap();
    for (policy, expected) in [
        (
            format!("sizes: {{compressed: {sum}B, unpacked: 3002B, layer: {most} B, layers: 2}}"),
            vec![],
        ),
        (
            format!("sizes: {{compressed: {}B, unpacked: 3001B, layers: 1}}", sum - 1),
            vec!["manifest, layers: size-exceeded".to_owned(); 3],
        ),
        (
            format!("sizes: {{layer: {}B}}", most - 1),
            vec![format!("manifest, layers[{largest}]: size-exceeded")],
        ),
        ("requiredLabels: [a, {key: a, value: '^https://'}]".to_owned(), vec![]),
        (
            "requiredLabels: [b, empty, {key: a, value: '^http:'}]".to_owned(),
            ["config-missing", "config-missing", "config-differs"]
                .map(|defect| format!("configuration, config.Labels: {defect}"))
                .to_vec(),
        ),
    ] {
        assert_eq!(found(&image, &policy), expected, "{policy}");
    }
}

/// What container-structure-test's driver for tars cannot judge: owners, links, and paths with
/// variables that are not set. `tests/tools/check.rs` has the rest.
#[test]
fn files_are_those_of_the_image() {
    let files = vec![
        text("/opt/app", "x").mode(0o755),
        FileMapping::symlink("/opt", "/abs"),
        FileMapping::symlink("loop", "/loop"),
        FileMapping::symlink("../../etc", "/up"),
        FileMapping::symlink("./../.././opt/.", "/over"),
        FileMapping::symlink("/opt/none", "/broken"),
    ];
    let image = image([files], ConfigOptions::default().env("DIR", "/opt"));
    let exists = |test: &str| {
        let list = format!("schemaVersion: 2.0.0\nfileExistenceTests: [{{name: x, {test}}}]");
        found(&image, &list)
    };
    for (test, expected) in [
        ("path: /opt/app, uid: 0, gid: 0", &[][..]),
        ("path: opt/app, uid: 1", &["/opt/app: owner-differs"]),
        ("path: /abs/app, gid: 5, isExecutableBy: other", &["/abs/app: owner-differs"]),
        ("path: /abs, permissions: Lrwxrwxrwx", &[]),
        ("path: /broken", &[]),
        ("path: /broken/x, shouldExist: false", &[]),
        ("path: /loop/x, shouldExist: false", &[]),
        // Linux stays at the root.
        ("path: /up/passwd, shouldExist: false", &[]),
        ("path: /up/opt/app", &["/up/opt/app: file-missing"]),
        ("path: /over/app", &[]),
        ("path: /a/../b, shouldExist: false", &["/a/../b: file-unread"]),
        ("path: '${DIR}/app'", &[]),
        ("path: $NONE/opt/app", &["/$NONE/opt/app: file-unread"]),
        ("path: $NONE/none, shouldExist: false", &["/$NONE/none: file-unread"]),
        ("path: /, permissions: drwxr-xr-x", &[]),
        ("path: /./, permissions: drwxr-xr-x", &[]),
        ("path: .", &[]),
        ("path: /opt/app, uid: -1, gid: -1", &[]),
        ("path: /opt/app, uid: , gid: ", &[]),
        ("path: /opt/app, isExecutableBy: ''", &[]),
        ("path: /opt/app, isExecutableBy: ", &[]),
        ("path: /opt/app, shouldExist: yes", &[]),
        ("path: /opt/app, shouldExist: On", &[]),
        ("path: /opt/app, shouldExist: no", &["/opt/app: file-exists"]),
        ("path: /opt/app, shouldExist: off", &["/opt/app: file-exists"]),
        ("path: /opt/app, shouldExist: ", &["/opt/app: file-exists"]),
        ("path: /, shouldExist: false", &["/: file-exists"]),
    ] {
        assert_eq!(exists(test), expected, "{test}");
    }
    let contents = |test: &str| {
        let list = format!("schemaVersion: 2.0.0\nfileContentTests: [{{name: x, {test}}}]");
        found(&image, &list)
    };
    for (test, expected) in [
        ("path: /abs/app, expectedContents: ['^x$']", &[][..]),
        ("path: /abs/app, excludedContents: [x, y]", &["/abs/app: content-excluded"]),
        ("path: /none, excludedContents: [x]", &["/none: file-unread"]),
        ("path: /broken, excludedContents: [x]", &["/broken: file-unread"]),
        ("path: /loop, excludedContents: [x]", &["/loop: file-unread"]),
        ("path: /opt, excludedContents: [x]", &["/opt: file-unread"]),
    ] {
        assert_eq!(contents(test), expected, "{test}");
    }
}

/// A layer and a configuration as their bytes are, with what this library does not make.
fn raw(entries: &[Vec<u8>], config: &str) -> PlatformImage {
    raw_layers(&[entries.to_vec()], config)
}

fn raw_layers(layers: &[Vec<Vec<u8>>], config: &str) -> PlatformImage {
    let layers: Vec<_> = layers.iter().map(|entries| raw_tar::tar(entries)).collect();
    let diff_ids: Vec<_> = layers.iter().map(Digest::of).collect();
    let names: Vec<_> = (0..layers.len()).map(|number| format!("{number}.tar")).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{}}}"#,
        json!({ "type": "layers", "diff_ids": diff_ids })
    );
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["a:1"], "Layers": names }]);
    let mut archive = vec![
        file("manifest.json", manifest.to_string().as_bytes()),
        file("config.json", config.as_bytes()),
    ];
    archive.extend(names.iter().zip(&layers).map(|(name, layer)| file(name, layer)));
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("docker.tar");
    std::fs::write(&layout, raw_tar::tar(&archive)).unwrap();
    let layout = ImageLayout::open(&layout).unwrap();
    layout.image(None, None).unwrap()
}

#[test]
fn hostile_layers_have_few_findings_and_no_silence() {
    // The same path twice: the second hides the first, which ships.
    let image =
        raw(&[file("a.pem", KEY.as_bytes()), file("a.pem", b""), hard_link("b", "a.pem")], "{}");
    assert_eq!(found(&image, "privateKeys: forbidden"), ["/a.pem: private-key"]);
    // A contiguous file.
    let image = raw(&[raw_tar::entry("key", b'7', "", KEY.as_bytes())], "{}");
    assert_eq!(found(&image, "privateKeys: forbidden"), ["/key: private-key"]);
    let many: Vec<_> = (0..5000).map(|number| file(&format!("f{number}"), b"")).collect();
    let image = raw(&many, "{}");
    let checks = check(&image, "forbiddenFiles: ['f*']");
    let findings = &checks.checks[0].findings;
    assert_eq!(findings.len(), 1001);
    assert_eq!(findings[1000].violation, Violation::More { count: 4000 });
}

/// A layer ships a key under all of its names.
#[test]
fn every_name_of_a_key_must_be_allowed() {
    let key = || vec![file("a.pem", KEY.as_bytes()), hard_link("b", "a.pem")];
    let gone = |names: &[&str]| names.iter().map(|name| file(name, b"")).collect::<Vec<_>>();
    for (layers, allowed, expected) in [
        (vec![key()], "a.pem, b", None),
        (vec![key()], "a.pem", Some("/b")),
        (vec![key()], "b", Some("/a.pem")),
        (vec![key(), gone(&[".wh.b"])], "a.pem", Some("/b")),
        (vec![key(), gone(&[".wh.a.pem"])], "b", Some("/a.pem")),
        (vec![key(), gone(&[".wh.b", ".wh.a.pem"])], "a.pem", Some("/b")),
        (vec![key(), gone(&[".wh.b", ".wh.a.pem"])], "'*'", None),
        (vec![key(), gone(&["b"])], "a.pem", Some("/b")),
        // A link of another layer.
        (vec![key(), vec![hard_link("c", "b")], gone(&[".wh.c"])], "a.pem, b", Some("/c")),
    ] {
        let image = raw_layers(&layers, "{}");
        let found = found(&image, &format!("privateKeys: {{allow: [{allowed}]}}"));
        let expected: Vec<_> = expected.iter().map(|name| format!("{name}: private-key")).collect();
        assert_eq!(found, expected, "{allowed}");
    }
    let image = raw_layers(&[key()], "{}");
    assert_eq!(found(&image, "forbiddenFiles: [b]"), ["/b: forbidden-file"]);
    // A link that leads nowhere is in no layer.
    let image = raw(&[hard_link("b", "none")], "{}");
    assert_eq!(found(&image, "forbiddenFiles: [b]"), ["/b: entry-left-out"]);
}

#[test]
fn globs_follow_links_that_lead_above_the_root() {
    let root = |target: &str| vec![file("home/r/.netrc", b"x"), raw_tar::symlink("root", target)];
    for (target, is_found) in
        [("home/r", true), ("../home/r", true), ("/../home/r", true), ("root", false)]
    {
        let image = raw(&root(target), "{}");
        for policy in ["forbiddenFiles: [/root/.netrc]", "forbiddenFiles: ['/root/**']"] {
            let expected: Vec<_> =
                is_found.then_some("/home/r/.netrc: forbidden-file").into_iter().collect();
            let mut found = found(&image, policy);
            found.retain(|finding| !finding.starts_with("/root"));
            assert_eq!(found, expected, "{target} {policy}");
        }
    }
}

#[test]
fn ports_have_a_protocol() {
    for (exposed, port, is_exposed) in [
        ("80", "80", true),
        ("80", "80/tcp", true),
        ("80", "80/udp", false),
        ("80/tcp", "80", true),
        ("80/TCP", "80/tcp", true),
        ("80/udp", "80", true),
        ("80/udp", "80/tcp", false),
        ("8080", "80", false),
    ] {
        let image = raw(&[], &format!(r#"{{"ExposedPorts":{{"{exposed}":{{}}}}}}"#));
        for (member, passes) in [("exposedPorts", is_exposed), ("unexposedPorts", !is_exposed)] {
            let policy = format!("schemaVersion: 2.0.0\nmetadataTest: {{{member}: ['{port}']}}");
            assert_eq!(found(&image, &policy).is_empty(), passes, "{exposed} {port} {member}");
        }
    }
}

/// An entry that runtimes apply in another way than this program, or that this program leaves out,
/// never passes.
#[test]
fn entries_that_no_check_sees_are_findings() {
    let with = |of: Vec<u8>, mode: &[u8; 7], uid: &[u8; 7]| {
        let mut header: [u8; 512] = of[..512].try_into().unwrap();
        header[100..107].copy_from_slice(mode);
        header[108..115].copy_from_slice(uid);
        [&raw_tar::with_checksum(header)[..], &of[512..]].concat()
    };
    let plain = |of| with(of, b"0000755", b"0000000");
    let x = || plain(file("x", b"x"));
    let link = || raw_tar::symlink("e", "etc");
    let unknown = || raw_tar::entry("x", b'Z', "", b"x");
    let (left_out, ambiguous) = ("entry-left-out", "entry-ambiguous");
    for (layers, expected) in [
        (vec![vec![x(), plain(hard_link("y", "x"))]], &[][..]),
        (vec![vec![x(), with(hard_link("y", "x"), b"0004755", b"0000000")]], &[("/y", ambiguous)]),
        (vec![vec![x()], vec![hard_link("y", "x")]], &[("/y", ambiguous)]),
        (vec![vec![x(), with(hard_link("y", "x"), b"0000755", b"0000005")]], &[("/y", ambiguous)]),
        // A link has the mode of what is there at that moment.
        (vec![vec![x(), plain(hard_link("y", "x")), file("x", b"")]], &[]),
        (vec![vec![x()], vec![file("x", b""), hard_link("y", "x")]], &[]),
        // Headers stay with their links when others are left out.
        (
            vec![vec![
                x(),
                hard_link("a/.wh.b", "x"),
                hard_link("../b", "x"),
                hard_link("c", "none"),
                plain(hard_link("y", "x")),
                hard_link("z", "x"),
            ]],
            &[("/../b", left_out), ("/c", left_out), ("/z", ambiguous)],
        ),
        // A symbolic link has no mode.
        (vec![vec![raw_tar::symlink("l", "x"), plain(hard_link("m", "l"))]], &[]),
        // Below a link, of the same layer or of a lower one, whatever it leads to.
        (vec![vec![file("etc/p", b""), link()], vec![file("e/p", b"")]], &[("/e/p", ambiguous)]),
        (vec![vec![link()], vec![file("e/a/p", b"")]], &[("/e/a/p", ambiguous)]),
        (vec![vec![link(), directory("e/p")]], &[("/e/p", ambiguous)]),
        (
            vec![vec![file("etc/p", b""), link()], vec![file("e/.wh.p", b"")]],
            &[("/e/.wh.p", ambiguous)],
        ),
        // All runtimes replace a link by a directory that has an entry.
        (vec![vec![link()], vec![directory("e"), file("e/p", b"")]], &[]),
        (vec![vec![link()], vec![file(".wh.e", b"")], vec![file("e/p", b"")]], &[]),
        (
            vec![vec![file("d/f", b""), raw_tar::symlink("e", "d"), hard_link("g", "e/f")]],
            &[("/g", left_out)],
        ),
        // What no check sees exists in containers.
        (vec![vec![file("a/.wh.d/su", b"x")]], &[("/a/.wh.d/su", left_out)]),
        (vec![vec![file("x/../a", b"x")]], &[("/x/../a", left_out)]),
        (vec![vec![file("../x", b""), directory("d")]], &[("/../x", left_out)]),
        (vec![vec![unknown()]], &[("/x", left_out)]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|(place, defect)| format!("{place}: {defect}")).collect();
        let image = raw_layers(&layers, "{}");
        let mut found = found(&image, "forbiddenFiles: [none]");
        found.sort();
        assert_eq!(found, expected, "{} layers", layers.len());
    }
}

#[test]
fn contents_have_a_bound() {
    let sizes = [(16 << 20, true), ((16 << 20) + 1, false)];
    for (size, is_read) in sizes {
        let image = raw(&[file("large", &vec![b'x'; size])], "{}");
        let tests = "schemaVersion: 2.0.0\nfileContentTests:\n\
            - {name: a, path: large, excludedContents: [y]}\n\
            - {name: b, path: large, expectedContents: ['x{9}']}";
        let expected = if is_read { vec![] } else { vec!["/large: file-too-large"; 2] };
        assert_eq!(found(&image, tests), expected);
    }
}

#[test]
fn policies_are_strict() {
    let version = "schemaVersion: 2.0.0\n";
    for (policy, reason) in [
        ("", "checks nothing"),
        ("sizes: {}", "checks nothing"),
        ("schemaVersion: 2.0.0\ncommandTests: []\n", "checks nothing"),
        ("rootUser: forbidden\nroot: 1", "unknown field `root`, expected one of"),
        ("rootUser: forbidden\nroot: 1", "line 2"),
        (
            "rootUser: forbidden\nrootUser: forbidden",
            "the member rootUser is given twice at line 2",
        ),
        ("rootUser: forbidden\n---\nrootUser: forbidden", "a second document begins at line 3"),
        ("rootUser: allowed", "expected the word forbidden"),
        ("setuidFiles: none", "the word forbidden, or an object with allow"),
        ("setuidFiles: {}", "missing field `allow`"),
        ("sizes: {compressed: 5}", "a size with its unit"),
        ("sizes: {layers: -1}", "sizes.layers: expected a number that is not negative at line 1"),
        ("rootUser: forbidden\nforbiddenFiles: a", "forbiddenFiles: expected a list at line 2"),
        ("sizes: 3", "sizes: expected an object at line 1"),
        ("sizes: [3]", "sizes: expected an object at line 1"),
        // A member without a value would check nothing.
        ("rootUser:", "rootUser: it has no value: write one, or remove it at line 1"),
        (
            "rootUser: forbidden\nprivateKeys: ~",
            "privateKeys: it has no value: write one, or remove it at line 2",
        ),
        ("rootUser: forbidden\nsetuidFiles: null", "setuidFiles: it has no value"),
        ("rootUser: forbidden\nworldWritableFiles:", "worldWritableFiles: it has no value"),
        ("rootUser: forbidden\nforbiddenFiles:", "forbiddenFiles: it has no value"),
        ("rootUser: forbidden\nrequiredFiles:", "requiredFiles: it has no value"),
        ("rootUser: forbidden\nrequiredLabels:", "requiredLabels: it has no value"),
        ("rootUser: forbidden\nsizes:", "sizes: it has no value"),
        ("sizes: {compressed: , layers: 3}", "sizes.compressed: it has no value"),
        ("sizes: {unpacked: ~, layers: 3}", "sizes.unpacked: it has no value"),
        ("sizes: {layer: ~, layers: 3}", "sizes.layer: it has no value"),
        ("sizes: {layers: ~, layer: 3B}", "sizes.layers: it has no value"),
        ("privateKeys: {allow: }", "privateKeys.allow: it has no value"),
        ("forbiddenFiles: [a, ~]", "forbiddenFiles[1]: it has no value"),
        ("requiredLabels: [~]", "the key of a label, or an object with key and value"),
        ("requiredLabels: [{key: a, value: }]", "requiredLabels[0].value: it has no value"),
        ("requiredLabels: [{key: }]", "requiredLabels[0].key: it has no value"),
        ("requiredLabels: ['']", "requiredLabels[0]: the key is empty"),
        ("requiredLabels: [{key: ''}]", "the key is empty"),
        ("forbiddenFiles: ['/']", "names the root: write a path below it"),
        ("forbiddenFiles: ['./']", "names the root"),
        ("privateKeys: {allow: ['']}", "names the root"),
        ("fileExistenceTests: [{name: a, path: /a, uid: -2}]", "an ID is not negative"),
        (
            "fileExistenceTests: [{name: a, path: /a, uid: a}]",
            "fileExistenceTests[0].uid: expected a number at line 1",
        ),
        ("fileExistenceTests: [{name: a, path: /a, shouldExist: maybe}]", "expected true or false"),
        ("requiredFiles: ['[']", "unclosed character class"),
        ("\nrequiredFiles: ['!a']", "line 2"),
        ("requiredLabels: [{name: a}]", "unknown field `name`"),
        ("schemaVersion: 1.0.0", "only 2.0.0 is supported"),
        ("fileExistenceTests: [{name: a, path: /a}]", "need the member schemaVersion: 2.0.0"),
        ("fileExistenceTests: [{path: /a}]", "missing field `name`"),
        ("fileExistenceTests: [{name: a, path: ''}]", "a name and a path"),
        ("fileExistenceTests: [{name: a, path: /a, mode: 1}]", "unknown field `mode`"),
        ("fileExistenceTests: [{name: a, path: /a, isExecutableBy: all}]", "any, owner, group"),
        ("fileContentTests: [{name: a, path: /a, expectedContents: ['(']}]", "unclosed group"),
        (
            "metadataTest: {labels: [{key: a, value: '[', isRegex: true}]}",
            "unclosed character class",
        ),
        ("metadataTest: {labels: [{key: ''}]}", "the key is empty"),
        (
            "commandTests: [{name: a, command: ls}]",
            "ociTestImage in Nix or with container-structure",
        ),
        ("licenseTests: [{debian: true}]", "oci-layout sbom"),
        ("containerRunOptions: {user: root}", "this check runs none"),
        ("[rootUser]", "line 1"),
        ("rootUser: \"forbidden", "line 1"),
    ] {
        let error = Policy::from_yaml("policy.yaml", policy).unwrap_err();
        let Error::Invalid { what, reason: said } = &error else { panic!("{error:?}") };
        assert_eq!(what, "policy \"policy.yaml\"");
        assert!(said.contains(reason), "{policy}: {said}");
    }
    for policy in [
        "{\"rootUser\": \"forbidden\", \"sizes\": {\"layers\": 3}}",
        &format!("{version}commandTests: []\nlicenseTests:\nmetadataTest: {{cmd: []}}"),
        &format!("{version}metadataTest: {{exposedPorts: [80], env: [{{key: A, value: 1.10}}]}}"),
        &format!("{version}x: &a [A]\n")
            .replace("x: &a [A]", "requiredFiles: &a [A]\nforbiddenFiles: *a"),
    ] {
        Policy::from_yaml("policy.yaml", policy).unwrap();
    }
}

#[test]
fn hostile_policies_end_in_an_error() {
    let aliases =
        |first: &str| format!("requiredFiles: [&a \"{first}\", {}]", ["*a"; 100_000].join(", "));
    for policy in [
        " ".repeat((1 << 20) + 1),
        format!("requiredFiles: {}", "[".repeat(500_000)),
        aliases(&"x".repeat(500_000)),
        aliases("x"),
        format!("requiredFiles: [{}]", "\"x\",".repeat(100_000)),
    ] {
        let error = Policy::from_yaml("policy.yaml", &policy).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().len() < 500);
    }
}
