//! `attach`, `discover` and `detach` on layouts, and `--referrers` of `export`.

use std::fs;

use serde_json::Value;

use crate::cli::{
    room::{Room, Run},
    signatures::KEYS,
};

const BILL: &str = "application/vnd.cyclonedx+json";

/// A layout with an image, and files to attach to it.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag 1.0 -o image");
    fs::write(room.path("bill.json"), "{}\n").unwrap();
    fs::write(room.path("notes.txt"), "notes\n").unwrap();
    room
}

#[test]
fn an_artifact_is_attached_found_and_removed() {
    let room = room();
    let image = room.ok("digest image");
    let bill = room.ok(&format!("attach image bill.json --type {BILL}"));
    // The same artifact again.
    assert_eq!(room.ok(&format!("attach image:1.0 bill.json --type {BILL}")), bill);
    let bill = bill.trim();
    let notes = room.ok(
        "attach image notes.txt bill.json --type a/b --media-type text/plain --annotation x=y=z",
    );
    let notes = notes.trim();
    // Attached to the artifact.
    let seal = room.ok(&format!("attach image@{bill} notes.txt --type a/seal"));
    let seal = seal.trim();

    let found = format!("{bill} {BILL}\n  {seal} a/seal\n{notes} a/b\n");
    assert_eq!(room.ok("discover image"), found);
    assert_eq!(room.ok("discover image --type a/b"), format!("{notes} a/b\n"));
    assert_eq!(room.ok("discover image --type a/c"), "");
    let json: Value = serde_json::from_str(&room.ok("discover image --json")).unwrap();
    assert_eq!(json[0]["digest"], bill);
    assert_eq!(json[0]["artifactType"], BILL);
    assert_eq!(json[0]["referrers"][0]["digest"], seal);
    assert_eq!(json[1]["annotations"]["x"], "y=z");
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest image@{notes}"))).unwrap();
    assert_eq!(manifest["subject"]["digest"], image.trim());
    assert_eq!(manifest["layers"][1]["mediaType"], "text/plain");
    assert_eq!(manifest["layers"][1]["annotations"]["org.opencontainers.image.title"], "bill.json");

    // The image is still the only one.
    assert_eq!(room.ok("digest image"), image);
    assert_eq!(room.ok("verify image"), "");

    room.fails(
        &format!("detach image {seal}"),
        &format!(
            "artifact {seal}: it is not attached to the image: `oci-layout discover` lists the \
             artifacts that are"
        ),
    );
    assert_eq!(room.run(["detach", "image", bill]).err, format!("detached {bill}\n"));
    assert_eq!(room.ok("discover image"), format!("{notes} a/b\n"));
    assert_eq!(room.run(["detach", "image", "--type", "a/b"]).code, Some(0));
    assert_eq!(room.ok("discover image"), "");

    // Of standard input, which has no name.
    let notes = fs::File::open(room.path("notes.txt")).unwrap();
    let mut command = room.command(["attach", "image", "-", "--type", "a/b"]);
    let piped = Run::of(command.stdin(notes));
    assert_eq!(piped.code, Some(0), "{}", piped.err);
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest image@{}", piped.out.trim()))).unwrap();
    assert_eq!(manifest["layers"][0]["size"], 6);
    assert_eq!(manifest["layers"][0]["annotations"], Value::Null);
}

