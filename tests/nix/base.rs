//! Layers above a base image keep its links and directories, for every reader of the image.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tool::{run, tool, umoci};
use crate::nix::images::podman;
use crate::nix::layout::{Layout, listing};
use crate::nix::lazy::references;
use crate::nix::rebuild::to_build;
use crate::nix::versions::{Nix, Version, for_each_nix};

for_each_nix! { an_image_keeps_what_its_base_has, each_layer_reads_entries_that_were_read_once }

fn an_image_keeps_what_its_base_has(nix: Nix) {
    let layout = |attribute: &str| Layout::checked(nix.build(&format!("base.{attribute}")));
    let built = layout("image");
    let [_root, data, closure, rest, customisation] =
        built.image(None).listings().try_into().unwrap();
    assert_eq!(data, ["drwx------ 7/0 data/"]);
    // The references of `config`, besides the caller's layer.
    for (listing, package) in [(closure, "greet"), (rest, "jq")] {
        assert_eq!(listing[..2], ["drwxr-xr-x 0/0 nix/", "drwxrwxr-t 0/30000 nix/store/"]);
        assert!(
            listing.iter().any(|line| line.contains(&format!(" nix/store/{package}"))),
            "{listing:?}"
        );
    }
    assert_eq!(
        customisation,
        [
            "drwx------ 7/0 data/",
            "-rw-r--r-- 0/0 data/x",
            "drwxr-xr-x 0/0 home/",
            "drwxr-x--- 1000/1000 home/app/",
            "-rw-r--r-- 1000/0 home/app/packages.nix",
            "drwx--x--x 0/0 run/",
            "-rw-r--r-- 0/0 run/.wh.stale",
            "-rw-r--r-- 0/0 run/app.pid",
            "drwxrwxrwt 0/0 tmp/",
            "-rw-r--r-- 0/0 tmp/left",
            "drwxr-xr-x 0/0 usr/",
            "drwxr-xr-x 0/0 usr/bin/",
            "-rwxr-xr-x 0/0 usr/bin/jq",
            "-rw-r--r-- 0/0 usr/bin/tool",
        ]
    );
    assert_eq!(podman(&built, ""), "hello\n");

    let bundle = TempDir::new().unwrap();
    let bundle = bundle.path().join("bundle");
    umoci([
        "unpack",
        "--image",
        &format!("{}:1", built.path().display()),
        bundle.to_str().unwrap(),
    ]);
    let root = bundle.join("rootfs");
    for (link, target) in [("bin", "usr/bin"), ("var/run", "/run"), ("broken", "nowhere")] {
        assert_eq!(fs::read_link(root.join(link)).unwrap(), Path::new(target));
    }
    for (directory, mode, owner) in [
        ("tmp", 0o1777, (0, 0)),
        ("run", 0o711, (0, 0)),
        ("home/app", 0o750, (1000, 1000)),
        ("data", 0o700, (7, 0)),
        ("nix/store", 0o1775, (0, 30000)),
    ] {
        let found = root.join(directory).metadata().unwrap();
        assert_eq!(
            (found.permissions().mode() & 0o7777, (found.uid(), found.gid())),
            (mode, owner),
            "{directory}"
        );
    }
    for (file, text) in
        [("usr/bin/tool", "tool\n"), ("run/app.pid", "1\n"), ("data/x", "as it was\n")]
    {
        assert_eq!(fs::read_to_string(root.join(file)).unwrap(), text);
    }

    // The same base, by any path to it.
    for way in ["folder", "archive"] {
        assert_eq!(layout(way).image(None).digest, built.image(None).digest, "{way}");
    }
    // And with recipes in place of layers, which can be built without the base and its entries.
    assert_eq!(layout("lazy").index(), built.index());
    nix.build("base.deep");
}

