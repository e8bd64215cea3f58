//! `sign` and `verify-signature` on layouts.

use std::{fs, io::Write, process::Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::cli::room::{Room, Run};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The keys of `tests/library/signature/`, whose password is `hello`, and two keys of openssl.
pub(crate) const KEYS: [(&str, &str); 5] = [
    ("cosign.key", include_str!("../library/signature/cosign.key")),
    ("cosign.pub", include_str!("../library/signature/cosign.pub")),
    (
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\n\
         MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n\
         -----END PRIVATE KEY-----\n",
    ),
    (
        "key.pub",
        "-----BEGIN PUBLIC KEY-----\n\
         MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n\
         -----END PUBLIC KEY-----\n",
    ),
    ("password", "hello\n"),
];

const PREDICATE: &str = "{\"answer\": 42}\n";

/// A layout with an image, and keys.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag 1.0 -o image");
    for (name, text) in KEYS {
        fs::write(room.path(name), text).unwrap();
    }
    fs::write(room.path("predicate.json"), PREDICATE).unwrap();
    room
}

/// Runs the program, which must succeed, and returns its standard output.
#[track_caller]
fn did(room: &Room, args: &str) -> String {
    let run = room.run(args.split(' '));
    assert_eq!(run.code, Some(0), "{args}: {}", run.err);
    run.out.trim_end().to_owned()
}

/// The end of the error.
#[track_caller]
fn fails(room: &Room, args: &str, reason: &str) {
    let Run { code, out, err } = room.run(args.split(' '));
    assert_eq!((code, &*out), (Some(1), ""), "{args}: {err}");
    assert!(err.trim_end().ends_with(reason), "{args}: {err}");
}

#[test]
fn an_image_is_signed_and_verified() {
    let room = room();
    let image = did(&room, "digest image");
    fails(
        &room,
        "verify-signature image --key key.pub",
        &format!(
            "image {image}: it has no signature: `oci-layout discover` lists what is attached to it"
        ),
    );
    let signature = did(&room, "sign image --key key.pem");
    assert_eq!(did(&room, "discover image"), format!("{signature} {BUNDLE}"));
    // The same signature again.
    assert_eq!(did(&room, "sign image:1.0 --key key.pem"), signature);
    let other = did(&room, "sign image --key cosign.key --password-file password");
    let lines = format!("{signature} {BUNDLE}\n{other} {BUNDLE}");
    assert_eq!(did(&room, "discover image"), lines);
    for key in ["key.pub", "cosign.pub"] {
        assert_eq!(did(&room, &format!("verify-signature image:1.0 --key {key}")), image);
    }
    let run = room.run(["verify-signature", "image", "--key", "key.pub"]);
    assert_eq!(run.err, format!("verified {signature} https://sigstore.dev/cosign/sign/v1\n"));

    // As cosign marks and describes them.
    let index: Value =
        serde_json::from_slice(&fs::read(room.path("image/index.json")).unwrap()).unwrap();
    assert_eq!(
        index["manifests"][0]["annotations"],
        json!({ "kind": "dev.cosignproject.cosign/image", "org.opencontainers.image.ref.name": "1.0" })
    );
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest image@{signature}"))).unwrap();
    assert_eq!(manifest["artifactType"], BUNDLE);
    assert_eq!(manifest["subject"]["digest"], *image);
    assert_eq!(
        manifest["annotations"],
        json!({
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
        })
    );
    assert_eq!(room.ok("verify image"), "");

    // The signature goes along, and the image alone has none.
    did(&room, "export image:1.0 --format oci-archive --referrers -o signed.tar");
    did(&room, "export image:1.0 --format oci-archive -o bare.tar");
    assert_eq!(did(&room, "verify-signature signed.tar:1.0 --key key.pub"), image);
    fails(&room, "verify-signature bare.tar:1.0 --key key.pub", "lists what is attached to it");
}