/// An image for two platforms has attestations of both, and its other images stay.
#[test]
fn attestations_are_in_the_index() {
    let room = room();
    room.ok("build --text /a=1 --platform linux/amd64 -o amd64");
    room.ok("build --text /a=1 --platform linux/arm64 -o arm64");
    room.ok("image-layout 1.0=amd64 1.0=arm64 -o two");
    let index = || -> Value { serde_json::from_str(&room.ok("manifest two:1.0")).unwrap() };
    let members = |of: &Value| of["manifests"].as_array().unwrap().clone();
    let before = members(&index());
    assert_eq!(before.len(), 2);
    let attach = "attach two:1.0 bill.json --type https://example.com/bill --buildkit --platform";
    for (platform, member) in ["linux/amd64", "linux/arm64"].iter().zip(&before) {
        room.ok(&format!("{attach} {platform}"));
        let after = members(&index());
        assert_eq!(after[..2], before[..]);
        let last = after.last().unwrap();
        assert_eq!(last["annotations"]["vnd.docker.reference.digest"], member["digest"]);
        let reference = format!("two@{}", last["digest"].as_str().unwrap());
        let manifest: Value =
            serde_json::from_str(&room.ok(&format!("manifest {reference}"))).unwrap();
        assert_eq!(
            manifest["layers"][0]["annotations"]["in-toto.io/predicate-type"],
            "https://example.com/bill"
        );
    }
    assert_eq!(members(&index()).len(), 4);
    assert_eq!(room.ok("verify two"), "");
    // A change of the image removes what was said of it.
    assert_eq!(room.run(["mutate", "two:1.0", "--label", "a=b", "-o", "changed"]).code, Some(0));
    let changed: Value = serde_json::from_str(&room.ok("manifest changed")).unwrap();
    assert_eq!(members(&changed).len(), 2);

    room.fails(
        "attach two:1.0 app --type a/b --buildkit --platform linux/amd64",
        "file \"app\": expected value at line 1 column 1",
    );
}

/// The image becomes another one, whether or not it has a name, and is not signed then.
#[test]
fn an_attestation_replaces_the_image() {
    let room = room();
    room.ok("build -f app:/bin/app -o nameless");
    fs::write(room.path("key.pem"), KEYS[2].1).unwrap();
    for image in ["image:1.0", "nameless"] {
        let layout = image.trim_end_matches(":1.0");
        room.did(&format!("sign {image} --key key.pem"));
        let attach = format!("attach {image} bill.json --buildkit --type https://example.com/");
        for kind in ["one", "two", "two"] {
            let digest = room.ok(&format!("{attach}{kind}"));
            assert_eq!(room.ok(&format!("digest {layout}")), digest, "{image} {kind}");
        }
        let index = fs::read(room.path(layout).join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        let signatures = entries.iter().filter(|entry| entry["artifactType"].is_string());
        assert_eq!(signatures.count() + 1, entries.len(), "{index}");
        assert_eq!(entries[0]["annotations"]["kind"], Value::Null, "{index}");
        assert_eq!(room.ok(&format!("verify {layout}")), "");
    }
}

#[test]
fn an_archive_has_what_is_attached_if_it_is_wanted() {
    let room = room();
    room.ok("build -f app:/bin/other --tag 2.0 -o other");
    room.did("append other -o image");
    let one = room.ok(&format!("attach image:1.0 bill.json --type {BILL}"));
    room.ok(&format!("attach image:2.0 bill.json --type {BILL}"));
    for (options, found) in [
        ("image:1.0", String::new()),
        ("image:1.0 --referrers", format!("{} {BILL}\n", one.trim())),
        ("image", format!("{} {BILL}\n", one.trim())),
    ] {
        room.ok(&format!("export {options} --format oci-archive -o image.tar"));
        assert_eq!(room.ok("discover image.tar:1.0"), found, "{options}");
    }
    // Archives do not change.
    assert_eq!(room.run(["attach", "image.tar:1.0", "app", "--type", "a/b"]).code, Some(1));
}

#[test]
fn mistakes_have_their_sentences() {
    let room = room();
    room.fails(
        "attach image bill.json --type sbom",
        "artifact type \"sbom\": expected a media type, for example application/spdx+json",
    );
    assert_eq!(room.run(["attach", "image", "none", "--type", "a/b"]).code, Some(1));
    assert_eq!(room.run(["attach", "image:2.0", "app", "--type", "a/b"]).code, Some(1));
    assert_eq!(room.ok("discover image"), "");
}
