//! A served layout with TLS and a login: usual clients log in as in any registry, and openssl
//! reports which certificate they get.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use oci_layout::registry::{Endpoint, Event, Serving};
use oci_layout::{Compression, Digest, ImageLayout};
use tempfile::TempDir;

use crate::common::tool::{Containers, run, tool};
use crate::tools::sample::Sample;

/// Makes a certificate for this machine, and its key.
fn certificate(dir: &Path, name: &str) {
    let new = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30 -addext \
               subjectAltName=IP:127.0.0.1,DNS:*.registry.example -addext \
               basicConstraints=critical,CA:FALSE -subj";
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let mut command = tool("openssl");
    command.args(new.split_whitespace()).arg(format!("/CN={name}")).args([
        "-keyout",
        &key,
        "-out",
        &certificate,
    ]);
    run(command.current_dir(dir));
}

struct Served {
    address: String,
    events: Arc<Mutex<Vec<String>>>,
    _serving: Serving,
}

impl Served {
    fn new(layout: ImageLayout, options: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let endpoint = options(Endpoint::new([("a/sample", layout)]).unwrap());
        let endpoint =
            endpoint.log(move |event: &Event| told.lock().unwrap().push(event.to_string()));
        let serving = endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: serving.address().to_string(), events, _serving: serving }
    }

    /// The subject of the certificate that openssl receives.
    fn shown(&self) -> String {
        let mut command = tool("openssl");
        command.args(["s_client", "-connect", &self.address, "-servername", "a.registry.example"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("subject="))
            .unwrap_or_else(|| panic!("{output:?}"));
        line.trim().rsplit(['=', ' ']).next().unwrap().to_owned()
    }

    fn unusable(&self) -> usize {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter(|event| event.contains("using the previous contents"))
            .count()
    }
}

#[test]
fn clients_log_in() {
    let sample = Sample::new(Compression::GZIP);
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    certificate(dir.path(), "ours");
    run(tool("htpasswd")
        .args(["-B", "-C", "5", "-b", "-c", "users", "me", "a secret"])
        .current_dir(&dir));
    let served = Served::new(ImageLayout::open(sample.layout()).unwrap(), |endpoint| {
        endpoint
            .certificate(path("ours.crt"), path("ours.key"))
            .unwrap()
            .htpasswd(path("users"))
            .unwrap()
    });
    let reference = format!("{}/a/sample:latest", served.address);
    fs::create_dir(path("certs")).unwrap();
    fs::copy(path("ours.crt"), path("certs/ca.crt")).unwrap();

    let copy = |credentials: &str| {
        let mut command = tool("skopeo");
        command.args([
            "--insecure-policy",
            "copy",
            "--src-cert-dir",
            &path("certs"),
            "--src-creds",
            credentials,
        ]);
        command
            .arg(format!("docker://{reference}"))
            .arg(format!("oci:{}", path("copied")))
            .output()
            .unwrap()
    };
    let refused = copy("me:another");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unauthorized"), "{refused:?}");
    let copied = copy("me:a secret");
    assert!(copied.status.success(), "{copied:?}");

    let containers = Containers::new(dir.path());
    containers.podman([
        "login",
        "--authfile=auth.json",
        "--cert-dir=certs",
        "-u=me",
        "-p=a secret",
        &served.address,
    ]);
    containers.podman(["pull", "-q", "--authfile=auth.json", "--cert-dir=certs", &reference]);

    fs::create_dir(path("docker")).unwrap();
    let crane = |args: &[&str]| {
        let mut command = tool("crane");
        command
            .args(args)
            .env("SSL_CERT_FILE", path("ours.crt"))
            .env("DOCKER_CONFIG", path("docker"));
        command.output().unwrap()
    };
    assert!(!crane(&["digest", &reference]).status.success());
    assert!(
        crane(&["auth", "login", "-u", "me", "-p", "a secret", &served.address]).status.success()
    );
    let digest = crane(&["digest", &reference]);
    assert_eq!(String::from_utf8(digest.stdout).unwrap().trim(), sample.digest.to_string());
    assert!(crane(&["validate", "--remote", &reference]).status.success());
}