fn each_layer_reads_entries_that_were_read_once(nix: Nix) {
    let image = |change: &[&str]| {
        let mut command = nix.on_expressions("nix-build");
        command.args(["--attr", "base.image"]).args(change);
        to_build(&mut command)
    };
    let entries = |names: &[String]| {
        names.iter().filter(|name| name.ends_with("-entries")).cloned().collect::<Vec<_>>()
    };
    // Of the caller's layers, only the closure is not waited for.
    assert_eq!(entries(&image(&[])), ["oci-base-entries", "oci-layer-entries"]);
    nix.build("base.image");
    let expected = ["image-above", "oci-customisation", "oci-manifest"];
    assert_eq!(image(&["--argstr", "changing", "otherwise"]), expected);

    // Nix builds them again, and compares.
    let layer = run(nix.on_expressions("nix-instantiate").args(["--attr", "base.layer"]));
    let requisites =
        run(nix.command("nix-store").args(["--query", "--requisites"]).arg(layer.trim()));
    let drv = requisites.lines().find(|path| path.ends_with("-oci-base-entries.drv")).unwrap();
    run(nix.command("nix-store").args(["--realise", "--check", "--quiet", drv]));
    let output = run(nix.command("nix-store").args(["--query", "--outputs", drv]));
    let output = nix.physical(output.trim());
    let base = Layout::checked(nix.build("base.base"));
    let layers = fs::read(output.join("entries/layers.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&layers).unwrap(), json!(base.image(None).layers()));
    for layer in base.image(None).layers() {
        assert!(output.join("entries").join(layer.replace(':', "/")).is_file());
    }
}

#[test]
fn a_separate_layer_is_made_above_a_base() {
    let nix = Nix::new(Version::Newer);
    let build = |attribute: &str| nix.build(&format!("base.{attribute}"));
    let usr_bin = ["drwxr-xr-x 0/0 usr/", "drwxr-xr-x 0/0 usr/bin/", "-rw-r--r-- 0/0 usr/bin/x"];
    let layer = build("layer");
    assert_eq!(listing_of(&layer), usr_bin);

    // A lazy layer refers neither to the base nor to its entries. It is built again without them.
    let lazy = build("lazyLayer");
    assert_eq!(descriptor(&lazy), descriptor(&layer));
    assert_eq!(references(&nix, &lazy), [""; 0]);
    let filled = Layout::checked(build("filled"));
    assert_eq!(filled.image(None).listings(), [usr_bin]);

    let mode_kept = ["drwxr-xr-x 0/0 usr/", "drwx--x--x 0/0 usr/bin/", "-rw-r--r-- 0/0 usr/bin/x"];
    assert_eq!(listing_of(&build("ofLazyBase")), mode_kept);
    assert_eq!(listing_of(&build("aboveLayers")), mode_kept);
    assert_eq!(listing_of(&build("replaced")), ["drwxr-xr-x 0/0 usr/", "-rw-r--r-- 0/0 usr/bin"]);
    assert_eq!(listing_of(&build("ofIntel")), usr_bin);
    let of_arm =
        ["drwxr-xr-x 0/0 system/", "drwxr-xr-x 0/0 system/bin/", "-rw-r--r-- 0/0 system/bin/x"];
    assert_eq!(listing_of(&build("ofArm")), of_arm);
    assert_eq!(descriptor(&build("ofChoice")), descriptor(&build("ofArm")));
    assert_eq!(
        Layout::checked(build("imageOfChoice")).image(None).listings().pop().unwrap(),
        of_arm
    );
    let replaced = Layout::checked(build("replacedInImage")).image(None).listings().pop().unwrap();
    assert_eq!(replaced, ["drwxr-xr-x 0/0 usr/", "-rw-r--r-- 0/0 usr/bin"]);

    let split = build("split");
    let layers: Vec<String> =
        serde_json::from_slice(&fs::read(split.join("layers.json")).unwrap()).unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        let listing = listing_of(&split.join(layer));
        assert_eq!(listing[..2], ["drwxr-xr-x 0/0 nix/", "drwxrwxr-t 0/30000 nix/store/"]);
    }
}

#[test]
fn a_container_of_the_module_keeps_its_base() {
    let nix = Nix::new(Version::System);
    let layout = Layout::checked(nix.build("base.container"));
    let base = Layout::checked(nix.build("base.base"));
    for (tag, closures) in [("image", 2), ("debug", 2)] {
        let image = layout.image(Some(tag));
        assert!(image.layers().starts_with(&base.image(None).layers()));
        let own: Vec<Vec<String>> = image.listings().split_off(1);
        let of_closures: Vec<_> =
            own.iter().filter(|layer| layer.iter().any(|line| line.contains(" nix/"))).collect();
        assert!(of_closures.len() >= closures, "{own:?}");
        for layer in of_closures {
            assert_eq!(layer[..2], ["drwxr-xr-x 0/0 nix/", "drwxrwxr-t 0/30000 nix/store/"]);
        }
        // The volumes and the working directory belong to the user, with the modes that they had.
        let owned = [
            "drwxr-xr-x 0/0 home/",
            "drwxr-x--- 1000/100 home/app/",
            "drwx--x--x 0/0 run/",
            "drwxr-xr-x 1000/100 run/app/",
            "drwxrwxrwt 1000/100 tmp/",
        ];
        assert!(own.iter().any(|layer| *layer == owned), "{own:#?}");
    }
}

/// GNU tar's list of a layer in this folder.
fn listing_of(layer: &Path) -> Vec<String> {
    let blobs: Vec<PathBuf> = fs::read_dir(layer.join("blobs/sha256"))
        .unwrap()
        .map(|blob| blob.unwrap().path())
        .collect();
    assert_eq!(blobs.len(), 1, "{blobs:?}");
    listing(&blobs[0])
}

fn descriptor(layer: &Path) -> Value {
    serde_json::from_slice(&fs::read(layer.join("media-descriptor.json")).unwrap()).unwrap()
}

/// The same base and the same files, by buildah.
#[test]
fn buildah_copies_to_the_same_places() {
    let nix = Nix::new(Version::System);
    let ours = Layout::checked(nix.build("base.image"));
    let base = Layout::checked(nix.build("base.base"));
    let scratch = TempDir::new().unwrap();
    run(tool("cp").arg("-r").arg(base.path()).arg(scratch.path().join("base")));
    fs::write(scratch.path().join("jq"), "x").unwrap();
    let containers = crate::common::tool::Containers::new(scratch.path());
    let container = containers.buildah(["from", "oci:base:1"]);
    let container = container.trim();
    containers.buildah(["copy", container, "jq", "/bin/"]);
    containers.buildah(["copy", container, "jq", "/home/app/"]);
    containers.buildah(["copy", container, "jq", "/var/run/app.pid"]);
    containers.buildah(["copy", container, "jq", "/tmp/left"]);
    containers.buildah(["commit", "--quiet", "--rm", container, "oci:theirs:1"]);

    let unpacked = |layout: &Path, name: &str| {
        let bundle = scratch.path().join(name);
        umoci(["unpack", "--image", &format!("{}:1", layout.display()), bundle.to_str().unwrap()]);
        bundle.join("rootfs")
    };
    let theirs = unpacked(&scratch.path().join("theirs"), "bundle-of-theirs");
    let ours = unpacked(ours.path(), "bundle-of-ours");
    for path in ["bin", "usr", "usr/bin", "var/run", "run", "tmp", "home", "home/app", "nix/store"]
    {
        let attributes = |root: &Path| {
            let found = root.join(path).symlink_metadata().unwrap();
            (found.mode(), found.uid(), found.gid(), fs::read_link(root.join(path)).ok())
        };
        assert_eq!(attributes(&ours), attributes(&theirs), "{path}");
    }
    for root in [ours, theirs] {
        assert!(
            ["usr/bin/jq", "run/app.pid", "tmp/left"].iter().all(|file| root.join(file).is_file()),
            "{root:?}"
        );
    }
}
