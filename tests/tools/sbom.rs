//! Bills of materials of real root file systems, against the programs that manage their packages and
//! against the schema.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::tool::{INSTALLED, Registry, crane, oras, run, schemas, skopeo, tool};
use crate::tools::pull::program;

#[track_caller]
fn ok(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = program(arguments, folder, |_| {});
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

/// What the schema says of documents.
fn schema_says(documents: &[&Value]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/cyclonedx.py");
    let mut python = tool("python3");
    python.arg(script).arg(format!("{INSTALLED}/cyclonedx")).stdin(Stdio::piped());
    let mut child = python.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    documents.iter().for_each(|document| writeln!(stdin, "{document}").unwrap());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn packages_of_debian_are_those_of_dpkg() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let debian = format!("{INSTALLED}/debian.tar");
    ok(folder, &["build", "--tar", &format!("{debian}:/"), "--tag", "1", "-o", "debian"]);
    run(tool("tar").args(["--extract", "--file", &debian, "./var/lib/dpkg"]).current_dir(folder));
    let installed = run(tool("dpkg-query")
        .arg(format!("--admindir={}", folder.join("var/lib/dpkg").display()))
        .args(["--show", "--showformat", "${Package} ${Version} ${Architecture}\n"]));
    let installed: BTreeSet<&str> = installed.lines().collect();

    let document = ok(folder, &["sbom", "debian"]);
    assert_eq!(ok(folder, &["--threads", "1", "sbom", "debian"]), document);
    let document: Value = serde_json::from_slice(&document).unwrap();
    let components = document["components"].as_array().unwrap();
    assert_eq!(
        (&components[0]["type"], &components[0]["name"]),
        (&"operating-system".into(), &"debian".into())
    );
    let found: BTreeSet<String> = components[1..]
        .iter()
        .map(|component| {
            let text = |member: &str| component[member].as_str().unwrap();
            let (_, architecture) = text("purl").split_once("arch=").unwrap();
            let architecture = architecture.split('&').next().unwrap();
            format!("{} {} {architecture}", text("name"), text("version"))
        })
        .collect();
    assert!(found.len() > 50);
    assert!(found.iter().map(String::as_str).eq(installed));

    // The schema accepts it, and can refuse.
    let mut broken = document.clone();
    broken["components"][1]["type"] = "program".into();
    broken["more"] = 1.into();
    assert_eq!(schema_says(&[&document]), "");
    let said = schema_says(&[&document, &broken]);
    assert!(said.lines().count() >= 2 && said.lines().all(|line| line.starts_with("2 ")), "{said}");
}

#[test]
fn packages_of_rpm_are_those_of_rpm() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let spec = "Name: hello\nVersion: 2.10\nRelease: 3\nEpoch: 1\nSummary: A greeting\n\
        License: GPL-3.0-or-later\nBuildArch: noarch\n%description\nA greeting.\n\
        %package tools\nSummary: Tools\nEpoch: 0\n%description tools\nMore.\n%files\n%files tools\n";
    fs::write(folder.join("hello.spec"), spec).unwrap();
    let top = format!("_topdir {}", folder.join("top").display());
    let mut build = tool("rpmbuild");
    build.current_dir(folder).env("HOME", folder);
    run(build.args(["-bb", "--quiet", "--define", &top, "hello.spec"]));
    let built = fs::read_dir(folder.join("top/RPMS/noarch")).unwrap();
    let built: Vec<_> = built.map(|package| package.unwrap().path()).collect();
    let rpm = || {
        let mut rpm = tool("rpm");
        rpm.env("HOME", folder).arg("--root").arg(folder.join("root"));
        rpm.args(["--dbpath", "/var/lib/rpm"]);
        rpm
    };
    fs::create_dir(folder.join("root")).unwrap();
    run(rpm().args(["--install", "--justdb", "--nodeps", "--noscripts"]).args(built));
    let format = "%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{LICENSE} %{SOURCERPM} %{EPOCH}\n";
    let installed = run(rpm().args(["--query", "--all", "--queryformat", format]));
    let installed: BTreeSet<&str> = installed.lines().collect();
    assert_eq!(installed.len(), 2);

    ok(folder, &["build", "-f", "root/var:/var", "--tag", "1", "-o", "image"]);
    let bill: Value = serde_json::from_slice(&ok(folder, &["sbom", "image"])).unwrap();
    let components = bill["components"].as_array().unwrap();
    let found = components.iter().map(|component| {
        let text = |pointer: &str| component.pointer(pointer).unwrap().as_str().unwrap();
        let (name, version) = (text("/name"), text("/version"));
        let purl = text("/purl");
        let rest = purl.strip_prefix(&format!("pkg:rpm/redhat/{name}@{version}?")).unwrap();
        let of = |key: &str| rest.split('&').find_map(|pair| pair.strip_prefix(key)).unwrap();
        let licence = text("/licenses/0/expression");
        format!("{name} {version} {} {licence} {} {}", of("arch="), of("upstream="), of("epoch="))
    });
    let found: BTreeSet<String> = found.collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), installed);
    assert_eq!(schema_says(&[&bill]), "");
}