#[test]
fn one_platform_and_all_platforms_are_signed_apart() {
    let room = room();
    did(
        &room,
        "build --platform linux/amd64=app:/bin/app --platform linux/arm64=app:/bin/app -o both",
    );
    let index = did(&room, "digest both");
    let arm = did(&room, "digest both --platform linux/arm64");
    did(&room, "sign both --key key.pem");
    assert_eq!(did(&room, "verify-signature both --key key.pub"), index);
    let one = "verify-signature both --platform linux/arm64 --key key.pub";
    fails(&room, one, "lists what is attached to it");
    did(&room, "sign both --platform linux/arm64 --key key.pem");
    assert_eq!(did(&room, one), arm);
}

#[test]
fn statements_are_signed_and_printed() {
    let room = room();
    let image = did(&room, "digest image");
    let kind = "https://example.com/p";
    let artifact = did(
        &room,
        &format!("sign image --key key.pem --predicate predicate.json --predicate-type {kind}"),
    );
    fails(&room, "verify-signature image --key key.pub", "lists what is attached to it");
    let verify = format!("verify-signature image --key key.pub --predicate-type {kind}");
    assert_eq!(did(&room, &verify), image);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": image.strip_prefix("sha256:") } }],
        "predicateType": kind,
        "predicate": { "answer": 42 },
    });
    let json: Value = serde_json::from_str(&did(&room, &format!("{verify} --json"))).unwrap();
    assert_eq!(json, json!([{ "artifact": artifact, "statement": statement }]));

    // A whole statement gives the same statement.
    fs::write(room.path("statement.json"), statement.to_string()).unwrap();
    did(&room, "sign image --key cosign.key --password-file password --statement statement.json");
    let json: Value = serde_json::from_str(&did(
        &room,
        &format!("verify-signature image --key cosign.pub --predicate-type {kind} --json"),
    ))
    .unwrap();
    assert_eq!(json[0]["statement"], statement);

    did(&room, "build -f app:/bin/other -o other");
    let digest = did(&room, "digest other");
    fails(
        &room,
        "sign other --key key.pem --statement statement.json",
        &format!("statement \"statement.json\": none of its subjects is the image, {digest}"),
    );
    fails(
        &room,
        "verify-signature other --key key.pub --predicate-type a:b",
        &format!(
            "image {digest}: it has no statement of the type a:b: `oci-layout discover` lists what is attached to it"
        ),
    );
}

/// Attaches a bundle to the image, changed.
fn attach_changed(room: &Room, signature: &str, change: impl FnOnce(&mut Value)) -> String {
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest image@{signature}"))).unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let blob = room.path("image/blobs").join(blob);
    let mut bundle: Value = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
    change(&mut bundle);
    fs::write(room.path("bundle"), bundle.to_string()).unwrap();
    let artifact = did(room, &format!("attach image bundle --type {BUNDLE}"));
    did(room, &format!("detach image {signature}"));
    artifact
}

