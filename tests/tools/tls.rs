//! Registries with TLS and certificates of openssl, made as guides show: this program connects
//! where crane and skopeo connect.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, io, thread};

use oci_layout::Compression;
use tempfile::TempDir;

use crate::common::tool::{Registry, run, tool};
use crate::tools::pull::program;
use crate::tools::sample::Sample;

/// A folder of certificates, each `NAME.crt` with its key in `NAME.key`.
struct Certificates(TempDir);

const NAMES: &str = "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost";

impl Certificates {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A self-signed certificate, as in the guides of docker and harbor: `openssl req -x509`.
    fn by_itself(&self, name: &str, more: &[&str]) -> &Self {
        let new = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30 -subj";
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let mut command = tool("openssl");
        command
            .args(new.split(' '))
            .arg(format!("/CN={name}"))
            .args(["-keyout", &key, "-out", &certificate])
            .args(more);
        run(command.current_dir(&self.0));
        self
    }

    /// The same, sixty days ago. It has expired.
    fn ended(&self, name: &str) -> &Self {
        let new = "faketime 60days.ago openssl req -x509 -nodes -newkey ec -pkeyopt \
            ec_paramgen_curve:P-256 -days 30 -subj";
        let words: Vec<String> =
            new.split(' ').map(|word| word.replace("60days.ago", "60 days ago")).collect();
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let mut command = tool(&words[0]);
        command.args(&words[1..]).args([
            "/CN=ended",
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-addext",
            NAMES,
        ]);
        run(command.current_dir(&self.0));
        self
    }

    /// A certificate that `issuer` has signed, with these extensions.
    fn by(&self, issuer: &str, name: &str, extensions: &[&str]) -> &Self {
        fs::write(self.file("extensions"), extensions.join("\n")).unwrap();
        let new = "req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj";
        let (key, request, certificate) =
            (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        let mut command = tool("openssl");
        command
            .args(new.split(' '))
            .arg(format!("/CN={name}"))
            .args(["-keyout", &key, "-out", &request]);
        run(command.current_dir(&self.0));
        let (ca, ca_key) = (format!("{issuer}.crt"), format!("{issuer}.key"));
        let sign = [
            "x509",
            "-req",
            "-days",
            "30",
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-in",
            &request,
        ];
        let mut command = tool("openssl");
        command.args(sign).args(["-CA", &ca, "-CAkey", &ca_key, "-out", &certificate]);
        run(command.current_dir(&self.0));
        self
    }

    /// A registry with this certificate.
    fn registry(&self, address: &str, name: &str, clients: Option<&str>) -> Registry {
        let clients = clients.map(|name| self.file(&format!("{name}.crt")));
        let file = |ending: &str| self.file(&format!("{name}.{ending}"));
        Registry::with_certificate(address, &file("crt"), &file("key"), clients.as_deref())
    }
}

/// The program, crane and skopeo, one after the other, each in this environment.
struct Pushers<'a> {
    sample: &'a Sample,
    home: TempDir,
}

impl<'a> Pushers<'a> {
    fn new(sample: &'a Sample) -> Self {
        Self { sample, home: TempDir::new().unwrap() }
    }

