//! The reading part of the distribution specification 1.1.1, section by section.

use std::{collections::BTreeSet, sync::Arc};

use oci_layout::{
    Blob, Digest, Image, MemoryBlob, artifact_manifest,
    document::{Descriptor, MediaType},
    image_index, image_layout,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{ask, get},
    image,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BILL: &str = "application/spdx+json";

/// A layout `a/b` with an image with four tags, one for two platforms, and referrers of the first.
struct Fixture {
    served: Served,
    image: oci_layout::ImageManifest,
    two: oci_layout::ImageIndex,
    bill: Descriptor,
    seal: Descriptor,
    _dir: TempDir,
}

fn fixture() -> Fixture {
    let dir = TempDir::new().unwrap();
    let image = image("one", "linux/amd64");
    let two = image_index(
        ["linux/amd64", "linux/arm64"]
            .map(|platform| crate::registry::serve::image("two", platform)),
        Value::Null,
    );
    let two = two.unwrap();
    let subject = Descriptor::new(MediaType::MANIFEST, image.digest(), image.bytes().len() as u64);
    let text = MemoryBlob::new(MediaType::new("text/plain"), *b"a bill");
    let annotations = json!({ "annotations": { "org.example.of": "the bill" } });
    let bill =
        artifact_manifest(BILL, [Arc::new(text) as Arc<dyn Blob>], Some(&subject), annotations)
            .unwrap();
    // Without an artifact type, the type is that of the configuration: an image that refers to
    // another.
    let extra = json!({ "subject": subject });
    let config = oci_layout::image_config(&[] as &[oci_layout::TarLayer], json!({})).unwrap();
    let seal = oci_layout::image_manifest(config, [] as [oci_layout::TarLayer; 0], extra).unwrap();
    let descriptors = [bill.descriptor().clone(), Image::from(seal.clone()).descriptor().clone()];
    let tagged =
        ["v3", "v1", "V2", "v10"].into_iter().fold(Image::from(image.clone()), Image::tagged);
    let images = [tagged, two.clone().tagged("registry.example/two:two"), bill, seal.into()];
    let layout = image_layout(dir.path(), images, json!({})).unwrap();
    let [bill, seal] = descriptors;
    Fixture { served: Served::new([("a/b", layout)]), image, two, bill, seal, _dir: dir }
}

#[test]
fn determining_support() {
    let Fixture { served, .. } = &fixture();
    for path in ["/v2/", "/v2"] {
        let answer = served.get(path);
        assert_eq!((answer.status, answer.json()), (200, json!({})));
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
}

#[test]
fn pulling_manifests() {
    let Fixture { served, image, two, .. } = &fixture();
    for (digest, bytes, tags, media_type) in [
        (image.digest(), image.bytes(), &["v1", "V2", "v3", "v10"][..], MANIFEST),
        (two.digest(), two.bytes(), &["two"], INDEX),
    ] {
        let digest = digest.to_string();
        let encoded = digest.replace(':', "%3A");
        for reference in tags.iter().chain([&*digest, &*encoded].iter()) {
            // "In a successful response, the Content-Type header will indicate the type of the
            // returned manifest". This also holds for a client that accepts another type, because
            // there is no other.
            for accept in [media_type, "application/json", "*/*"] {
                let answer = get(
                    &served.address,
                    &format!("/v2/a/b/manifests/{reference}"),
                    &[("Accept", accept)],
                );
                assert_eq!((answer.status, &*answer.body), (200, bytes), "{reference}");
                assert_eq!(answer.header("content-type"), media_type);
                // "A successful response MUST contain the digest".
                assert_eq!(answer.header("docker-content-digest"), digest);
                assert!(answer.is_whole());
            }
        }
    }
    // An entry of an index is a manifest too, and has no tag.
    for entry in &two.document().manifests {
        let answer = served.get(format!("/v2/a/b/manifests/{}", entry.digest));
        assert_eq!((answer.status, Digest::of(&answer.body)), (200, entry.digest));
    }
}

/// "If the manifest is not found in the repository, the response code MUST be 404 Not Found."
#[test]
fn pulling_manifests_that_are_not_there() {
    let Fixture { served, image, .. } = &fixture();
    let nowhere = Digest::of("nothing");
    let layer = image.layers()[0].descriptor().digest;
    for reference in
        ["v2".to_owned(), ".INVALID".to_owned(), nowhere.to_string(), layer.to_string()]
    {
        let answer = served.get(format!("/v2/a/b/manifests/{reference}"));
        assert_eq!((answer.status, &*answer.code()), (404, "MANIFEST_UNKNOWN"), "{reference}");
    }
    let sha512 = format!("sha512:{}", "0".repeat(128));
    assert_eq!(served.get(format!("/v2/a/b/manifests/{sha512}")).status, 404);
    for name in ["a", "b", "a/b/c"] {
        let answer = served.get(format!("/v2/{name}/manifests/v1"));
        assert_eq!((answer.status, &*answer.code()), (404, "NAME_UNKNOWN"), "{name}");
    }
    let answer = served.get("/v2/a/b/manifests/sha256:totallywrong");
    assert_eq!((answer.status, &*answer.code()), (400, "DIGEST_INVALID"));
}

#[test]
fn pulling_blobs() {
    let Fixture { served, image, .. } = &fixture();
    for blob in [image.layers()[0].descriptor(), image.config().descriptor()] {
        let answer = served.get(format!("/v2/a/b/blobs/{}", blob.digest));
        assert_eq!((answer.status, Digest::of(&answer.body)), (200, blob.digest));
        assert_eq!(answer.header("docker-content-digest"), blob.digest.to_string());
        assert!(answer.is_whole());
    }
    for digest in [Digest::of("nothing").to_string(), format!("sha512:{}", "0".repeat(128))] {
        let answer = served.get(format!("/v2/a/b/blobs/{digest}"));
        assert_eq!((answer.status, &*answer.code()), (404, "BLOB_UNKNOWN"));
    }
}

#[test]
fn checking_if_content_exists_in_the_registry() {
    let Fixture { served, image, .. } = &fixture();
    let layer = image.layers()[0].descriptor();
    let manifest = image.bytes().len() as u64;
    for (target, digest, size) in [
        ("manifests/v1".to_owned(), image.digest(), manifest),
        (format!("manifests/{}", image.digest()), image.digest(), manifest),
        (format!("blobs/{}", layer.digest), layer.digest, layer.size),
    ] {
        let answer = ask(&served.address, "HEAD", &format!("/v2/a/b/{target}"), &[]);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        assert_eq!(answer.header("content-length"), size.to_string());
    }
    let nothing = Digest::of("nothing");
    for target in
        ["manifests/v2".to_owned(), format!("manifests/{nothing}"), format!("blobs/{nothing}")]
    {
        assert_eq!(
            ask(&served.address, "HEAD", &format!("/v2/a/b/{target}"), &[]).status,
            404,
            "{target}"
        );
    }
}

#[test]
fn listing_tags() {
    let Fixture { served, .. } = &fixture();
    let list = |query: &str| {
        let answer = served.get(format!("/v2/a/b/tags/list{query}"));
        assert_eq!(answer.status, 200, "{query}");
        let json = answer.json();
        assert_eq!(json["name"], "a/b");
        (json["tags"].clone(), answer.headers.get("link").cloned())
    };
    // In ASCII order.
    let all = json!(["V2", "two", "v1", "v10", "v3"]);
    assert_eq!(list(""), (all.clone(), None));
    assert_eq!(list("?n=5"), (all.clone(), None));
    assert_eq!(list("?n=99999999999999999999999"), (all, None));
    // "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link
    // header."
    assert_eq!(list("?n=0"), (json!([]), None));
    assert_eq!(list("?n=0&last=V2"), (json!([]), None));
    // "beginning non-inclusively with <tagname>", which need not exist.
    assert_eq!(list("?last=two"), (json!(["v1", "v10", "v3"]), None));
    assert_eq!(list("?last=u"), (json!(["v1", "v10", "v3"]), None));
    assert_eq!(list("?last=v3"), (json!([]), None));
    // The links lead through the whole list.
    let (mut tags, mut query) = (Vec::new(), "?n=2".to_owned());
    loop {
        let (part, link) = list(&query);
        tags.extend(part.as_array().unwrap().clone());
        let Some(link) = link else { break };
        assert_eq!(part.as_array().unwrap().len(), 2);
        let target = link
            .strip_prefix("</v2/a/b/tags/list")
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap();
        query = target.to_owned();
    }
    assert_eq!(tags, ["V2", "two", "v1", "v10", "v3"]);
    assert_eq!(served.get("/v2/a/b/tags/list?n=x").status, 400);
    let answer = served.get("/v2/nothing/tags/list");
    assert_eq!((answer.status, &*answer.code()), (404, "NAME_UNKNOWN"));
}

/// From Docker's specification, and not in that of OCI. `crane catalog` uses it.
#[test]
fn listing_repositories() {
    let images = ["c", "a/b", "a"].map(|name| (name, vec![image(name, "linux/amd64")]));
    let served = Served::new(images);
    assert_eq!(served.get("/v2/_catalog").json(), json!({ "repositories": ["a", "a/b", "c"] }));
    let answer = served.get("/v2/_catalog?n=2");
    assert_eq!(answer.json(), json!({ "repositories": ["a", "a/b"] }));
    assert_eq!(answer.header("link"), "</v2/_catalog?n=2&last=a/b>; rel=\"next\"");
    assert_eq!(served.get("/v2/_catalog?n=2&last=a/b").json(), json!({ "repositories": ["c"] }));
}

#[test]
fn listing_referrers() {
    let Fixture { served, image, two, bill, seal, .. } = &fixture();
    let list = |digest: Digest, query: &str| {
        let answer = served.get(format!("/v2/a/b/referrers/{digest}{query}"));
        // "Assuming a repository is found, this request MUST return a 200 OK response code."
        assert_eq!((answer.status, answer.header("content-type")), (200, INDEX));
        let json = answer.json();
        assert_eq!((&json["schemaVersion"], &json["mediaType"]), (&json!(2), &json!(INDEX)));
        (json["manifests"].clone(), answer.headers.get("oci-filters-applied").cloned())
    };
    let entry = |descriptor: &Descriptor, artifact_type: &str| {
        json!({
            "mediaType": MANIFEST,
            "digest": descriptor.digest,
            "size": descriptor.size,
            "artifactType": artifact_type,
        })
    };
    let mut bill = entry(bill, BILL);
    // "The descriptors MUST include annotations from the image manifest or index."
    bill["annotations"] = json!({ "org.example.of": "the bill" });
    // "If the artifactType is empty or missing in the image manifest, the value of artifactType
    // MUST be set to the config descriptor mediaType value."
    let config = "application/vnd.oci.image.config.v1+json";
    let seal = entry(seal, config);
    assert_eq!(list(image.digest(), ""), (json!([bill, seal]), None));
    let applied = Some("artifactType".to_owned());
    assert_eq!(
        list(image.digest(), "?artifactType=application/spdx%2Bjson"),
        (json!([bill]), applied.clone())
    );
    assert_eq!(
        list(image.digest(), &format!("?artifactType={config}")),
        (json!([seal]), applied.clone())
    );
    assert_eq!(list(image.digest(), "?artifactType=other"), (json!([]), applied));
    // "If a query results in no matching referrers, an empty manifest list MUST be returned."
    for digest in [two.digest(), Digest::of("nothing")] {
        assert_eq!(list(digest, ""), (json!([]), None));
    }
    let sha512 = format!("/v2/a/b/referrers/sha512:{}", "0".repeat(128));
    assert_eq!(
        (served.get(&sha512).status, served.get(&sha512).json()["manifests"].clone()),
        (200, json!([]))
    );
    // "If the request is invalid, such as a <digest> with an invalid syntax, a 400 Bad Request MUST
    // be returned."
    assert_eq!(served.get("/v2/a/b/referrers/sha256:0").code(), "DIGEST_INVALID");
    assert_eq!(served.get(format!("/v2/c/referrers/{}", image.digest())).code(), "NAME_UNKNOWN");
}

/// Content management: "If tag deletion is disabled, the registry MUST respond with either a 400
/// Bad Request or a 405 Method Not Allowed". All other writes get the same response.
#[test]
fn nothing_is_written() {
    let Fixture { served, image, .. } = &fixture();
    let layer = image.layers()[0].descriptor().digest;
    for (method, target) in [
        ("POST", "blobs/uploads/".to_owned()),
        ("POST", format!("blobs/uploads/?mount={layer}&from=c")),
        ("PATCH", "blobs/uploads/1".to_owned()),
        ("PUT", "manifests/v1".to_owned()),
        ("DELETE", "manifests/v1".to_owned()),
        ("DELETE", format!("manifests/{}", image.digest())),
        ("DELETE", format!("blobs/{layer}")),
    ] {
        let answer = ask(&served.address, method, &format!("/v2/a/b/{target}"), &[]);
        assert_eq!((answer.status, &*answer.code()), (405, "UNSUPPORTED"), "{method} {target}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

/// "The code field MUST be one of the following."
#[test]
fn error_codes() {
    let Fixture { served, .. } = &fixture();
    let codes = BTreeSet::from([
        "BLOB_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "UNSUPPORTED",
    ]);
    let mut seen = BTreeSet::new();
    for target in
        ["/", "/v2/A/manifests/a", "/v2/c/tags/list", "/v2/a/b/manifests/v9", "/v2/a/b/blobs/x"]
    {
        let answer = served.get(target);
        assert!((400..500).contains(&answer.status), "{target}");
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        seen.insert(answer.code());
    }
    seen.insert(served.get(format!("/v2/a/b/blobs/{}", Digest::of("nothing"))).code());
    assert_eq!(seen, codes.into_iter().map(str::to_owned).collect());
}
