//! A good layout, and functions that break it: edited documents get new digests in everything that
//! refers to them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use oci_layout::{
    Compression, Digest, FileMapping, HardLinks, Image, LayerOptions, ManifestOptions, MemoryBlob,
    Pool, TarLayer, artifact_manifest,
    document::{MediaType, Platform},
    image_config, image_layout, image_manifest, layer_tar,
    verify::VerifyOptions,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{gzip, raw_tar};

pub struct Layout(TempDir);

/// An expected finding: place, blob, sentence.
pub type Expected = (String, Option<Digest>, String);

pub fn expected(
    place: impl Into<String>,
    digest: impl Into<Option<Digest>>,
    sentence: impl Into<String>,
) -> Expected {
    (place.into(), digest.into(), sentence.into())
}

/// The findings, which must be the same for any number of threads.
#[track_caller]
pub fn verify(path: impl AsRef<Path>) -> Vec<Expected> {
    verify_with(path, &VerifyOptions::default())
}

#[track_caller]
pub fn verify_with(path: impl AsRef<Path>, options: &VerifyOptions) -> Vec<Expected> {
    let [one, three] = [1, 3].map(|threads| {
        let options = options.clone().pool(&Pool::new(threads));
        oci_layout::verify::verify(path.as_ref(), &options).unwrap()
    });
    assert_eq!(one, three);
    one.into_iter()
        .map(|finding| expected(finding.place, finding.digest, finding.defect.to_string()))
        .collect()
}

impl Layout {
    /// - 0, `app`: an image with a layer of each compression, whiteouts and a hard link;
    /// - 1, `multi`: an index for two platforms;
    /// - 2: an artifact whose subject is 0;
    /// - 3: an image with Docker's media types.
    pub fn good() -> Self {
        static GOOD: LazyLock<Layout> = LazyLock::new(make);
        GOOD.copy()
    }

    pub fn copy(&self) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(copy.path().join("blobs/sha256")).unwrap();
        for folder in ["", "blobs/sha256"] {
            for file in fs::read_dir(self.path().join(folder)).unwrap().map(Result::unwrap) {
                if file.file_type().unwrap().is_file() {
                    fs::copy(file.path(), copy.path().join(folder).join(file.file_name())).unwrap();
                }
            }
        }
        copy
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    pub fn put(&self, bytes: &[u8]) -> Vec<u8> {
        fs::write(self.blob(Digest::of(bytes)), bytes).unwrap();
        bytes.to_vec()
    }

    pub fn put_json(&self, value: &Value) -> Vec<u8> {
        self.put(value.to_string().as_bytes())
    }

    /// The digest at the end of a path of descriptors, which starts in `index.json`.
    pub fn digest(&self, way: &[&str]) -> Digest {
        self.descriptor(way)["digest"].as_str().unwrap().parse().unwrap()
    }

    pub fn descriptor(&self, way: &[&str]) -> Value {
        let (last, before) = way.split_last().unwrap();
        let document: Value = serde_json::from_slice(&self.read(before)).unwrap();
        document.pointer(last).unwrap().clone()
    }

    pub fn read(&self, way: &[&str]) -> Vec<u8> {
        let path = if way.is_empty() {
            self.path().join("index.json")
        } else {
            self.blob(self.digest(way))
        };
        fs::read(path).unwrap()
    }

    /// Replaces the bytes at the end of a path, and updates the descriptors on it.
    pub fn replace(&self, way: &[&str], bytes: &[u8]) {
        let Some((last, before)) = way.split_last() else {
            return fs::write(self.path().join("index.json"), bytes).unwrap();
        };
        self.put(bytes);
        self.edit_json(before, |document| {
            let descriptor = document.pointer_mut(last).unwrap();
            descriptor["digest"] = Digest::of(bytes).to_string().into();
            descriptor["size"] = bytes.len().into();
        });
    }

    pub fn edit_json(&self, way: &[&str], change: impl FnOnce(&mut Value)) {
        let mut document = serde_json::from_slice(&self.read(way)).unwrap();
        change(&mut document);
        self.replace(way, document.to_string().as_bytes());
    }

