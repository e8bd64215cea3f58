//! `mutate`: changes of an existing image.

use std::fs;

use serde_json::{Value, json};

use crate::cli::room::{Room, Run};

/// A layout `image` with one layer, under the tag 1.0, and a layer `layer`.
fn room() -> Room {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag 1.0 -o image --entrypoint /bin/app --cmd go --env A=1 \
             --label old=1 --annotation from=build --user 7");
    room.ok("layer-tar -f assets:/srv -o layer");
    room
}

/// Runs `mutate`, which must succeed, and returns what it says has changed.
#[track_caller]
fn mutate(room: &Room, args: &str) -> String {
    let run = room.run(format!("mutate {args}").split(' '));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.starts_with("sha256:") && run.out.lines().count() == 1, "{run:?}");
    run.err
}

#[test]
fn every_member_changes_in_place() {
    let room = room();
    let said = mutate(
        &room,
        "image:1.0 --env B=$A:2 --entrypoint /bin/new --label new=2 --unset-label old --user 8:9 \
         --workdir /srv --expose 80 --volume /data --stop-signal SIGINT --created 100 --annotation \
         a=b --unset-annotation from --set-platform linux/arm64",
    );
    assert_eq!(
        said,
        "changed image:1.0: architecture, created, config.Cmd, config.Entrypoint, config.Env, \
         config.ExposedPorts, config.Labels, config.StopSignal, config.User, config.Volumes, \
         config.WorkingDir, annotations\n"
    );
    let (manifest, config) = room.image("image");
    assert_eq!(manifest["annotations"], json!({ "a": "b" }));
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["created"], "1970-01-01T00:01:40Z");
    assert_eq!(
        config["config"],
        json!({
            "Entrypoint": ["/bin/new"], "Env": ["A=1", "B=1:2"], "ExposedPorts": { "80/tcp": {} },
            "Labels": { "new": "2" }, "StopSignal": "SIGINT", "User": "8:9",
            "Volumes": { "/data": {} }, "WorkingDir": "/srv",
        })
    );
    let index = room.json("image/index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(
        index["manifests"][0]["annotations"],
        json!({ "org.opencontainers.image.ref.name": "1.0" })
    );
    assert_eq!(room.ok("verify image"), "");
}

#[test]
fn members_are_removed() {
    let room = room();
    let said = mutate(&room, "image --clear entrypoint --clear label --unset-env A --env C=3");
    assert_eq!(said, "changed image: config.Entrypoint, config.Env, config.Labels\n");
    let (_, config) = room.image("image");
    assert_eq!(config["config"], json!({ "Cmd": ["go"], "Env": ["C=3"], "User": "7" }));
}

#[test]
fn unknown_members_and_the_index_stay() {
    let room = room();
    let (mut manifest, mut config) = room.image("image");
    config["strange"] = json!({ "z": [1], "a": 2 });
    config["config"]["Strange"] = json!(true);
    config["config"]["OnBuild"] = json!(["RUN x"]);
    config["rootfs"]["strange"] = json!(1);
    manifest["strange"] = json!("x");
    manifest["layers"][0]["annotations"] = json!({ "layer": "kept" });
    manifest["config"] = write(&room, "config", &config);
    let mut entry = write(&room, "manifest", &manifest);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "1.0", "mine": "kept" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry], "strange": "kept" });
    fs::write(room.path("image/index.json"), index.to_string()).unwrap();

    mutate(&room, "image:1.0 --user 9");
    let index = room.json("image/index.json");
    assert_eq!(index["strange"], "kept");
    assert_eq!(index["manifests"][0]["annotations"]["mine"], "kept");
    let (new_manifest, new_config) = room.image("image");
    config["config"]["User"] = json!("9");
    assert_eq!(new_config, config);
    manifest["config"] = new_manifest["config"].clone();
    assert_eq!(new_manifest, manifest);
}

/// Writes a document as a blob, and returns its descriptor.
fn write(room: &Room, kind: &str, document: &Value) -> Value {
    let bytes = document.to_string();
    let digest = oci_layout::Digest::of(&bytes);
    fs::write(room.path(format!("image/blobs/sha256/{}", digest.hex())), &bytes).unwrap();
    let media_type = format!("application/vnd.oci.image.{kind}.v1+json");
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
}

