//! One tar for all: docker, podman, containerd, skopeo and umoci load it, and see the same image
//! names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci_layout::{
    Compression, Digest, FileMapping, ImageManifest, LayerOptions, image_config, image_layout,
    image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::docker::{Docker, VERSIONS, Version};
use crate::common::hello::{busybox, hello};
use crate::common::tool::{Containerd, Containers, run, skopeo, tool, umoci};
use crate::tools::sparse::Sources;

pub const COMPRESSIONS: [Compression; 3] =
    [Compression::None, Compression::GZIP, Compression::ZSTD];

/// A layout in a folder of this name, with two layers in each compression, and the output of its
/// containers.
pub struct Exported {
    pub dir: TempDir,
    pub image: ImageManifest,
    pub text: String,
}

impl Exported {
    /// Layers of no other image: docker and podman identify layers by diff ID, and would not read
    /// them again.
    pub fn new(compression: Compression) -> Self {
        let dir = TempDir::new().unwrap();
        let layout = dir.path().join("app");
        let text = format!("{compression} {}\n", dir.path().display());
        let options = LayerOptions::from(compression).store(&layout);
        let program =
            [FileMapping::new(busybox(), "/bin/busybox"), FileMapping::text(&text, "/hello")];
        // Larger than one block of any compression.
        let data = [FileMapping::text(text.repeat(200_000), "/data")];
        let layers =
            [layer_tar(program, options.clone()).unwrap(), layer_tar(data, options).unwrap()];
        let run = json!({ "config": { "Entrypoint": ["/bin/busybox"], "Cmd": ["cat", "/hello"] } });
        let image = image_manifest(image_config(&layers, run).unwrap(), layers, json!({})).unwrap();
        let tagged = image.clone().tagged("1.0").tagged("registry.example:5000/me/app:2.0");
        image_layout(&layout, [tagged], json!({})).unwrap();
        Self { dir, image, text }
    }

    /// The name that every tool shows.
    pub const NAMES: [&str; 2] = ["docker.io/library/app:1.0", "registry.example:5000/me/app:2.0"];

    fn archive(&self, format: &str) -> PathBuf {
        let path = self.dir.path().join(format!("{format}.tar"));
        export(&self.dir.path().join("app"), &["--format", format, "-o", path.to_str().unwrap()]);
        path
    }
}

/// The output of the program.
#[track_caller]
fn export(layout: &Path, args: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_oci-layout")).arg("export").arg(layout).args(args))
}

#[test]
fn an_older_docker_loads_and_runs() {
    docker_loads_and_runs(Version::Older);
}

#[test]
fn a_newer_docker_loads_and_runs() {
    docker_loads_and_runs(Version::Newer);
}

#[test]
fn a_docker_with_containerd_loads_and_runs() {
    docker_loads_and_runs(Version::WithContainerd);
}

#[track_caller]
fn docker_loads_and_runs(version: Version) {
    let docker = Docker::start(version);
    for (compression, format) in
        COMPRESSIONS.iter().flat_map(|c| [(c, "both"), (c, "docker-archive")])
    {
        // It does not support the format, so docker-archive exists.
        if (version, *compression, format) == (Version::Older, Compression::ZSTD, "both") {
            continue;
        }
        let exported = Exported::new(*compression);
        // Docker omits the default registry of a name.
        assert_eq!(
            docker.load(&exported.archive(format)),
            ["app:1.0", Exported::NAMES[1]],
            "{docker}, {format}"
        );
        for name in Exported::NAMES {
            assert_eq!(docker.run(name, &[]), exported.text, "{docker}, {format}");
        }
        assert_eq!(
            docker.run("app:1.0", &["wc", "-c", "/data"]),
            format!("{} /data\n", exported.text.len() * 200_000)
        );
        let inspected: Value =
            serde_json::from_str(&docker.docker(["image", "inspect", "app:1.0"])).unwrap();
        let diff_ids: Vec<_> =
            exported.image.layers().iter().map(|layer| layer.diff_id().to_string()).collect();
        assert_eq!(inspected[0]["RootFS"], json!({ "Type": "layers", "Layers": diff_ids }));
        let id: Digest = inspected[0]["Id"].as_str().unwrap().parse().unwrap();
        // containerd's store has the image unchanged. From a docker-archive, it makes another
        // manifest.
        match (version, format) {
            (Version::WithContainerd, "both") => assert_eq!(id, exported.image.digest()),
            (Version::WithContainerd, _) => {}
            _ => assert_eq!(id, exported.image.config().digest()),
        }
    }
}

#[test]
fn podman_loads_and_runs() {
    for (compression, format) in
        COMPRESSIONS.iter().flat_map(|c| [(c, "both"), (c, "docker-archive")])
    {
        let exported = Exported::new(*compression);
        let containers = Containers::new(exported.dir.path());
        containers.podman([
            "load",
            "--quiet",
            "--input",
            exported.archive(format).to_str().unwrap(),
        ]);
        assert_eq!(podman_names(&containers), Exported::NAMES, "{compression}, {format}");
        for name in Exported::NAMES {
            assert_eq!(
                containers.podman(["run", "--rm", "--pull=never", name]),
                exported.text,
                "{compression}, {format}"
            );
        }
    }
}

