//! What the tools that scan images receive, and what becomes of their reports. Stand-ins for them
//! read it with busybox; cosign is the real one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::tool::{Containers, Registry, crane, run, tool};
use crate::nix::apps::Apps;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { tools_receive_what_they_read, checks_are_done_in_the_sandbox }

struct Scans {
    apps: Apps,
    layout: Layout,
}

impl Scans {
    fn new(nix: Nix) -> Self {
        let apps = Apps(nix);
        let layout = Layout(apps.build("scan.layout", ""));
        Self { apps, layout }
    }

    /// The manifest for this architecture.
    fn manifest(&self, architecture: &str) -> String {
        let index = self.layout.image(Some("1.0")).manifest();
        let all = index["manifests"].as_array().unwrap();
        let is_for = |image: &&Value| image["platform"]["architecture"] == architecture;
        all.iter().find(is_for).unwrap()["digest"].as_str().unwrap().to_owned()
    }

    /// Starts a program, with its reports in the folder `reports`.
    fn start(&self, scan: &str, arguments: &[&str], environment: &Command) -> Output {
        let reports = self.reports();
        let mut all = vec!["--reports", reports.to_str().unwrap()];
        all.extend(arguments);
        self.apps.output(&format!("scan.{scan}"), "", &all, environment)
    }

    fn reports(&self) -> PathBuf {
        self.apps.0.folder().join("some/reports")
    }

    #[track_caller]
    fn report(&self, scan: &str, report: &str) -> Report {
        let _ = fs::remove_dir_all(self.reports());
        let output = self.start(scan, &["--of-user", "a b"], &Command::new("true"));
        let said = String::from_utf8(output.stderr).unwrap();
        let path = self.reports().join(report);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("the report is {}\n", path.display())), "{said}");
        let is_of_packages = ["trivy", "sarif", "grype"].contains(&scan);
        assert_eq!(said.contains("lists packages of Nix"), is_of_packages, "{said}");
        Report::read(&path)
    }
}

/// The report of a stand-in.
struct Report(String);

impl Report {
    #[track_caller]
    fn read(path: &Path) -> Self {
        Self(fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}")))
    }

    /// The arguments of the tool. Of each path, only its name without the hash of the store.
    fn words(&self) -> String {
        let words = self.0.lines().filter_map(|line| line.strip_prefix("word "));
        let short = |word: &str| match word.split_once('/') {
            Some((start, rest)) if !start.starts_with("localhost") => {
                let name = rest.rsplit('/').next().unwrap();
                let of_store = name.len() > 33 && name.as_bytes()[32] == b'-';
                format!("{start}/{}", if of_store { &name[33..] } else { name })
            }
            _ => word.to_owned(),
        };
        words.map(short).collect::<Vec<_>>().join(" ")
    }