/// As `cargo auditable` writes it: compressed by zlib, in a section of its own.
#[test]
fn programs_list_their_packages() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    let list = r#"{"packages":[
        {"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1,2,3]},
        {"name":"libc","version":"0.2.150","source":"crates.io"},
        {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
        {"name":"patched","version":"2.0.0","source":"git","dependencies":[1]}]}"#;
    fs::write(folder.join("list.json"), list).unwrap();
    fs::write(folder.join("bomb.json"), vec![b' '; 9 << 20]).unwrap();
    let compress = "import zlib\nfor name in ['list', 'bomb']:\n    \
        open(name, 'wb').write(zlib.compress(open(name + '.json', 'rb').read()))";
    run(tool("python3").current_dir(folder).args(["-c", compress]));
    fs::write(folder.join("app.c"), "int main(void) { return 0; }\n").unwrap();
    run(tool("cc").current_dir(folder).args(["-o", "app", "app.c"]));
    let mut build = vec!["build", "-o", "image", "-f", "Cargo.lock:/src/Cargo.lock"];
    build.extend(["-f", "app:/bin/app", "-f", "listed:/bin/listed", "-f", "bombed:/bin/bombed"]);
    for (name, section) in [("listed", ".dep-v0=list"), ("bombed", ".dep-v0=bomb")] {
        run(tool("objcopy").current_dir(folder).args(["--add-section", section, "app", name]));
    }
    let lock = "version = 3\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    fs::write(folder.join("Cargo.lock"), lock).unwrap();
    ok(folder, &build);
    let output = program(&["sbom", "image"], folder, |_| {});
    let warnings = String::from_utf8(output.stderr).unwrap();
    let expected = "its list of packages has more than 8388608 bytes";
    assert!(warnings.contains("\"/bin/bombed\"") && warnings.contains(expected), "{warnings}");
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    let components = bill["components"].as_array().unwrap().iter();
    let purls: Vec<&str> = components.map(|it| it["purl"].as_str().unwrap()).collect();
    let expected = [
        "pkg:cargo/app@0.1.0?source=local",
        "pkg:cargo/libc@0.2.1",
        "pkg:cargo/libc@0.2.150",
        "pkg:cargo/patched@2.0.0?source=git",
    ];
    assert_eq!(purls, expected);
    assert_eq!(bill["dependencies"][1]["dependsOn"], serde_json::json!([purls[2], purls[3]]));
    assert_eq!(schema_says(&[&bill]), "");
}

/// The lines of the help: made, attached, pushed, found and fetched.
#[test]
fn an_image_takes_its_bill_along() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    fs::write(folder.join("app"), "app\n").unwrap();
    ok(folder, &["build", "-f", "app:/bin/app", "--tag", "1", "-o", "image"]);
    let bill = ok(folder, &["sbom", "image"]);
    fs::write(folder.join("sbom.json"), &bill).unwrap();
    let kind = "application/vnd.cyclonedx+json";
    let digest = ok(folder, &["attach", "image", "sbom.json", "--type", kind]);
    let digest = String::from_utf8(digest).unwrap();
    let registry = Registry::start();
    let there = format!("{}/a/app:1", registry.address);
    ok(folder, &["push", "image", &there, "--referrers"]);
    let at = format!("{}/a/app@{}", registry.address, digest.trim());
    let pulled = folder.join("pulled");
    oras(["pull", "--no-tty", "--plain-http", "--output", pulled.to_str().unwrap(), &at]);
    assert_eq!(fs::read(pulled.join("sbom.json")).unwrap(), bill);
}

#[test]
fn docker_reads_the_form_of_buildkit() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    fs::write(folder.join("app"), "app\n").unwrap();
    let build = ["build", "-f", "app:/bin/app", "--platform", "linux/amd64", "--tag", "1"];
    ok(folder, &[&build[..], &["-o", "image"]].concat());
    let manifest = ok(folder, &["manifest", "image"]);
    let bill = ok(folder, &["sbom", "image", "--format", "spdx"]);
    fs::write(folder.join("spdx.json"), &bill).unwrap();
    let attach = ["attach", "image", "spdx.json", "--type", "https://spdx.dev/Document"];
    let attached = ok(folder, &[&attach[..], &["--buildkit"]].concat());
    // Once more changes nothing.
    assert_eq!(ok(folder, &[&attach[..], &["--buildkit"]].concat()), attached);
    assert_eq!(ok(folder, &["verify", "image"]), b"");
    // The bill of the image is the same.
    assert_eq!(ok(folder, &["sbom", "image", "--format", "spdx"]), bill);
    schemas(&folder.join("image"));

    let registry = Registry::start();
    let there = format!("{}/a/app:1", registry.address);
    ok(folder, &["push", "image", &there]);
    let mut buildx = tool("docker-buildx");
    buildx.env("HOME", folder).args([
        "imagetools",
        "inspect",
        "--format",
        "{{json .SBOM}}",
        &there,
    ]);
    let found: Value = serde_json::from_str(&run(&mut buildx)).unwrap();
    assert_eq!(found["SPDX"], serde_json::from_slice::<Value>(&bill).unwrap());
    // Clients select the image, and not its attestation.
    let selected = crane(["manifest", "--insecure", "--platform", "linux/amd64", &there]);
    assert_eq!(selected.trim().as_bytes(), manifest.trim_ascii());
    let copied = format!("oci:{}:copied", folder.join("copied").display());
    skopeo([
        "copy",
        "--src-tls-verify=false",
        "--override-arch",
        "amd64",
        &format!("docker://{there}"),
        &copied,
    ]);
    assert_eq!(ok(folder, &["manifest", "copied"]).trim_ascii(), manifest.trim_ascii());
}