/// Without a login. python3 is another program that supports TLS and HTTP.
#[test]
fn the_names_of_the_certificate_are_hosts() {
    let sample = Sample::new(Compression::GZIP);
    let dir = TempDir::new().unwrap();
    certificate(dir.path(), "ours");
    let file = |ending: &str| dir.path().join(format!("ours.{ending}"));
    let served = Served::new(ImageLayout::open(sample.layout()).unwrap(), |endpoint| {
        endpoint.certificate(file("crt"), file("key")).unwrap()
    });
    let script = r#"
import hashlib, http.client, ssl, sys
address, ca, host = sys.argv[1:]
connection = http.client.HTTPSConnection(address, context=ssl.create_default_context(cafile=ca))
connection.request("GET", "/v2/a/sample/manifests/latest", headers={"Host": host})
answer = connection.getresponse()
print(answer.status, hashlib.sha256(answer.read()).hexdigest())
"#;
    let ask = |host: &str| {
        let mut command = tool("python3");
        let output = run(command.args(["-c", script, &served.address]).arg(file("crt")).arg(host));
        let (status, hex) = output.trim().split_once(' ').unwrap();
        (status.to_owned(), hex.to_owned())
    };
    let digest: Digest = sample.digest;
    for host in [&*served.address, "a.registry.example", "A.registry.example:443"] {
        assert_eq!(ask(host), ("200".to_owned(), digest.hex()), "{host}");
    }
    for host in ["registry.example", "a.b.registry.example", "evil.example"] {
        assert_eq!(ask(host).0, "421", "{host}");
    }
}

/// The methods of certbot (links that are replaced one after the other), of Kubernetes (a link to a
/// folder, replaced at once), and of an editor.
#[test]
fn a_certificate_that_is_renewed() {
    let sample = Sample::new(Compression::GZIP);
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["one", "two", "three"] {
        fs::create_dir(path(name)).unwrap();
        certificate(&path(name), name);
        fs::rename(path(name).join(format!("{name}.crt")), path(name).join("tls.crt")).unwrap();
        fs::rename(path(name).join(format!("{name}.key")), path(name).join("tls.key")).unwrap();
    }
    let link = |target: &str, name: &str| {
        let _ = fs::remove_file(path("new"));
        symlink(target, path("new")).unwrap();
        fs::rename(path("new"), path(name)).unwrap();
    };
    link("one", "..data");
    link("..data/tls.crt", "tls.crt");
    link("..data/tls.key", "tls.key");
    let served = Served::new(ImageLayout::open(sample.layout()).unwrap(), |endpoint| {
        endpoint.certificate(path("tls.crt"), path("tls.key")).unwrap()
    });
    assert_eq!(served.shown(), "one");
    link("two", "..data");
    assert_eq!(served.shown(), "two");
    link("three/tls.crt", "tls.crt");
    // The key still belongs to the other certificate.
    assert_eq!((served.shown(), served.unusable()), ("two".to_owned(), 1));
    link("three/tls.key", "tls.key");
    assert_eq!((served.shown(), served.unusable()), ("three".to_owned(), 1));
    // In place, the first half before the rest.
    let [certificate, key] =
        ["tls.crt", "tls.key"].map(|name| fs::read(path("one").join(name)).unwrap());
    fs::write(path("tls.crt"), &certificate[..certificate.len() / 2]).unwrap();
    assert_eq!(
        (served.shown(), served.shown(), served.unusable()),
        ("three".to_owned(), "three".to_owned(), 2)
    );
    fs::write(path("tls.crt"), &certificate).unwrap();
    fs::write(path("tls.key"), &key).unwrap();
    assert_eq!(served.shown(), "one");
    fs::remove_file(path("tls.key")).unwrap();
    assert_eq!((served.shown(), served.unusable()), ("one".to_owned(), 3));
}

/// As a user would start it.
#[test]
fn the_program_speaks_tls() {
    let sample = Sample::new(Compression::GZIP);
    let dir = TempDir::new().unwrap();
    certificate(dir.path(), "ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command
        .args(["serve", "--tls-cert", "ours.crt", "--tls-key", "ours.key"])
        .arg(sample.layout())
        .current_dir(&dir);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("https://").unwrap();
    let mut crane = tool("crane");
    let catalog =
        run(crane.args(["catalog", address]).env("SSL_CERT_FILE", dir.path().join("ours.crt")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(catalog.lines().count(), 1);
}