#[test]
fn what_is_wrong_with_signatures_is_told_apart() {
    let room = room();
    let image = did(&room, "digest image");
    let head = format!("image {image}: it has no valid signature by this key: ");
    let verify = "verify-signature image --key key.pub";

    let other = did(&room, "sign image --key cosign.key --password-file password");
    let by_other = format!(
        "{other} was signed by another key, \\\"fB2PA3K2p2CPGcQ1GSzgPgHSVJ63+0P465MUbvHydZE=\\\""
    );
    fails(&room, verify, &format!("{head}{by_other}").replace('\\', ""));

    let payload = |bundle: &Value| bundle["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
    let signature = did(&room, "sign image --key key.pem");
    let broken = attach_changed(&room, &signature, |bundle| {
        let mut text = STANDARD.decode(payload(bundle)).unwrap();
        let last = text.len() - 2;
        text[last] = b' ';
        bundle["dsseEnvelope"]["payload"] = STANDARD.encode(text).into();
    });
    let run = room.run(verify.split(' '));
    assert!(
        run.err
            .contains(&format!("{head}{broken} was changed after this key signed it; {other} was")),
        "{}",
        run.err
    );
    did(&room, &format!("detach image {broken}"));
    did(&room, &format!("detach image {other}"));

    let signature = did(&room, "sign image --key key.pem");
    let malformed = attach_changed(&room, &signature, |bundle| {
        bundle["dsseEnvelope"]["signatures"] = json!([]);
    });
    let reason = "is malformed: it has 0 signatures: expected one";
    fails(&room, verify, &format!("{head}{malformed} {reason}"));
    did(&room, &format!("detach image {malformed}"));

    // A valid signature of another image.
    did(&room, "build -f app:/bin/other -o other");
    let digest = did(&room, "digest other");
    let elsewhere = did(&room, "sign other --key key.pem");
    let manifest: Value =
        serde_json::from_str(&room.ok(&format!("manifest other@{elsewhere}"))).unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let artifact = did(&room, &format!("attach image other/blobs/{blob} --type {BUNDLE}"));
    fails(&room, verify, &format!("{head}{artifact} is about another image, {digest}"));

    // A damaged blob.
    let file = room.path("other/blobs").join(&blob);
    let mut bytes = fs::read(&file).unwrap();
    bytes[10] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    let run = room.run(["verify-signature", "other", "--key", "key.pub"]);
    assert!(run.err.contains(&format!("{elsewhere} cannot be read: blob ")), "{}", run.err);
    assert!(run.err.contains(" is damaged: "), "{}", run.err);
}

/// Changes the index of a layout.
fn edit_index(room: &Room, change: impl FnOnce(&mut Vec<Value>)) {
    let file = room.path("image/index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(index["manifests"].as_array_mut().unwrap());
    fs::write(&file, index.to_string()).unwrap();
}

/// The blob of a signature that was detached stays, and is not one that cosign saved.
#[test]
fn a_detached_signature_does_not_count() {
    let room = room();
    edit_index(&room, |entries| {
        entries[0].as_object_mut().unwrap().remove("platform");
    });
    let first = did(&room, "sign image --key key.pem");
    let second = did(&room, "sign image --key cosign.key --password-file password");
    let verify = "verify-signature image --key key.pub";
    did(&room, verify);
    did(&room, &format!("detach image {first}"));
    did(&room, &format!("detach image {second}"));
    fails(&room, verify, "lists what is attached to it");
    edit_index(&room, |entries| {
        let name = json!({ "org.opencontainers.image.ref.name": "1.0" });
        assert_eq!((entries.len(), &entries[0]["annotations"]), (1, &name));
    });
}

/// Adds a blob to the layout, which nothing names.
fn add_blob(room: &Room, bytes: &str) -> String {
    fs::write(room.path("blob"), bytes).unwrap();
    let digest = oci_layout::Digest::of(bytes.as_bytes());
    fs::copy(room.path("blob"), room.path(format!("image/blobs/sha256/{}", digest.hex()))).unwrap();
    digest.to_string()
}

/// `cosign save` stores signatures as blobs that no index lists, and no platforms.
#[test]
fn broken_signatures_of_others_do_not_count_in_layouts_of_cosign() {
    let room = room();
    let image = did(&room, "digest image");
    let signature = did(&room, "sign image --key key.pem");
    edit_index(&room, |entries| {
        entries.truncate(1);
        entries[0].as_object_mut().unwrap().remove("platform");
    });
    let verify = "verify-signature image --key key.pub";
    assert_eq!(did(&room, verify), image);

    // Manifests whose configuration or bundle is not there, and one that is none.
    let missing = oci_layout::Digest::of(b"missing");
    let blob = |media_type: &str| json!({ "mediaType": media_type, "digest": missing, "size": 7 });
    let manifest = |config: &str, layers: Value| {
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(config), "layers": layers,
            "subject": { "mediaType": "a/b", "digest": image, "size": 1 },
        })
        .to_string()
    };
    add_blob(&room, &manifest("application/vnd.oci.image.config.v1+json", json!([])));
    let broken = add_blob(&room, &manifest("a/b", json!([blob(BUNDLE)])));
    assert_eq!(did(&room, verify), image);
    let hex = signature.strip_prefix("sha256:").unwrap();
    fs::remove_file(room.path(format!("image/blobs/sha256/{hex}"))).unwrap();
    let reason = format!("by this key: {broken} cannot be read: ");
    let run = room.run(verify.split(' '));
    assert!(run.code == Some(1) && run.err.contains(&reason), "{}", run.err);
}