#[test]
fn layers_and_history_change_together() {
    let room = room();
    let history = json!([
        { "created_by": "base" },
        { "created_by": "ENV", "empty_layer": true },
    ]);
    mutate(&room, &format!("image --extra-config {}", json!({ "history": history })));
    let said = mutate(&room, "image:1.0 --append layer -o other -t 2.0");
    assert_eq!(said, "changed other:2.0: layers (2, before: 1)\n");
    let (manifest, config) = room.image("other");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
    let entries = config["history"].as_array().unwrap();
    assert_eq!(entries[..2], history.as_array().unwrap()[..]);
    assert_eq!(entries[2]["created_by"], "oci-layout layer-tar /srv");
    assert_eq!(room.ok("verify other"), "");
    assert_eq!(room.ok("ls other:2.0 srv/*"), "/srv/index.html\n");

    let said = mutate(&room, "other --drop-layers 2");
    assert_eq!(said, "changed other: layers (0, before: 2)\n");
    let (_, config) = room.image("other");
    assert_eq!(config["history"], json!([history[1]]));
    assert!(room.ok("verify other").contains("refuse a manifest without layers"));
}

#[test]
fn no_layer_is_read() {
    let room = room();
    let (manifest, _) = room.image("image");
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    fs::write(room.path(format!("image/blobs/sha256/{}", &digest[7..])), "damaged").unwrap();
    mutate(&room, "image --user 9 --append layer");
    let run = room.run(["verify", "image"]);
    assert!(run.code == Some(1) && run.out.contains(&digest), "{run:?}");
    // In a sparse layout, the layers stay recipes.
    room.ok("build -f app:/bin/app --sparse -o sparse");
    room.ok("layer-tar -f assets:/srv --lazy -o lazy");
    mutate(&room, "sparse --user 9 --append lazy");
    assert_eq!(fs::read_dir(room.path("sparse/recipes/sha256")).unwrap().count(), 2);
    assert_eq!(room.ok("ls sparse srv"), "/srv\n/srv/index.html\n");
}

#[test]
fn a_rebase_replaces_the_layers_of_the_base() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag 1 --env A=1 -o old");
    fs::write(room.path("app"), "new\n").unwrap();
    room.ok("build -f app:/bin/app -f assets:/etc --tag 2 -o new");
    room.ok("build --base old -f assets:/srv --tag 3 -o image");
    let said = mutate(&room, "image --rebase old oci:new:2");
    assert_eq!(said, "changed image: annotations, layers (2, before: 2)\n");
    let base = room.json("new/index.json")["manifests"][0]["digest"].clone();
    let annotations = room.image("image").0["annotations"].clone();
    assert_eq!(annotations, json!({ "org.opencontainers.image.base.digest": base }));
    assert_eq!(room.ok("cat image /bin/app"), "new\n");
    assert_eq!(room.ok("ls image srv/*"), "/srv/index.html\n");
    let layers = |layout| room.image(layout).0["layers"].clone();
    assert_eq!(layers("image")[0], layers("new")[0]);
    assert_eq!(room.ok("verify image"), "");

    let diff_id = |layout, at: usize| room.image(layout).1["rootfs"]["diff_ids"][at].clone();
    let (found, base) = (diff_id("image", 0), diff_id("old", 0));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    room.fails(
        "mutate image --rebase old new",
        &format!(
            "image image was not built on image old: its layer 1 has the diff ID {}, and that of \
             the base has {}; give the image on which it was built",
            text(&found),
            text(&base)
        ),
    );
}

#[test]
fn an_image_for_several_platforms_is_changed_for_all_or_one() {
    let room = room();
    for platform in ["amd64", "arm64"] {
        room.ok(&format!("build -f app:/{platform} --platform linux/{platform} -o {platform}"));
    }
    room.ok("image-layout x=amd64 x=arm64 -o both");
    let user = |platform: &str| {
        let index = room.json("both/index.json");
        let entries = room.blob("both", &index["manifests"][0]["digest"])["manifests"].clone();
        let is_it = |entry: &&Value| entry["platform"]["architecture"] == platform;
        let entry = entries.as_array().unwrap().iter().find(is_it).unwrap().clone();
        let manifest = room.blob("both", &entry["digest"]);
        room.blob("both", &manifest["config"]["digest"])["config"]["User"].clone()
    };
    mutate(&room, "both:x --user 1");
    assert_eq!([user("amd64"), user("arm64")], ["1", "1"]);
    mutate(&room, "both:x --user 2 --platform linux/arm64");
    assert_eq!([user("amd64"), user("arm64")], ["1", "2"]);
    assert_eq!(room.ok("verify both"), "");
    // One mistake, one warning.
    let said = mutate(&room, "both:x --env A=$NONE");
    assert_eq!(said.matches("oci-layout: warning: ").count(), 1, "{said}");
    let run = room.run(["mutate", "both:x", "--user", "3", "--platform", "linux/riscv64"]);
    assert!(run.err.contains("linux/amd64") && run.code == Some(1), "{run:?}");
}

