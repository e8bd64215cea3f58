//! cosign verifies what we sign, and we verify what cosign signs: in layouts without a network, and
//! in registries with and without the API for referrers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tool::{Registry, cosign, run, tool};
use crate::tools::sparse::Served;
use oci_layout::Digest;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BILL: &str = "https://cyclonedx.org/bom";

/// The options with which cosign needs no service of Sigstore.
const OFFLINE_SIGN: [&str; 4] =
    ["--use-signing-config=false", "--tlog-upload=false", "--yes", "--allow-http-registry"];
const OFFLINE_VERIFY: [&str; 2] = ["--insecure-ignore-tlog", "--allow-http-registry"];

/// The private keys that we sign with, their passwords, and their public keys.
const KEYS: [(&str, Option<&str>, &str); 5] = [
    ("cosign.key", Some("password"), "cosign.pub"),
    ("p256.pem", None, "p256.pub"),
    ("sealed.pem", Some("password"), "p256.pub"),
    ("ed25519.pem", None, "ed25519.pub"),
    ("imported.key", Some("empty"), "ed25519.pub"),
];

const PUBLIC: [&str; 3] = ["cosign.pub", "p256.pub", "ed25519.pub"];

/// A folder with an image `image`, and keys.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        fs::write(room.path("password"), "a password\n").unwrap();
        fs::write(room.path("empty"), "").unwrap();
        fs::write(room.path("bill.json"), r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#)
            .unwrap();
        fs::write(room.path("app"), "app\n").unwrap();
        room.cosign("generate-key-pair");
        for (name, options) in [
            ("p256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem"),
            ("ed25519", "genpkey -algorithm ed25519 -out ed25519.pem"),
            ("other", "genpkey -algorithm ed25519 -out other.pem"),
        ] {
            run(tool("openssl").args(options.split(' ')).current_dir(room.path("")));
            let public = format!("pkey -in {name}.pem -pubout -out {name}.pub");
            run(tool("openssl").args(public.split(' ')).current_dir(room.path("")));
        }
        let seal = "pkcs8 -topk8 -in p256.pem -out sealed.pem -passout file:password";
        run(tool("openssl").args(seal.split(' ')).current_dir(room.path("")));
        let import = "import-key-pair --key ed25519.pem --output-key-prefix imported";
        run(room.tool("cosign", import).env("COSIGN_PASSWORD", ""));
        room.ok("build -f app:/bin/app --tag 1 -o image");
        room
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn tool(&self, name: &str, args: &str) -> Command {
        let mut command = tool(name);
        command.args(args.split(' ')).current_dir(self.path(""));
        command
    }

    /// cosign, with the password of its key.
    #[track_caller]
    fn cosign(&self, args: &str) -> String {
        run(self.tool("cosign", args).env("COSIGN_PASSWORD", "a password"))
    }

    /// Whether cosign verifies the image in a registry, or in a layout without a network.
    fn cosign_verifies(&self, image: &str, key: &str) -> Output {
        let options = OFFLINE_VERIFY.join(" ");
        let mut command = match image.contains('/') {
            true => self.tool("cosign", &format!("verify {options} --key {key} {image}")),
            false => self.tool(
                "unshare",
                &format!("--net cosign verify {options} --key {key} --local-image {image}"),
            ),
        };
        command.output().unwrap()
    }

    /// The same by this program.
    fn we_verify(&self, image: &str, key: &str) -> Output {
        let (program, key) = (env!("CARGO_BIN_EXE_oci-layout"), format!("--key {key}"));
        match image.contains('/') {
            true => {
                let image = format!("docker://{image}");
                self.tool(program, &format!("verify-signature {image} {key}")).output().unwrap()
            }
            false => self
                .tool("unshare", &format!("--net {program} verify-signature {image} {key}"))
                .output()
                .unwrap(),
        }
    }

    /// The standard output of this program.
    #[track_caller]
    fn ok(&self, args: &str) -> String {
        run(&mut self.tool(env!("CARGO_BIN_EXE_oci-layout"), args)).trim_end().to_owned()
    }

    #[track_caller]
    fn sign(&self, image: &str, (key, password, _): (&str, Option<&str>, &str)) -> String {
        let password = password.map(|file| format!(" --password-file {file}"));
        self.ok(&format!("sign {image} --key {key}{}", password.unwrap_or_default()))
    }

    /// Both verify the image.
    #[track_caller]
    fn both_verify(&self, image: &str, key: &str, digest: &str) {
        let theirs = self.cosign_verifies(image, key);
        assert!(theirs.status.success(), "{image} {key}: {theirs:?}");
        let ours = self.we_verify(image, key);
        assert!(ours.status.success(), "{image} {key}: {ours:?}");
        assert_eq!(String::from_utf8(ours.stdout).unwrap().trim_end(), digest);
    }

    /// Neither verifies the image, and we say why.
    #[track_caller]
    fn both_refuse(&self, image: &str, key: &str, reason: &str) {
        let theirs = self.cosign_verifies(image, key);
        assert!(!theirs.status.success(), "{image} {key}: {theirs:?}");
        let ours = self.we_verify(image, key);
        let said = String::from_utf8(ours.stderr).unwrap();
        assert!(!ours.status.success() && said.contains(reason), "{image} {key}: {said}");
    }
}