#[track_caller]
pub fn podman_names(containers: &Containers) -> Vec<String> {
    let listed = containers.podman(["image", "list", "--format", "{{.Repository}}:{{.Tag}}"]);
    let mut names: Vec<_> = listed.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn containerd_imports_and_runs() {
    let containerd = Containerd::start();
    for (compression, format) in
        COMPRESSIONS.iter().flat_map(|c| [(c, "both"), (c, "docker-archive")])
    {
        let exported = Exported::new(*compression);
        assert_eq!(
            containerd.import_archive(&exported.archive(format)),
            Exported::NAMES,
            "{compression}, {format}"
        );
        for name in Exported::NAMES {
            assert_eq!(containerd.run(name, &[]), exported.text, "{compression}, {format}");
        }
        if format == "both" {
            let listed =
                containerd.ctr(["images", "list", &format!("name=={}", Exported::NAMES[0])]);
            assert!(listed.contains(&exported.image.digest().to_string()), "{listed}");
        }
    }
}

#[test]
fn skopeo_reads_the_layout_and_the_docker_archive() {
    for compression in COMPRESSIONS {
        let exported = Exported::new(compression);
        let tar = exported.archive("both");
        let (digest, config) = (exported.image.digest(), exported.image.config());
        for tag in ["1.0", "2.0"] {
            let (oci, copy) =
                (format!("oci-archive:{}:{tag}", tar.display()), exported.dir.path().join(tag));
            assert_eq!(Digest::of(skopeo(["inspect", "--raw", &oci])), digest);
            skopeo(["copy", "--preserve-digests", &oci, &format!("dir:{}", copy.display())]);
            assert_eq!(fs::read(copy.join("manifest.json")).unwrap(), exported.image.bytes());
        }
        for archive in [tar, exported.archive("docker-archive")] {
            for name in Exported::NAMES {
                let docker = format!("docker-archive:{}:{name}", archive.display());
                assert_eq!(
                    skopeo(["inspect", "--config", "--raw", &docker]).as_bytes(),
                    config.bytes()
                );
                let copy = exported.dir.path().join("copy");
                skopeo(["copy", &docker, &format!("oci:{}:copy", copy.display())]);
                fs::remove_dir_all(copy).unwrap();
            }
        }
    }
}

#[test]
fn tar_and_python_unpack_the_layout() {
    for compression in COMPRESSIONS {
        let exported = Exported::new(compression);
        let (tar, layout) = (exported.archive("both"), exported.dir.path().join("unpacked"));
        fs::create_dir(&layout).unwrap();
        run(tool("tar").arg("--extract").arg("--file").arg(&tar).arg("--directory").arg(&layout));
        assert_eq!(umoci(["list", "--layout", layout.to_str().unwrap()]), "1.0\n2.0\n");
        let bundle = exported.dir.path().join("bundle");
        umoci([
            "unpack",
            "--image",
            &format!("{}:2.0", layout.display()),
            bundle.to_str().unwrap(),
        ]);
        assert_eq!(fs::read_to_string(bundle.join("rootfs/hello")).unwrap(), exported.text);

        let listed = run(tool("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--utc", "--full-time", "--file"])
            .arg(&tar));
        let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().count();
        assert_eq!(listed.lines().count(), 5 + blobs);
        for line in listed.lines() {
            let is_usual =
                ["-rw-r--r-- 0/0 ", "drwxr-xr-x 0/0 "].iter().any(|start| line.starts_with(start));
            assert!(is_usual && line.contains(" 1970-01-01 00:00:01 "), "{line}");
        }
        let check = "import hashlib, sys, tarfile
with tarfile.open(sys.argv[1], 'r|', errorlevel=2) as tar:
    for member in tar:
        assert not member.pax_headers and member.isreg() or member.isdir(), member
        name = member.name.rpartition('/')[2]
        assert len(name) != 64 or hashlib.sha256(tar.extractfile(member).read()).hexdigest() == \
        name, member";
        run(tool("python3").args(["-c", check]).arg(&tar));
    }
}

#[test]
fn all_tools_see_the_same_names() {
    let exported = Exported::new(Compression::GZIP);
    let tar = exported.archive("both");
    let containers = Containers::new(exported.dir.path());
    containers.podman(["load", "--quiet", "--input", tar.to_str().unwrap()]);
    let containerd = Containerd::start();
    assert_eq!(podman_names(&containers), containerd.import_archive(&tar));
    for version in VERSIONS {
        let docker = Docker::start(version);
        docker.load(&tar);
        let listed = docker.docker(["image", "list", "--format", "{{.Repository}}:{{.Tag}}"]);
        let mut names: Vec<_> = listed.lines().collect();
        names.sort();
        assert_eq!(names, ["app:1.0", Exported::NAMES[1]], "{docker}");
    }

    // An image with only a bare tag, which podman would use as a repository.
    let one = exported.dir.path().join("one.tar");
    let printed = export(&exported.dir.path().join("app:1.0"), &["-o", one.to_str().unwrap()]);
    assert_eq!(printed, "docker.io/library/app:1.0\n");
    let containers = Containers::new(exported.dir.path());
    containers.podman(["load", "--quiet", "--input", one.to_str().unwrap()]);
    assert_eq!(podman_names(&containers), ["docker.io/library/app:1.0"]);
}