    /// The documents among the lines.
    fn documents(&self) -> Vec<Value> {
        self.0.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The digest of the only image of the layout, all of whose blobs are there and intact.
    #[track_caller]
    fn layout(&self) -> String {
        let [version, index] = self.documents().try_into().unwrap();
        assert_eq!(version["imageLayoutVersion"], "1.0.0");
        let [image] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
        // A manifest, a configuration and layers, but no bill.
        let blobs = self.0.lines().filter(|line| line.ends_with(": OK")).count();
        assert!(blobs > 3 && !self.0.contains("FAILED"), "{}", self.0);
        image["digest"].as_str().unwrap().to_owned()
    }

    /// The configuration in a docker-archive, all of whose files are there.
    #[track_caller]
    fn archive(&self) -> String {
        let [manifest] = self.documents().try_into().unwrap();
        let [image] = &manifest.as_array().unwrap()[..] else { panic!("{manifest}") };
        let layers = image["Layers"].as_array().unwrap();
        assert!(layers.len() > 1);
        for file in layers.iter().chain([&image["Config"]]) {
            assert!(self.0.lines().any(|line| line == file), "{file}: {}", self.0);
        }
        image["Config"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

fn tools_receive_what_they_read(nix: Nix) {
    let scans = Scans::new(nix);
    let amd64 = scans.manifest("amd64");
    let config = scans.layout.document(&amd64)["config"]["digest"].as_str().unwrap().to_owned();
    let user = "--of-user a b";

    for (scan, report, digest, words) in [
        (
            "trivy",
            "oci-trivy.json",
            &amd64,
            "image --input /image --exit-code 1 --format json --output /oci-trivy.json --severity \
             HIGH, it's",
        ),
        (
            "sarif",
            "oci-trivy.sarif",
            &amd64,
            "image --input /image --exit-code 1 --format sarif --output /oci-trivy.sarif --config \
             /trivy.yaml",
        ),
        (
            "grype",
            "oci-grype.json",
            &scans.manifest("arm64"),
            "oci-dir:/image --fail-on negligible --output table --output json=/oci-grype.json",
        ),
        (
            "syft",
            "oci-syft.cdx.json",
            &amd64,
            "oci-dir:/image --output syft-table --output cyclonedx-json=/oci-syft.cdx.json",
        ),
    ] {
        let report = scans.report(scan, report);
        assert_eq!(report.words(), format!("{words} {user}"));
        assert_eq!(&report.layout(), digest, "{scan}");
    }
    for (scan, report, words) in [
        (
            "dockle",
            "oci-dockle.json",
            "--input /image.tar --exit-code 1 --format json --output /oci-dockle.json",
        ),
        ("dive", "oci-dive.txt", "--source docker-archive --ci /image.tar"),
        (
            "cst",
            "oci-container-structure-test.xml",
            "test --driver tar --image /image.tar --no-color --output junit --test-report \
             /oci-container-structure-test.xml --config /tests.yaml",
        ),
    ] {
        let report = scans.report(scan, report);
        assert_eq!(report.words(), format!("{words} {user}"));
        assert_eq!(report.archive(), config["sha256:".len()..], "{scan}");
    }

    let report = scans.report("conftest", "oci-conftest.json");
    assert_eq!(
        report.words(),
        format!(
            "test /config.json --data /image.json --no-color --output json --policy /policy.rego \
             {user}"
        )
    );
    let manifest = serde_json::json!({ "manifest": scans.layout.document(&amd64) });
    assert_eq!(report.documents(), [scans.layout.document(&config), manifest]);

    a_container_is_tested(&scans, &amd64);
    an_image_in_a_registry_is_signed(&scans);

    let output = scans.start("failing", &[], &Command::new("true"));
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(scans.reports().join("oci-dockle.json").exists());
    let output = scans.start("silent", &[], &Command::new("true"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = scans.start("nameless", &["--tlog-upload=false"], &Command::new("true"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && said.contains("give the name of the image"),
        "{said}"
    );
    let output = scans.apps.output("scan.dive", "", &["--reports"], &Command::new("true"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("the folder is missing"), "{said}");
}

/// Neither an option nor a folder elsewhere.
#[test]
fn reports_are_in_the_folder_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    fs::create_dir_all(here.join("elsewhere/out")).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/nix/ociScanImage/arguments.sh");
    for name in ["out", "-x"] {
        let mut shell = tool("sh");
        shell.args(["-euc", &format!(". {script}; echo \"$reports $*\""), "it"]);
        shell.args(["--reports", name, "more"]).current_dir(&here);
        let said = run(shell.env("CDPATH", here.join("elsewhere")));
        assert_eq!(said, format!("{} more\n", here.join(name).display()));
        assert!(here.join(name).is_dir());
    }
}

fn a_container_is_tested(scans: &Scans, digest: &str) {
    let containers = Containers::new(scans.apps.0.folder());
    let output = scans.start("dgoss", &["--env", "A=b"], &containers.tool("podman"));
    assert!(output.status.success(), "{output:?}");
    let Report(report) = Report::read(&scans.reports().join("oci-dgoss.xml"));
    // What the stand-in prints is shown too.
    assert_eq!(String::from_utf8(output.stdout).unwrap(), report);
    let lines: Vec<_> = report.lines().collect();
    let [run, pull, env, variable, image, found, runtime, file, folder, options] = lines[..] else {
        panic!("{report}")
    };
    assert_eq!([run, pull], ["word run", "word --pull=never"]);
    // Options of podman, and not arguments of the container.
    assert_eq!([env, variable], ["word --env", "word A=b"]);
    assert!(image.starts_with("word localhost/oci-scan:"), "{image}");
    assert_eq!([found, runtime], [digest, "CONTAINER_RUNTIME=podman"]);
    let tests = Path::new(folder.strip_prefix("GOSS_FILES_PATH=").unwrap())
        .join(file.strip_prefix("GOSS_FILE=").unwrap());
    assert_eq!(fs::read_to_string(tests).unwrap(), "{}\n");
    assert_eq!(options, "GOSS_OPTS=--format junit");
    assert_eq!(containers.podman(["images", "--quiet"]), "");
}

fn an_image_in_a_registry_is_signed(scans: &Scans) {
    let registry = Registry::start();
    let there = format!("{}/me/app", registry.address);
    let folder = scans.apps.0.folder();
    let mut push = tool(PROGRAMS.join("oci-layout/bin/oci-layout").to_str().unwrap());
    let image = format!("{}:registry.example/me/app:1.0", scans.layout.path().display());
    run(push
        .args(["push", &image, &format!("{there}:1.0"), "--recipe-root"])
        .arg(scans.apps.store()));
    let cosign = |arguments: &str| {
        let mut cosign = tool("cosign");
        cosign.args(arguments.split(' ')).current_dir(folder).env("COSIGN_PASSWORD", "");
        cosign
    };
    run(&mut cosign("generate-key-pair"));
    let key = folder.join("cosign.key");
    let options = "--allow-http-registry --use-signing-config=false --tlog-upload=false --key";
    let mut arguments: Vec<&str> = vec![&there];
    arguments.extend(options.split(' ').chain([key.to_str().unwrap()]));
    let mut environment = Command::new("true");
    environment.env("COSIGN_PASSWORD", "");
    let output = scans.start("cosign", &arguments, &environment);
    assert!(output.status.success(), "{output:?}");
    let report = fs::read(scans.reports().join("oci-cosign.json")).unwrap();
    let bundle: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");

    let digest = crane(["digest", "--insecure", &format!("{there}:1.0")]);
    let verify = "verify --key cosign.pub --insecure-ignore-tlog --allow-http-registry";
    run(&mut cosign(&format!("{verify} {there}@{}", digest.trim())));

    // Without a name, that of the image.
    let output = scans.start("cosign", &arguments[1..], &environment);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("https://registry.example/v2/"), "{said}");
}

fn checks_are_done_in_the_sandbox(nix: Nix) {
    let scans = Scans::new(nix);
    let check = |scan: &str| scans.apps.build(&format!("scan.{scan}.check"), "");
    for (scan, report) in [("syft", "oci-syft.cdx.json"), ("trivy", "oci-trivy.json")] {
        let report = Report::read(&check(scan).join(report));
        assert_eq!(report.layout(), scans.manifest("amd64"));
    }
    Report::read(&check("dive").join("oci-dive.txt")).archive();

    // The log has the report. A tool that reports nothing has not checked anything.
    for (scan, parts) in [
        ("failing", &["word --exit-code", "the tool ended with exit code 7"][..]),
        ("silent", &["the tool wrote no report, and ended with exit code 0"]),
    ] {
        let mut build = scans.apps.nix("build", "");
        let check = format!("scan.{scan}.check");
        build.args([&check, "--no-link", "--print-build-logs"]);
        let output = build.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(!output.status.success() && said.contains(part), "{part}: {said}");
        }
    }
}