#[test]
fn cosign_verifies_what_we_sign() {
    let room = Room::new();
    let digest = room.ok("digest image");
    for key in KEYS {
        room.sign("image", key);
    }
    // Two keys have two files each.
    let signatures = room.ok("discover image");
    assert_eq!(signatures.lines().count(), PUBLIC.len(), "{signatures}");

    let layouts = Served::new(room.0.path(), &["app=image"]);
    let mut images = vec!["image".to_owned(), format!("{}/app:1", layouts.address)];
    let registries = [Registry::start(), Registry::of_crane()];
    for registry in &registries {
        let [pushed, signed] = ["a", "b"].map(|name| format!("{}/{name}/app:1", registry.address));
        room.ok(&format!("push image {pushed} --referrers"));
        room.ok(&format!("push image {signed}"));
        room.both_refuse(&signed, "p256.pub", "it has no signature");
        for key in KEYS {
            room.sign(&format!("docker://{signed}"), key);
        }
        images.extend([pushed, signed]);
    }
    for image in images {
        for public in PUBLIC {
            room.both_verify(&image, public, &digest);
        }
        room.both_refuse(&image, "other.pub", "it has no valid signature by this key: ");
    }

    // Statements with a predicate.
    room.ok(&format!("sign image --key p256.pem --predicate bill.json --predicate-type {BILL}"));
    let verify = "verify-attestation --insecure-ignore-tlog --type cyclonedx --local-image image";
    room.cosign(&format!("{verify} --key p256.pub"));
    let output = room.tool("cosign", &format!("{verify} --key other.pub")).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn all_platforms_are_signed_together() {
    let room = Room::new();
    room.ok("build --platform linux/amd64=app:/app --platform linux/arm64=app:/app -t 1 -o both");
    let digest = room.ok("digest both");
    room.sign("both", KEYS[1]);
    room.both_verify("both", "p256.pub", &digest);
    let registry = Registry::start();
    let there = format!("{}/a/both:1", registry.address);
    room.ok(&format!("push both {there} --referrers"));
    room.both_verify(&there, "p256.pub", &digest);
    room.both_refuse(&there, "other.pub", "it has no valid signature by this key: ");
}

#[test]
fn we_verify_what_cosign_signs() {
    let room = Room::new();
    let digest = room.ok("digest image");
    let sign = OFFLINE_SIGN.join(" ");
    for (name, registry) in [("old", Registry::start()), ("new", Registry::of_crane())] {
        let there = format!("{}/a/app", registry.address);
        room.ok(&format!("push image {there}:1"));
        room.cosign(&format!("sign --key cosign.key {sign} {there}@{digest}"));
        room.both_verify(&format!("{there}:1"), "cosign.pub", &digest);
        room.both_refuse(&format!("{there}:1"), "other.pub", " was signed by another key, ");
        let attest =
            format!("attest --key cosign.key --type cyclonedx --predicate bill.json {sign}");
        room.cosign(&format!("{attest} {there}@{digest}"));
        let verify = format!("--key cosign.pub --predicate-type {BILL} --json");
        let found: Value = serde_json::from_str(
            &room.ok(&format!("verify-signature docker://{there}:1 {verify}")),
        )
        .unwrap();
        assert_eq!(found.as_array().unwrap().len(), 1);
        assert_eq!(found[0]["statement"]["predicate"]["bomFormat"], "CycloneDX");

        // In layouts: pulled with the signatures, and saved by cosign.
        let pulled = format!("pulled-{name}");
        room.ok(&format!("pull {there}:1 -o {pulled} --referrers"));
        let saved = format!("saved-{name}");
        room.cosign(&format!("save --allow-http-registry --dir {saved} {there}@{digest}"));
        for layout in [&pulled, &saved] {
            let ours = room.we_verify(layout, "cosign.pub");
            assert_eq!(String::from_utf8(ours.stdout).unwrap().trim_end(), digest, "{layout}");
            assert!(!room.we_verify(layout, "other.pub").status.success());
            assert_eq!(
                serde_json::from_str::<Value>(
                    &room.ok(&format!("verify-signature {layout} {verify}"))
                )
                .unwrap(),
                found
            );
        }
        // Both sign the same layout.
        room.sign(&saved, KEYS[1]);
        room.both_verify(&saved, "cosign.pub", &digest);
        room.both_verify(&saved, "p256.pub", &digest);

        // cosign 3.1 makes signatures with Ed25519 keys that it does not verify itself.
        let ed25519 = format!("sign --key imported.key {sign} {there}@{digest}");
        run(room.tool("cosign", &ed25519).env("COSIGN_PASSWORD", ""));
        let ours = room.we_verify(&format!("{there}:1"), "ed25519.pub");
        assert!(ours.status.success(), "{ours:?}");
    }
}

/// The file of the blob with the only signature of the image.
fn bundle_of(room: &Room, signature: &str) -> PathBuf {
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest image@{signature}"))).unwrap();
    let digest: Digest = manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    room.path("image/blobs/sha256").join(digest.hex())
}

#[test]
fn one_changed_byte_is_refused() {
    let registry = Registry::start();
    for (number, key) in [KEYS[1], KEYS[3]].into_iter().enumerate() {
        let room = Room::new();
        let public = key.2;
        let signature = room.sign("image", key);
        let blob = bundle_of(&room, &signature);
        let bundle = fs::read_to_string(&blob).unwrap();
        let parsed: Value = serde_json::from_str(&bundle).unwrap();
        for (part, member) in
            [("payload", "/dsseEnvelope/payload"), ("sig", "/dsseEnvelope/signatures/0/sig")]
        {
            // Base64 stays base64, and the signature stays DER.
            let text = parsed.pointer(member).unwrap().as_str().unwrap();
            let at = bundle.find(text).unwrap() + text.len() / 2;
            let mut bytes = bundle.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };

            // In the layout, where cosign does not compare blobs with their digests.
            fs::remove_file(&blob).unwrap();
            fs::write(&blob, &bytes).unwrap();
            room.both_refuse("image", public, " is damaged: ");
            fs::write(&blob, &bundle).unwrap();
            room.both_verify("image", public, &room.ok("digest image"));

            // In a registry, as a blob with the digest of these bytes.
            fs::write(room.path("changed"), &bytes).unwrap();
            let there = format!("{}/{part}{number}/app:1", registry.address);
            room.ok(&format!("push image {there}"));
            room.ok(&format!("attach docker://{there} changed --type {BUNDLE}"));
            room.both_refuse(&there, public, " was changed after this key signed it");
            room.sign(&format!("docker://{there}"), key);
            room.both_verify(&there, public, &room.ok("digest image"));
        }

        // A signature of another image.
        room.ok("build -f app:/bin/other --tag 1 -o other");
        let there = format!("{}/other{number}/app:1", registry.address);
        room.ok(&format!("push other {there}"));
        room.ok(&format!("attach docker://{there} {} --type {BUNDLE}", blob.display()));
        room.both_refuse(
            &there,
            public,
            &format!(" is about another image, {}", room.ok("digest image")),
        );
    }
}

/// The bundle has what the definition of the format requires, by another implementation.
#[test]
fn cosign_reads_the_bundle_alone() {
    let room = Room::new();
    let signature = room.sign("image", KEYS[1]);
    let blob = bundle_of(&room, &signature);
    let digest = room.ok("digest image");
    let manifest = room.path("image/blobs").join(digest.replace(':', "/"));
    cosign([
        "verify-blob-attestation",
        "--insecure-ignore-tlog",
        "--key",
        room.path("p256.pub").to_str().unwrap(),
        "--type",
        "https://sigstore.dev/cosign/sign/v1",
        "--bundle",
        blob.to_str().unwrap(),
        manifest.to_str().unwrap(),
    ]);
    let bundle: Value = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
    assert_eq!(bundle["mediaType"], json!(BUNDLE));
}