#[test]
fn an_image_for_several_platforms() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("app");
    let images = ["linux/arm64", "linux/amd64"]
        .map(|platform| hello(&layout, platform, platform).tagged("1"));
    image_layout(&layout, images, json!({})).unwrap();
    let tar = |args: &[&str]| {
        let tar = dir.path().join("app.tar");
        export(&layout, &[args, &["-o", tar.to_str().unwrap()]].concat());
        tar
    };
    let containerd = Containerd::start();
    assert_eq!(containerd.import_archive(&tar(&[])), ["docker.io/library/app:1"]);
    let listed = containerd.ctr(["images", "list"]);
    assert!(listed.contains("linux/amd64,linux/arm64"), "{listed}");
    for version in VERSIONS {
        let docker = Docker::start(version);
        docker.load(&tar(&[]));
        assert_eq!(docker.run("app:1", &[]), "linux/amd64", "{docker}");
        docker.load(&tar(&["--platform", "linux/arm64"]));
        let inspect = ["image", "inspect", "--format", "{{.Architecture}}", "app:1"];
        assert_eq!(docker.docker(inspect), "arm64\n", "{docker}");
    }
    let containers = Containers::new(dir.path());
    containers.podman(["load", "--quiet", "--input", tar(&[]).to_str().unwrap()]);
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", "app:1"]), "linux/amd64");
}

/// As a user would pipe it.
#[test]
fn archives_are_loaded_from_a_pipe() {
    let exported = Exported::new(Compression::GZIP);
    let pipe_into = |command: &mut Command| {
        let mut export = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        export.args(["export", "app", "-o", "-"]).current_dir(&exported.dir).stdout(Stdio::piped());
        let mut export = export.spawn().unwrap();
        let output = command.stdin(export.stdout.take().unwrap()).output().unwrap();
        assert!(export.wait().unwrap().success());
        assert!(output.status.success(), "{command:?}: {output:?}");
    };
    let docker = Docker::start(Version::Older);
    pipe_into(&mut docker.tool(["load"]));
    assert_eq!(docker.run("app:1.0", &[]), exported.text);
    let containers = Containers::new(exported.dir.path());
    pipe_into(containers.tool("podman").arg("load"));
    assert_eq!(podman_names(&containers), Exported::NAMES);
    let containerd = Containerd::start();
    pipe_into(&mut containerd.tool([
        "images",
        "import",
        "--local",
        "--snapshotter",
        "native",
        "-",
    ]));
    assert_eq!(containerd.run(Exported::NAMES[0], &[]), exported.text);
}

/// No tool loads an image with a damaged blob, or with a layer whose source has changed.
#[test]
fn an_incomplete_export_is_loaded_by_no_tool() {
    let damaged = Exported::new(Compression::GZIP);
    let layer = &damaged.image.layers()[1];
    let mut bytes = fs::read(layer.file().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(layer.file().unwrap(), bytes).unwrap();
    let changed = Sources::new(6 << 20);
    changed.build("app", Compression::GZIP, true);
    changed.change_data();
    let named = format!("{:?} changed since it was described", changed.path("data"));

    let mut tars = Vec::new();
    for (folder, reason) in [(damaged.dir.path(), "is damaged"), (changed.folder(), &named)] {
        for format in ["both", "docker-archive"] {
            let tar = folder.join(format!("{format}.tar"));
            let fails = |to: &str, stdout: Stdio| {
                let mut export = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
                export
                    .args(["export", "app", "--format", format, "--trust-recipes", "-o", to])
                    .current_dir(folder);
                let output = export.stdout(stdout).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.code() == Some(1) && said.contains(reason), "{output:?}");
            };
            fails("-", fs::File::create(&tar).unwrap().into());
            fails("app.tar", Stdio::null());
            assert!(!folder.join("app.tar").exists());
            tars.push(tar);
        }
    }

    let fails = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{command:?}: {output:?}");
    };
    for version in VERSIONS {
        let docker = Docker::start(version);
        tars.iter().for_each(|tar| fails(docker.tool(["load", "--input"]).arg(tar)));
        assert_eq!(docker.docker(["image", "list", "--quiet"]), "", "{docker}");
    }
    let containers = Containers::new(damaged.dir.path());
    tars.iter().for_each(|tar| fails(containers.tool("podman").args(["load", "--input"]).arg(tar)));
    assert_eq!(containers.podman(["image", "list", "--quiet"]), "");
    let containerd = Containerd::start();
    tars.iter().for_each(|tar| fails(containerd.tool(["images", "import", "--local"]).arg(tar)));
    assert_eq!(containerd.ctr(["images", "list", "--quiet"]), "");
}