#[test]
fn only_few_bytes_of_bundles_are_read() {
    let room = room();
    fs::File::create(room.path("large")).unwrap().set_len((32 << 20) + 1).unwrap();
    let large = did(&room, &format!("attach image large --type {BUNDLE}"));
    fails(
        &room,
        "verify-signature image --key key.pub",
        &format!("by this key: {large} has 33554433 bytes, more than 33554432"),
    );
    // Another one is still found.
    did(&room, "sign image --key key.pem");
    did(&room, "verify-signature image --key key.pub");
    fails(
        &room,
        "sign image --key key.pem --predicate large --predicate-type a:b",
        "file \"large\": it has more than 33554432 bytes: it is too large for a bundle",
    );
    for megabyte in 0..9 {
        fs::File::create(room.path("large")).unwrap().set_len((32 << 20) - megabyte).unwrap();
        did(&room, &format!("attach image large --type {BUNDLE}"));
    }
    fails(
        &room,
        "verify-signature image --key key.pub",
        "more than 1000 artifacts that may be signatures are attached to it, or 268435456 bytes \
         of them: detach some",
    );
}

/// Runs the program with this standard input.
fn with_input(room: &Room, args: &str, input: &str) -> Run {
    let mut command = room.command(args.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn passwords_come_from_files_or_standard_input() {
    let room = room();
    let sign = "sign image --key cosign.key";
    fails(
        &room,
        sign,
        "key \"cosign.key\": is encrypted: give its password with --password-file FILE, or - for standard input",
    );
    fails(
        &room,
        &format!("{sign} --password-file app"),
        "key \"cosign.key\": cannot be decrypted: the password is wrong, or the key is damaged",
    );
    fails(
        &room,
        &format!("{sign} --password-file - --predicate - --predicate-type a:b"),
        "standard input: is given twice: use files, and standard input for one of them",
    );
    fails(
        &room,
        "sign image --key - --password-file -",
        "standard input: is given twice: use files, and standard input for one of them",
    );
    let from_file = did(&room, &format!("{sign} --password-file password"));
    for input in ["hello", "hello\n", "hello\r\n"] {
        let run = with_input(&room, &format!("{sign} --password-file -"), input);
        assert_eq!((run.code, run.out.trim_end()), (Some(0), &*from_file), "{}", run.err);
    }
    // Other files than keys and their passwords too.
    let sign = "sign image --key key.pem --predicate-type a:b --predicate";
    let from_file = did(&room, &format!("{sign} predicate.json"));
    let run = with_input(&room, &format!("{sign} -"), PREDICATE);
    assert_eq!((run.code, run.out.trim_end()), (Some(0), &*from_file), "{}", run.err);
}

#[test]
fn mistakes_have_their_sentences() {
    let room = room();
    fails(
        &room,
        "sign image --key none",
        "cannot read \"none\": No such file or directory (os error 2)",
    );
    fails(
        &room,
        "sign image --key key.pub",
        "key \"key.pub\": is a public key: give the private key",
    );
    fails(
        &room,
        "verify-signature image --key key.pem",
        "key \"key.pem\": is a private key: take its public key with `openssl pkey -pubout -in \
         FILE`, or with `cosign public-key --key FILE`",
    );
    fails(
        &room,
        "sign image --key key.pem --predicate app --predicate-type a:b",
        "predicate: is not JSON: expected value at line 1 column 1",
    );
    assert_eq!(room.run(["sign", "image", "--key", "key.pem", "--predicate", "app"]).code, Some(2));
    assert_eq!(room.run(["sign", "image:2.0", "--key", "key.pem"]).code, Some(1));
    assert_eq!(room.ok("discover image"), "");
}