    /// The folder of certificates for a registry that podman and skopeo read.
    fn certs_d(&self, address: &str) -> PathBuf {
        let dir = self.home.path().join(".config/containers/certs.d").join(address);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn ours(&self, address: &str, trusted: Option<&Path>, options: &[&str]) -> Output {
        let reference = format!("{address}/a/ours:1");
        let args = [&["push", "layout", &reference], options].concat();
        program(&args, self.sample.folder(), |command| self.set(command, trusted))
    }

    /// The reason why this program cannot push, or an empty string.
    #[track_caller]
    fn refusal(&self, address: &str, trusted: Option<&Path>, options: &[&str]) -> Option<String> {
        let Output { status, stderr, .. } = self.ours(address, trusted, options);
        (!status.success()).then(|| String::from_utf8(stderr).unwrap())
    }

    fn crane(&self, address: &str, trusted: Option<&Path>) -> bool {
        let mut command = tool("crane");
        command.arg("push").arg(self.sample.layout()).arg(format!("{address}/a/crane:1"));
        self.set(&mut command, trusted);
        command.output().unwrap().status.success()
    }

    fn skopeo(&self, address: &str, trusted: Option<&Path>) -> bool {
        let mut command = tool("skopeo");
        command.args(["--insecure-policy", "copy", "--preserve-digests"]);
        command
            .arg(format!("oci:{}:latest", self.sample.layout().display()))
            .arg(format!("docker://{address}/a/skopeo:1"));
        self.set(&mut command, trusted);
        command.output().unwrap().status.success()
    }

    fn set(&self, command: &mut Command, trusted: Option<&Path>) {
        command.env("HOME", self.home.path());
        if let Some(file) = trusted {
            command.env("SSL_CERT_FILE", file).env("SSL_CERT_DIR", self.home.path().join("none"));
        }
    }
}

/// Also on this machine, where a registry may have TLS or not.
#[test]
fn certificates_as_openssl_makes_them() {
    let certificates = Certificates::new();
    certificates.by_itself("guide", &["-addext", NAMES]);
    certificates
        .by_itself("leaf", &["-addext", NAMES, "-addext", "basicConstraints=critical,CA:FALSE"]);
    certificates.by_itself("elsewhere", &["-addext", "subjectAltName=DNS:elsewhere.test"]);
    certificates.by_itself("nameless", &[]);
    certificates.ended("ended");
    certificates.by_itself("authority", &[]).by_itself("other", &[]);
    certificates.by(
        "authority",
        "usual",
        &[NAMES, "basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth"],
    );
    certificates.by("authority", "marked", &[NAMES, "basicConstraints=CA:TRUE"]);
    certificates.by(
        "authority",
        "client",
        &[NAMES, "basicConstraints=CA:TRUE", "extendedKeyUsage=clientAuth"],
    );
    let untrusted = "is not trusted (invalid peer certificate: ";
    let (sample, localhost) = (Sample::new(Compression::GZIP), ["127.0.0.1:0", "127.0.0.2:0"]);
    let pushers = Pushers::new(&sample);
    for (name, trusted, says) in [
        ("guide", "guide", None),
        ("guide", "other", Some(untrusted)),
        ("leaf", "leaf", None),
        ("leaf", "other", Some(untrusted)),
        ("elsewhere", "elsewhere", Some("is for another name (")),
        ("nameless", "nameless", Some("is for another name (")),
        ("ended", "ended", Some("is not valid now (invalid peer certificate: certificate expired")),
        ("usual", "authority", None),
        ("usual", "usual", None),
        ("usual", "other", Some(untrusted)),
        ("marked", "authority", None),
        ("marked", "marked", None),
        (
            "marked",
            "other",
            Some("neither it nor its issuer is trusted; pass the file of either with --ca-file"),
        ),
        ("client", "authority", Some(untrusted)),
    ] {
        for address in localhost {
            let registry = certificates.registry(address, name, None);
            let (address, file) = (&registry.address, certificates.file(&format!("{trusted}.crt")));
            let refusal = pushers.refusal(address, Some(&file), &[]);
            assert_eq!(
                refusal.is_none(),
                pushers.crane(address, Some(&file)),
                "crane: {name} {trusted} {refusal:?}"
            );
            assert_eq!(
                refusal.is_none(),
                pushers.skopeo(address, Some(&file)),
                "skopeo: {name} {trusted} {refusal:?}"
            );
            match says {
                Some(says) => assert!(
                    refusal.as_ref().is_some_and(|said| said.contains(says)),
                    "{name}: {refusal:?}"
                ),
                None => assert_eq!(refusal, None, "{name} {trusted}"),
            }
        }
    }
    // By its name, which has several addresses.
    let registry = certificates.registry("127.0.0.1:0", "guide", None);
    let address = registry.address.replace("127.0.0.1", "localhost");
    let file = certificates.file("guide.crt");
    assert_eq!(pushers.refusal(&address, Some(&file), &[]), None);
    assert!(pushers.crane(&address, Some(&file)));
}

#[test]
fn options_choose_trusted_certificates() {
    let (certificates, sample) = (Certificates::new(), Sample::new(Compression::GZIP));
    certificates.by_itself("guide", &["-addext", NAMES]).by_itself("other", &[]);
    let pushers = Pushers::new(&sample);
    let file = |name: &str| certificates.file(name).to_str().unwrap().to_owned();
    let (guide, other) = (file("guide.crt"), file("other.crt"));
    for address in ["127.0.0.1:0", "127.0.0.2:0"] {
        let registry = certificates.registry(address, "guide", None);
        let address = &registry.address;
        for (options, is_trusted) in [
            (&[][..], false),
            (&["--ca-file", &guide], true),
            (&["--ca-file", &other], false),
            (&["--ca-file", &other, "--ca-file", &guide], true),
            (&["--tls-verify=false"], true),
            (&["--tls-verify=true"], false),
            (&["--tls-verify"], false),
        ] {
            let refusal = pushers.refusal(address, None, options);
            assert_eq!(refusal.is_none(), is_trusted, "{options:?}: {refusal:?}");
        }
        // The certificates that the environment names stay trusted.
        assert_eq!(pushers.refusal(address, Some(Path::new(&guide)), &["--ca-file", &other]), None);
        let dir = TempDir::new().unwrap();
        let in_dir = ["--cert-dir", dir.path().to_str().unwrap()];
        assert!(pushers.refusal(address, None, &in_dir).is_some());
        fs::copy(&guide, dir.path().join("any.crt")).unwrap();
        assert_eq!(pushers.refusal(address, None, &in_dir), None);
        let said = pushers.refusal(address, None, &["--ca-file", "/nonexistent"]).unwrap();
        assert!(said.contains("/nonexistent"), "{said}");
        let said = pushers.refusal(address, None, &["--ca-file", &file("guide.key")]).unwrap();
        assert!(
            said.contains("guide.key") && said.contains("the file contains no PEM certificate"),
            "{said}"
        );
        let said = pushers.refusal(address, None, &["--plain-http"]).unwrap();
        assert!(said.contains("uses TLS") && said.contains("remove --plain-http"), "{said}");
    }
    // Without TLS, only on this machine, or if TLS would prove nothing.
    let plain = Registry::start();
    assert_eq!(pushers.refusal(&plain.address, None, &[]), None);
    assert_eq!(pushers.refusal(&plain.address, None, &["--tls-verify=false"]), None);
}

/// The folders of docker and podman. skopeo reads the same folder.
#[test]
fn folders_of_certificates() {
    let (certificates, sample) = (Certificates::new(), Sample::new(Compression::GZIP));
    certificates
        .by_itself("guide", &["-addext", NAMES])
        .by_itself("authority", &[])
        .by_itself("stranger", &[]);
    certificates.by("authority", "me", &["extendedKeyUsage=clientAuth"]).by(
        "authority",
        "old",
        &[],
    );
    let pushers = Pushers::new(&sample);
    let copy = |from: &str, to: PathBuf| fs::copy(certificates.file(from), to).unwrap();

    let registry = certificates.registry("127.0.0.1:0", "guide", None);
    let (address, dir) = (&registry.address, pushers.certs_d(&registry.address));
    assert!(pushers.refusal(address, None, &[]).is_some() && !pushers.skopeo(address, None));
    copy("guide.crt", dir.join("ca.crt"));
    std::os::unix::fs::symlink("/nonexistent", dir.join("dangling.crt")).unwrap();
    fs::write(dir.join("readme.txt"), "no certificate").unwrap();
    assert_eq!(pushers.refusal(address, None, &[]), None);
    assert!(pushers.skopeo(address, None));

    // Without an extension, openssl makes a certificate of version 1.
    for (address, me) in [("127.0.0.1:0", "me"), ("127.0.0.2:0", "old")] {
        let registry = certificates.registry(address, "guide", Some("authority"));
        let (address, dir) = (&registry.address, pushers.certs_d(&registry.address));
        copy("guide.crt", dir.join("ca.crt"));
        let said = pushers.refusal(address, None, &[]).unwrap();
        assert!(
            said.contains("requires a client certificate that it trusts (received fatal alert"),
            "{said}"
        );
        assert!(!pushers.skopeo(address, None));
        // Of two, the one by an authority that the registry names.
        for (name, kind) in [("stranger", "a"), (me, "b")] {
            copy(&format!("{name}.crt"), dir.join(format!("{kind}.cert")));
            copy(&format!("{name}.key"), dir.join(format!("{kind}.key")));
        }
        assert_eq!(pushers.refusal(address, None, &[]), None);
        assert!(pushers.skopeo(address, None));
        // The wrong one alone, the key of another one, no key, and a key alone.
        fs::rename(dir.join("b.cert"), dir.join("b.none")).unwrap();
        fs::remove_file(dir.join("b.key")).unwrap();
        assert!(pushers.refusal(address, None, &[]).is_some() && !pushers.skopeo(address, None));
        copy(&format!("{me}.key"), dir.join("a.key"));
        let said = pushers.refusal(address, None, &[]).unwrap();
        assert!(
            said.contains("a.cert") && said.contains("a.key") && !pushers.skopeo(address, None),
            "{said}"
        );
        fs::remove_file(dir.join("a.key")).unwrap();
        let said = pushers.refusal(address, None, &[]).unwrap();
        assert!(said.contains("a.cert\": there is no key for this certificate"), "{said}");
        assert!(!pushers.skopeo(address, None));
        fs::rename(dir.join("a.cert"), dir.join("a.key")).unwrap();
        let said = pushers.refusal(address, None, &[]).unwrap();
        assert!(said.contains("a.key\": there is no certificate for this key"), "{said}");
        assert!(!pushers.skopeo(address, None));
    }
}

/// A slow TLS handshake is still TLS.
#[test]
fn a_slow_registry_on_this_machine() {
    let (certificates, sample) = (Certificates::new(), Sample::new(Compression::GZIP));
    certificates.by_itself("guide", &["-addext", NAMES]);
    let registry = certificates.registry("127.0.0.1:0", "guide", None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap().to_string(), registry.address.clone());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, target) = (client.unwrap(), target.clone());
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(2));
                let mut server = TcpStream::connect(target).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from, &mut to));
                let _ = io::copy(&mut server, &mut client);
                client.shutdown(Shutdown::Both)
            });
        }
    });
    let trusted = certificates.file("guide.crt");
    assert_eq!(Pushers::new(&sample).refusal(&address, Some(&trusted), &[]), None);
}