#[test]
fn attestations_of_a_changed_image_are_removed() {
    let room = room();
    let index = room.json("image/index.json");
    let mut image = index["manifests"][0].clone();
    image["annotations"] = json!({ "a": "kept" });
    let mut attestation = image.clone();
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    let mut other = attestation.clone();
    attestation["annotations"] = json!({ "vnd.docker.reference.digest": image["digest"] });
    other["annotations"] = json!({ "vnd.docker.reference.digest": "sha256:other" });
    let (manifest, _) = room.image("image");
    for entry in [&mut attestation, &mut other] {
        let mut manifest = manifest.clone();
        manifest["annotations"] = entry["annotations"].clone();
        let layer = "application/vnd.in-toto+json";
        manifest["layers"][0]["mediaType"] = json!(layer);
        let written = write(&room, "manifest", &manifest);
        entry["digest"] = written["digest"].clone();
        entry["size"] = written["size"].clone();
    }
    let nested = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [image, attestation, other], "strange": 1,
    });
    let root = write(&room, "index", &nested);
    let index = json!({ "schemaVersion": 2, "manifests": [root] });
    fs::write(room.path("image/index.json"), index.to_string()).unwrap();
    mutate(&room, "image --user 9");
    let digest = &room.json("image/index.json")["manifests"][0]["digest"];
    let changed = room.blob("image", digest);
    assert_eq!(changed["strange"], 1);
    let entries = changed["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["annotations"], image["annotations"]);
    assert_ne!(entries[0]["digest"], image["digest"]);
    assert_eq!(entries[1], other);
}

/// Docker's own media types are for the same bytes.
#[test]
fn an_image_of_docker_becomes_one_of_oci() {
    let room = room();
    let (mut manifest, config) = room.image("image");
    let types = "application/vnd.docker.";
    manifest["mediaType"] = json!(format!("{types}distribution.manifest.v2+json"));
    manifest["layers"][0]["mediaType"] = json!(format!("{types}image.rootfs.diff.tar.gzip"));
    manifest["config"] = write(&room, "config", &config);
    manifest["config"]["mediaType"] = json!(format!("{types}container.image.v1+json"));
    let mut entry = write(&room, "manifest", &manifest);
    entry["mediaType"] = manifest["mediaType"].clone();
    let mut index = room.json("image/index.json");
    index["manifests"] = json!([entry]);
    fs::write(room.path("image/index.json"), index.to_string()).unwrap();
    assert_eq!(mutate(&room, "image --label a=b"), "changed image: config.Labels\n");
    let (manifest, _) = room.image("image");
    let types = "application/vnd.oci.image.";
    for (found, kind) in [
        (&manifest["mediaType"], "manifest.v1+json"),
        (&manifest["config"]["mediaType"], "config.v1+json"),
        (&manifest["layers"][0]["mediaType"], "layer.v1.tar+gzip"),
        (&room.json("image/index.json")["manifests"][0]["mediaType"], "manifest.v1+json"),
    ] {
        assert_eq!(*found, json!(format!("{types}{kind}")));
    }
    assert_eq!(room.ok("verify image"), "");
}

#[test]
fn the_last_name_decides() {
    let room = room();
    room.did("append 2.0=image -o image");
    assert_eq!(mutate(&room, "image:2.0 --user 9"), "changed image:2.0: config.User\n");
    let digests = |room: &Room| {
        let index = room.json("image/index.json");
        [0, 1].map(|at| index["manifests"][at]["digest"].clone())
    };
    let [first, second] = digests(&room);
    assert_ne!(first, second);
    // Another name is added beside the old one.
    assert_eq!(mutate(&room, "image:2.0 --user 5 --tag 3.0"), "changed image:3.0: config.User\n");
    assert_eq!(digests(&room), [first, second]);
    assert_eq!(room.json("image/index.json")["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(mutate(&room, "image:2.0 --user 9"), "image:2.0: nothing to change\n");
}

#[test]
fn what_cannot_be_changed_says_why() {
    let room = room();
    let before = room.files("image");
    room.fails("mutate image:3", "\"image\" has no image with the tag \"3\": it has 1.0");
    room.fails(
        "mutate image --drop-layers 2",
        "number of layers to drop, 2: the image has fewer: 1",
    );
    room.fails("mutate image --append assets", "\"assets\" has no media-descriptor.json: give the folder of a layer, written by `oci-layout layer-tar`");
    let Run { code, err, .. } = room.run(["mutate", "docker-daemon:app", "--user", "1"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("docker save IMAGE -o FILE"), "{err}");
    room.ok("export image -o image.tar");
    room.fails(
        "mutate image.tar --user 3",
        "\"image.tar\" is an archive, which is only read: unpack \
        it into a folder first",
    );
    assert_eq!(room.files("image"), before);
}