    pub fn edit_text(&self, way: &[&str], from: &str, to: &str) {
        let text = String::from_utf8(self.read(way)).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        self.replace(way, text.replacen(from, to, 1).as_bytes());
    }

    /// Replaces the third layer of the first image, and updates the diff ID in the configuration.
    pub fn replace_layer(&self, media_type: MediaType, bytes: &[u8], diff_id: Digest) -> Digest {
        self.replace(&["/manifests/0", "/layers/2"], bytes);
        self.edit_json(&["/manifests/0"], |manifest| {
            manifest["layers"][2]["mediaType"] = media_type.as_str().into();
        });
        self.edit_json(&["/manifests/0", "/config"], |config| {
            config["rootfs"]["diff_ids"][2] = diff_id.to_string().into();
        });
        Digest::of(bytes)
    }
}

/// A descriptor of these bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}

fn make() -> Layout {
    let dir = tempfile::tempdir().unwrap();
    let sources = tempfile::tempdir().unwrap();
    fs::write(sources.path().join("file"), "twice the same\n").unwrap();
    fs::write(sources.path().join("same"), "twice the same\n").unwrap();
    symlink("file", sources.path().join("link")).unwrap();

    let layer = |files: &[FileMapping], compression: Compression| -> TarLayer {
        layer_tar(
            files.to_vec(),
            LayerOptions::default().compression(compression).hard_links(HardLinks::Merge),
        )
        .unwrap()
    };
    let text = |path: &str| FileMapping::text(format!("this is {path}\n"), path);
    let long = format!("/{}/{}", "long".repeat(30), "name".repeat(40));
    let layers = [
        layer(
            &[text("/bin/app"), text("/etc/old"), text("/var/cache/x"), text(&long)],
            Compression::GZIP,
        ),
        layer(&[FileMapping::new(sources.path(), "/data")], Compression::ZSTD),
        layer(
            &[
                FileMapping::whiteout("/etc/old"),
                FileMapping::opaque_whiteout("/var/cache"),
                text("/var/cache/y"),
            ],
            Compression::None,
        ),
    ];
    let config =
        json!({ "config": { "Entrypoint": ["/bin/app"], "Env": ["A=b"], "Labels": { "a": "b" } } });
    let config = image_config(&layers, config).unwrap();
    let annotations = json!({ "annotations": { "a": "b" } });
    let app = image_manifest(config, layers, ManifestOptions::new(annotations)).unwrap();

    let on = |platform: &str| -> Image {
        let layers = [layer(&[text(&format!("/{platform}"))], Compression::GZIP)];
        let platform: Platform = platform.parse().unwrap();
        let config =
            image_config(&layers, oci_layout::ConfigOptions::default().platform(platform)).unwrap();
        image_manifest(config, layers, json!({})).unwrap().tagged("multi")
    };
    let bill = MemoryBlob::new(MediaType::new("application/spdx+json"), *b"{\"bill\": 1}");
    let app = app.tagged("app");
    let artifact = artifact_manifest(
        "application/spdx+json",
        [std::sync::Arc::new(bill) as _],
        Some(app.descriptor()),
        json!({}),
    );
    let images = [app, on("linux/amd64"), on("linux/arm64/v8"), artifact.unwrap()];
    image_layout(dir.path(), images, json!({})).unwrap();

    let layout = Layout(dir);
    docker_image(&layout);
    layout
}

fn docker_image(layout: &Layout) {
    let tar = raw_tar::tar(&[raw_tar::file("docker", b"old")]);
    let layer = layout.put(&gzip(&tar));
    let config = layout.put_json(&json!({
        "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00.123456789Z", "docker_version": "19.03",
        "config": { "Cmd": ["/docker"], "Volumes": null, "Labels": null, "OnBuild": null, "Tty": false },
        "history": [
            { "created": "2020-01-01T00:00:00Z", "created_by": "COPY" },
            { "created": "2020-01-01T00:00:00Z", "created_by": "CMD", "empty_layer": true },
        ],
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
    }));
    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = layout.put_json(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer)],
    }));
    layout.edit_json(&[], |index| {
        index["manifests"].as_array_mut().unwrap().push(descriptor(MANIFEST, &manifest));
    });
}
