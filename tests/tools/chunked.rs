//! podman fetches only those files of a zstd:chunked layer that it lacks, and writes such layers
//! itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use oci_layout::{
    Attribute, Blob, Compression, Digest, FileMapping, ImageLayout, ImageManifest, Layer,
    LayerOptions, PlatformImage, Pool, Source, WriteOptions, image_config, image_layout,
    image_manifest, layer_tar,
    registry::{Endpoint, Serving},
    verify::VerifyOptions,
};
use serde_json::json;
use tempfile::TempDir;

use crate::common::{
    random::text,
    rich::tabled_tree,
    tool::{INSTALLED, crane, run, skopeo, tool, umoci},
};
use crate::tools::push::Counter;

/// The podman of `tests/install-tools` that fetches parts of layers, with a storage in a folder.
struct Podman(TempDir);

impl Podman {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        // The folder for temporary files may lie in an overlay, which cannot hold another one.
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(dir.path()));
        let root = dir.path().display();
        // Partial pulls need overlay.
        let storage = format!(
            "[storage]\ndriver = 'overlay'\ngraphroot = '{root}/storage'\nrunroot = '{root}/run'\n\
             [storage.options]\npull_options = {{ enable_partial_images = 'true' }}\n"
        );
        let containers = format!(
            "[engine]\ncgroup_manager = 'cgroupfs'\nevents_logger = 'none'\nlock_type = 'file'\n\
             tmp_dir = '{root}/state'\n"
        );
        fs::write(dir.path().join("storage.conf"), storage).unwrap();
        fs::write(dir.path().join("containers.conf"), containers).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = tool(&format!("{INSTALLED}/podman-newer/podman"));
        command
            .arg(self.0.path())
            .args(args)
            .env("HOME", "/root")
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"))
            .current_dir("/");
        command
    }

    /// Pulls an image, and returns its log.
    #[track_caller]
    fn pull(&self, reference: &str) -> String {
        let args = ["--log-level=debug", "pull", "--tls-verify=false", reference];
        let output = self.command(&args).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // It may leave mounts in its own namespace only.
        let _ = self.command(&["rmi", "--all", "--force"]).output();
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

/// An image with these files in a layer.
fn image(layout: &Path, files: Vec<FileMapping>, compression: Compression) -> ImageManifest {
    let options = LayerOptions::from(compression).store(layout);
    let layer = layer_tar(files, options).unwrap();
    let config = image_config([&layer], json!({})).unwrap();
    let image = image_manifest(config, [layer], json!({})).unwrap();
    image_layout(layout, [image.clone().tagged("latest")], json!({})).unwrap();
    image
}

fn serve(layouts: &[(&str, &Path)]) -> Serving {
    let layouts = layouts.iter().map(|(name, path)| (*name, ImageLayout::open(path).unwrap()));
    Endpoint::new(layouts).unwrap().listen("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Small and large files with every kind of entry between them.
fn files() -> Vec<FileMapping> {
    let large = (0..60).map(|number| {
        let size = if number == 7 { 9_000_000 } else { 40_000 + number * 7_000 };
        FileMapping::bytes(text(size, number as u64), format!("/app/{number}"))
    });
    files_of_any_system().into_iter().chain(large).collect()
}

/// podman, umoci and file systems refuse the other owners and attributes.
fn files_of_any_system() -> Vec<FileMapping> {
    let mut files = tabled_tree();
    files.retain(|file| {
        let attributes = &file.attributes;
        let is_id = |id: &Attribute<u64>| !matches!(id, Attribute::Set(65_536..));
        is_id(&attributes.uid)
            && is_id(&attributes.gid)
            && !file.destination.ends_with("attributes.d")
    });
    files
}

#[test]
fn podman_fetches_only_the_files_that_it_lacks() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let old = image(&one, files(), Compression::ZSTD_CHUNKED);
    let mut changed = files();
    let file = changed.iter().position(|file| file.destination.ends_with("app/33")).unwrap();
    changed[file] = FileMapping::text("one more line\n".repeat(3000), "/app/33");
    let new = image(&two, changed, Compression::ZSTD_CHUNKED);
    let serving = serve(&[("one", &one), ("two", &two)]);
    let counter = Counter::of(&serving.address().to_string());

    let podman = Podman::new();
    let pull = |name: &str, image: &ImageManifest| {
        let before = counter.answered();
        let reference = format!("{}/{name}:latest", counter.address);
        let log = podman.pull(&reference);
        assert!(log.contains("Retrieved partial blob"), "{log}");
        // The layer has the diff ID that the configuration says, from the files in the storage.
        let id = run(&mut podman.command(&["image", "inspect", "--format", "{{.Id}}", &reference]));
        assert_eq!(format!("sha256:{}", id.trim()), image.config().digest().to_string());
        counter.answered() - before
    };
    let blob = old.layers()[0].descriptor().size;
    let first = pull("one", &old);
    assert!(first > blob * 9 / 10, "{first} of {blob}");
    let second = pull("two", &new);
    assert!(second < blob / 20, "{second} of {blob}");

    // The tar that podman makes of the storage is the layer.
    let reference = format!("{}/two:latest", counter.address);
    let saved = podman.path("saved");
    let to = format!("dir:{}", saved.display());
    let push = ["push", "--quiet", "--compression-format", "zstd", &reference, &to];
    run(&mut podman.command(&push));
    let diff_id = new.layers()[0].diff_id();
    let of_saved = fs::read_dir(&saved).unwrap().map(|file| {
        let tar =
            tool("zstd").args(["-dcq", "--force"]).arg(file.unwrap().path()).output().unwrap();
        Digest::of(tar.stdout)
    });
    assert!(of_saved.into_iter().any(|digest| digest == diff_id));
}

#[test]
fn layers_of_podman_have_right_tables() {
    let dir = TempDir::new().unwrap();
    let (plain, pushed) = (dir.path().join("plain"), TempDir::new().unwrap());
    let image = image(&plain, files(), Compression::ZSTD);
    let serving = serve(&[("plain", &plain)]);
    let podman = Podman::new();
    let reference = format!("{}/plain:latest", serving.address());
    podman.pull(&reference);
    let to = format!("oci:{}:latest", podman.path("pushed").display());
    let format = "--compression-format=zstd:chunked";
    run(&mut podman.command(&["push", "--quiet", "--force-compression", format, &reference, &to]));
    let layout = podman.path("pushed");
    let findings = oci_layout::verify::verify(&layout, &VerifyOptions::default()).unwrap();
    assert_eq!(findings, []);
    let theirs = ImageLayout::open(&layout).unwrap().image(None, None).unwrap();
    assert_eq!(theirs.manifest().layers[0].annotations.len(), 3);
    assert_eq!(theirs.configuration().rootfs.diff_ids, [image.layers()[0].diff_id()]);

    // The library compresses such a layer again, with a table of its own or none.
    for compression in [Compression::ZSTD_CHUNKED, Compression::GZIP] {
        let ours = image_of(&theirs, compression, &pushed.path().join(compression.to_string()));
        let count = if compression == Compression::GZIP { 0 } else { 3 };
        assert_eq!(ours.manifest().layers[0].annotations.len(), count);
    }
}

fn image_of(image: &PlatformImage, compression: Compression, layout: &Path) -> PlatformImage {
    let write = WriteOptions::default();
    let (image, warnings) = image.recompressed(compression, layout, write, &Pool::new(2)).unwrap();
    assert_eq!(warnings, []);
    image
}

/// To others, the layer is zstd.
#[test]
fn others_read_the_layer_as_zstd() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("image");
    let image = image(&layout, files(), Compression::ZSTD_CHUNKED);
    let layer = &image.layers()[0];
    let diff_id = layer.diff_id();
    let blob = layout.join("blobs/sha256").join(layer.descriptor().digest.hex());
    run(tool("zstd").args(["--test", "--quiet"]).arg(&blob));
    let unpacked = tool("zstd").args(["-dcq"]).arg(&blob).output().unwrap();
    assert_eq!(Digest::of(unpacked.stdout), diff_id);

    let serving = serve(&[("image", &layout)]);
    let reference = format!("{}/image:latest", serving.address());
    let manifest = crane(["manifest", "--insecure", &reference]);
    assert_eq!(manifest.as_bytes(), image.bytes());
    let copy = dir.path().join("copy");
    let to = format!("oci:{}:latest", copy.display());
    let from = format!("docker://{reference}");
    skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]);
    let copied = ImageLayout::open(&copy).unwrap().image(None, None).unwrap();
    assert_eq!(copied.manifest().layers[0], *layer.descriptor());
    let bundle = dir.path().join("bundle");
    umoci(["unpack", "--image", &format!("{}:latest", copy.display()), bundle.to_str().unwrap()]);
    for number in [7, 33] {
        let path = bundle.join(format!("rootfs/app/{number}"));
        let expected =
            files().into_iter().find(|file| file.destination.ends_with(format!("app/{number}")));
        let Source::Bytes(bytes) = expected.unwrap().source else { panic!("bytes") };
        assert_eq!(Digest::of(fs::read(path).unwrap()), Digest::of(&bytes[..]));
    }
}
