//! Images of a registry, fetched by fixed-output derivations, which Nix allows to leave the
//! sandbox.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use oci_layout::{LayoutOptions, image_layout};
use tempfile::TempDir;

use crate::common::hello::hello;
use crate::common::tool::{Registry, crane};
use crate::nix::images::podman;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { images_are_pulled }

/// An empty hash: Nix reports the right one.
const EMPTY: &str = "";

fn images_are_pulled(nix: Nix) {
    let room = Room::new(nix);
    let said = room.refused("pulled", EMPTY);
    let hash = said
        .rsplit_once("got:")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .expect("Nix says the hash");

    let [pulled, locked] = [("pulled", hash), ("locked", EMPTY)]
        .map(|(attribute, hash)| Layout::checked(room.build(attribute, hash)));
    // Every way gives the image that was pushed.
    assert_eq!(pulled.index(), locked.index());
    let manifest =
        pulled.path().join("blobs/sha256").join(room.digest.strip_prefix("sha256:").unwrap());
    assert_eq!(fs::read(manifest).unwrap(), fs::read(&room.manifest).unwrap());

    let built = Layout::checked(room.build("built", EMPTY));
    assert_eq!(podman(&built, ""), "from a registry\n");
    let output = room.command("nix-build", "pulled", hash).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for (attribute, sentence) in [
        ("otherPlatform", "has no image for linux/s390x; it has linux/amd64"),
        ("noDigest", "expected imageDigest as sha256: and 64 lower-case hex digits, found v1"),
        ("newline", "restore the exact bytes, without an added newline"),
        (
            "index",
            "is an index of several platforms; commit the output of `oci-layout pull --manifest \
             --platform OS/ARCH ",
        ),
    ] {
        let said = room.refused(attribute, hash);
        assert!(said.contains(sentence), "{attribute}: {said}");
    }
}

/// A registry with an image, whose manifest is in a file.
struct Room {
    nix: Nix,
    registry: Registry,
    digest: String,
    manifest: PathBuf,
}

impl Room {
    fn new(nix: Nix) -> Self {
        let (registry, made) = (Registry::start(), TempDir::new().unwrap());
        let made = made.path().join("made");
        let image = hello(&made, "from a registry\n", "linux/amd64");
        let (digest, manifest) = (image.digest().to_string(), nix.folder().join("manifest.json"));
        fs::write(&manifest, image.bytes()).unwrap();
        image_layout(&made, [image.tagged("v1")], LayoutOptions::default()).unwrap();
        crane([
            "push",
            "--insecure",
            made.to_str().unwrap(),
            &format!("{}/a/base:v1", registry.address),
        ]);
        Self { nix, registry, digest, manifest }
    }

    fn command(&self, program: &str, attribute: &str, hash: &str) -> Command {
        let mut command = self.nix.command(program);
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/pull.nix"))
            .arg("--no-out-link");
        command.args(["--attr", attribute, "--argstr", "registry", &self.registry.address]);
        command.args(["--argstr", "digest", &self.digest, "--argstr", "hash", hash]);
        command
            .arg("--arg")
            .arg("programs")
            .arg(&*PROGRAMS)
            .arg("--arg")
            .arg("manifest")
            .arg(&self.manifest);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn build(&self, attribute: &str, hash: &str) -> PathBuf {
        self.nix.physical(
            crate::common::tool::run(self.command("nix-build", attribute, hash).arg("--quiet"))
                .trim(),
        )
    }

    #[track_caller]
    fn refused(&self, attribute: &str, hash: &str) -> String {
        let Output { status, stderr, .. } =
            self.command("nix-build", attribute, hash).output().unwrap();
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(!status.success(), "{attribute} was built:\n{said}");
        said
    }
}
