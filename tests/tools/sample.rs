//! The image for all tools: everything that a layer and a configuration can contain, and the
//! expected results.

mod files;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_layout::{
    Compression, Digest, FileMapping, HardLinks, ImageConfig, Layer, LayerOptions, PermissionRule,
    TarLayer, image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::files::{REMOVED, Row, lower, upper};
use crate::tools::entry::{Entry, directory};

/// The options of the upper layer. The lower one has the defaults: root, and one second after 1970.
const UPPER_OWNER: (u64, u64) = (10, 20);
const UPPER_TIME: i64 = 1_600_000_000;

/// The sample as a layout with the only tag `latest`.
pub struct Sample {
    /// The digest of the manifest, by the library.
    pub digest: Digest,
    pub config: ImageConfig,
    /// The entries in the tar of each layer, in order.
    pub layers: [Vec<Entry>; 3],
    pub tars: [TarLayer; 3],
    dir: TempDir,
}

impl Sample {
    pub fn new(compression: Compression) -> Self {
        let dir = TempDir::new().unwrap();
        let layout = dir.path().join("layout");
        let options = LayerOptions::from(compression).store(&layout);

        let (lower, upper) = (lower(dir.path()), upper(UPPER_OWNER, UPPER_TIME));
        let lower_options =
            options.clone().hard_links(HardLinks::Merge).permission(PermissionRule {
                glob: "/rules/**/*.key".to_owned(),
                mode: Some(0o600),
                uid: Some(7),
                gid: None,
            });
        let upper_options = options.clone().mtime(UPPER_TIME).owner(UPPER_OWNER.0, UPPER_OWNER.1);
        let tars = [
            layer_tar(mappings(&lower), lower_options).unwrap(),
            layer_tar(mappings(&upper), upper_options).unwrap(),
            layer_tar([] as [FileMapping; 0], options).unwrap(),
        ];
        let config =
            image_config(&tars, json!({ "author": "the tests", "config": run_config() })).unwrap();
        let manifest =
            image_manifest(config, tars.clone(), json!({ "annotations": annotations() })).unwrap();
        let (digest, config) = (manifest.digest(), manifest.config().clone());
        let annotations = json!({ "annotations": { "org.example.of": "the index" } });
        image_layout(
            &layout,
            [manifest.tagged("latest").annotated("org.example.of", "the descriptor")],
            annotations,
        )
        .unwrap();
        Self {
            digest,
            config,
            layers: [entries(&lower, 1), entries(&upper, UPPER_TIME), Vec::new()],
            tars,
            dir,
        }
    }

    /// The folder that contains the layout as `layout`.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn layout(&self) -> PathBuf {
        self.dir.path().join("layout")
    }

    pub fn diff_ids(&self) -> Vec<String> {
        self.tars.iter().map(|layer| layer.diff_id().to_string()).collect()
    }

    /// The files that a container of the image sees.
    pub fn root_file_system(&self) -> Vec<Entry> {
        let [lower, upper, _] = &self.layers;
        let stays = |entry: &&Entry| !REMOVED.iter().any(|removed| entry.path.starts_with(removed));
        let over = |entry: &&Entry| upper.iter().any(|upper| upper.path == entry.path);
        let mut entries: Vec<Entry> =
            lower.iter().filter(stays).filter(|entry| !over(entry)).cloned().collect();
        entries.extend(upper.iter().filter(|entry| !entry.is_whiteout()).cloned());
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }
}

/// Defines tests from functions that take a compression: one for each function and compression.
macro_rules! for_each_compression {
    ($($name:ident),+) => { $(mod $name {
        #[test]
        fn none() {
            super::$name(oci_layout::Compression::None)
        }

        #[test]
        fn gzip() {
            super::$name(oci_layout::Compression::GZIP)
        }

        #[test]
        fn zstd() {
            super::$name(oci_layout::Compression::ZSTD)
        }

        #[test]
        fn zstd_chunked() {
            super::$name(oci_layout::Compression::ZSTD_CHUNKED)
        }
    })+ };
}
pub(crate) use for_each_compression;

/// The configuration of containers, with every member of the specification.
pub fn run_config() -> Value {
    json!({
        "User": "1000:1001",
        "ExposedPorts": { "8080/tcp": {}, "53/udp": {} },
        "Env": ["PATH=/bin", "GREETING=a = b"],
        "Entrypoint": ["/bin/report"],
        "Cmd": ["one", "two words"],
        "Volumes": { "/var/data": {} },
        "WorkingDir": "/srv/kept",
        "Labels": { "org.example.label": "with \"quotes\" & <brackets>" },
        "StopSignal": "SIGUSR1",
    })
}

/// The manifest's annotations.
pub fn annotations() -> Value {
    json!({ "org.opencontainers.image.title": "sample", "org.example.of": "the manifest" })
}

fn mappings(rows: &[Row]) -> Vec<FileMapping> {
    rows.iter().map(|(mapping, _)| mapping.clone()).collect()
}

/// All entries in order, with the parent directories that no mapping has: root's, 0755, the layer's
/// time.
fn entries(rows: &[Row], mtime: i64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = rows.iter().flat_map(|(_, entries)| entries).cloned().collect();
    for parent in entries.clone().iter().flat_map(|entry| entry.path.ancestors().skip(1)) {
        if parent != Path::new("") && !entries.iter().any(|entry| entry.path == parent) {
            entries.push(directory(parent).mtime(mtime));
        }
    }
    // Sorted by name in byte order. Within a directory, whiteouts come first, the opaque one before
    // the others.
    entries.sort_by_cached_key(|entry| {
        let rank = |name: &OsStr| match name.as_bytes() {
            b".wh..wh..opq" => 0,
            name if name.starts_with(b".wh.") => 1,
            _ => 2,
        };
        entry.path.iter().map(|name| (rank(name), name.to_owned())).collect::<Vec<_>>()
    });
    entries
}
