//! The output of each example: the store paths and files of its layers, and the output of its
//! containers.

use std::path::Path;

use serde_json::json;

use crate::common::tool::{Containers, run};
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, Version};

/// One example, built by the oldest version. All versions build the same.
pub fn built(example: &str) -> (Nix, Layout) {
    let nix = Nix::new(Version::System);
    let layout = Layout::checked(nix.build(&format!("examples.{example}")));
    (nix, layout)
}

/// The output of a container of the layout's only image, or of the image with the tag.
pub fn podman(layout: &Layout, tag: &str) -> String {
    let (folder, name) =
        (layout.path().parent().unwrap(), layout.path().file_name().unwrap().to_str().unwrap());
    // In the folder, because podman derives an image's name from a path.
    Containers::new(folder).podman(["run", "--rm", "--quiet", &format!("oci:{name}{tag}")])
}

#[test]
fn the_seeds_example() {
    let (_nix, layout) = built("seed");
    let image = layout.image(None);
    assert_eq!(
        image.listings(),
        [
            vec![
                "drwxr-xr-x 0/0 nix/",
                "drwxr-xr-x 0/0 nix/store/",
                "drwxr-xr-x 0/0 nix/store/nginx/",
                "drwxr-xr-x 0/0 nix/store/nginx/bin/",
                "-rwxr-xr-x 0/0 nix/store/nginx/bin/nginx",
            ],
            vec!["drwxr-xr-x 0/0 bin/", "-rwxr-xr-x 0/0 bin/bash", "-rwxr-xr-x 0/0 bin/jq"],
        ]
    );
    assert_eq!(
        image.manifest()["annotations"],
        json!({ "org.opencontainers.image.title": "seed" })
    );
    let said = podman(&layout, "");
    assert!(
        said.starts_with("/nix/store/")
            && said.ends_with("-nginx/bin/nginx -g daemon off;\nfrom nginx\n"),
        "{said}"
    );
}

#[test]
fn layers_in_two_images() {
    let (_nix, layout) = built("remix");
    let (large, small) = (layout.image(Some("large")), layout.image(Some("small")));
    let [shell, first, second] = large.layers().try_into().unwrap();
    assert_eq!(small.layers(), [&*second, &*shell]);
    assert_ne!(shell, first);
    assert_eq!(layout.tags(), ["large", "latest", "small"]);
    assert_eq!(layout.image(Some("latest")).digest, large.digest);
    // Three layers, and two images with a manifest and a configuration each.
    assert_eq!(layout.path().join("blobs/sha256").read_dir().unwrap().count(), 7);
    assert_eq!(podman(&layout, ":large"), "bash\nbusybox\njq\n");
    assert_eq!(podman(&layout, ":small"), "/bin/jq .\n");
}

#[test]
fn a_closure() {
    let (_nix, layout) = built("closure");
    assert_eq!(layout.image(None).store_paths(), [["busybox", "greet", "letters", "words"]]);
    assert_eq!(podman(&layout, ""), "hello\n");
}

#[test]
fn a_closure_excludes_the_layers_below() {
    let (_nix, layout) = built("without");
    let expected =
        [vec!["letters"], vec!["words"], vec!["busybox", "greet"], vec!["links"], vec!["links"]];
    assert_eq!(layout.image(None).store_paths(), expected);
    assert_eq!(podman(&layout, ""), "hello\n");
}

#[test]
fn content_addressed_packages() {
    let nix = Nix::new(Version::Newer);
    let on_image = |program: &str, attribute: &str| {
        let mut command = nix.on_expressions(program);
        command.args(["--extra-experimental-features", "ca-derivations", "--attr", attribute]);
        command
    };
    let path = run(on_image("nix-build", "contentAddressed").args(["--no-out-link", "--quiet"]));
    let layout = Layout::checked(nix.physical(path.trim()));
    assert_eq!(layout.image(None).store_paths(), [vec!["words"], vec!["busybox", "cat"], vec![]]);
    assert_eq!(podman(&layout, ""), "hello\n");

    let tag =
        on_image("nix-instantiate", "contentAddressed.imageTag").arg("--eval").output().unwrap();
    let said = String::from_utf8(tag.stderr).unwrap();
    assert!(
        said.contains(
            "the tag is unknown before the build, because the image contains a content-addressed \
             package; set tag"
        ),
        "{said}"
    );
}

#[test]
fn packages_at_the_root() {
    let (_nix, layout) = built("copy-to-root");
    let image = layout.image(None);
    let [listing] = image.listings().try_into().unwrap();
    let at_the_root: Vec<&str> =
        listing.iter().map(|line| &**line).filter(|line| !line.contains(" nix/")).collect();
    assert_eq!(
        at_the_root,
        [
            "drwxr-xr-x 0/0 bin/",
            "lrwxrwxrwx 0/0 bin/other -> /nix/store/greet/bin/greet",
            "drwxr-xr-x 0/0 etc/",
            "lrwxrwxrwx 0/0 etc/dangling -> /nowhere",
            "-rw-r--r-- 0/0 etc/here",
            "-rw-r--r-- 0/0 etc/left",
            "-rw------- 7/8 etc/line",
            "-rw-r--r-- 0/0 etc/motd",
            "lrwxrwxrwx 0/0 etc/own -> /nix/store/own-path/etc/target",
            "lrwxrwxrwx 0/0 etc/relative -> here",
            "-rw-r--r-- 0/0 etc/target",
        ]
    );
    // Of the packages themselves, only the one that refers to itself is included.
    assert_eq!(image.store_paths(), [["busybox", "greet", "letters", "own-path", "words"]]);
    assert_eq!(podman(&layout, ""), "hello\n");
}

#[test]
fn images_on_base_images() {
    let (nix, layout) = built("base");
    let ours = layout.image(Some("ours"));
    // The same base, by any path to it.
    assert_eq!(layout.image(Some("folder")).digest, ours.digest);
    assert_eq!(layout.image(Some("archive")).digest, ours.digest);
    assert_eq!(podman(&layout, ":ours"), "hello\n");
    assert_eq!(podman(&layout, ":changed"), "/bin/jq changed\n");

    let top = ours.layers().pop().unwrap();
    let base = Layout::checked(nix.build("examples.closure"));
    assert_eq!(ours.layers(), [base.image(None).layers(), vec![top.clone()]].concat());
    assert_eq!(
        ours.config()["config"]["Entrypoint"],
        base.image(None).config()["config"]["Entrypoint"]
    );
    assert_eq!(ours.config()["config"]["Env"], json!(["BASE=1"]));
    let base = Layout::checked(nix.build("examples.remix"));
    assert_eq!(
        layout.image(Some("tagged")).layers(),
        [base.image(Some("small")).layers(), vec![top]].concat()
    );
}

#[test]
fn a_base_image_is_extended() {
    let (nix, layout) = built("extended");
    let image = layout.image(None);
    let below = Layout::checked(nix.build("examples.extended.below")).image(None).layers();
    assert!(image.layers().starts_with(&below));
    assert!(
        (below.len() + 1..=4).contains(&image.layers().len()),
        "{} layers",
        image.layers().len()
    );
    let config = &image.config()["config"];
    let env: Vec<&str> =
        config["Env"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect();
    let [path, kept, price] = env.try_into().unwrap();
    assert!(
        path.starts_with("PATH=/nix/store/") && path.ends_with("-chain-link50/bin:/bin"),
        "{path}"
    );
    assert_eq!((kept, price), ("KEPT=1", "PRICE=5$"));
    assert_eq!(config.get("OnBuild"), None);
}

#[test]
fn a_call_for_the_common_case() {
    let (_nix, layout) = built("layered");
    let image = layout.image(Some("latest"));
    // The caller's two layers contain everything to which the configuration refers, so the closure
    // needs no further layer.
    let expected = [vec!["busybox"], vec!["letters", "words"], vec![]];
    assert_eq!(image.store_paths(), expected);
    let customisation = [
        "-rw-r--r-- 0/0 etc/group",
        "-rw-r--r-- 0/0 etc/nsswitch.conf",
        "-rw-r--r-- 0/0 etc/passwd",
        "drwxr-xr-x 0/0 var/",
        "drwxr-xr-x 0/0 var/empty/",
    ];
    let [_, _, listing] = image.listings().try_into().unwrap();
    assert_eq!(listing[0], "-rw-r--r-- 0/0 app");
    assert_eq!(listing[listing.len() - customisation.len()..], customisation);
    assert_eq!(podman(&layout, ""), "as it was\nhello\n");
}

#[test]
fn the_seeds_own_call_for_the_common_case() {
    let (_nix, layout) = built("seed-shim");
    let image = layout.image(Some("2"));
    assert_eq!(
        image.manifest()["annotations"],
        json!({ "org.opencontainers.image.title": "greet", "org.opencontainers.image.version": "2" })
    );
    assert_eq!(podman(&layout, ":2"), "hello\n");
}

#[test]
fn the_small_packages_that_programs_look_for() {
    let (_nix, layout) = built("helpers");
    assert_eq!(podman(&layout, ""), "app\n1001\ncertificates\n");
    let customisation = layout.image(None).listings().pop().unwrap();
    for line in [
        "lrwxrwxrwx 0/0 bin/sh -> /nix/store/bash-interactive/bin/bash",
        "lrwxrwxrwx 0/0 usr/bin/env -> /nix/store/coreutils/bin/env",
        "lrwxrwxrwx 0/0 etc/ssl/certs/ca-certificates.crt -> \
         /nix/store/cacert/etc/ssl/certs/ca-bundle.crt",
    ] {
        assert!(
            customisation.iter().any(|found| found == line),
            "{line} is not in {customisation:#?}"
        );
    }
}

#[test]
fn a_closure_in_few_and_in_many_layers() {
    let nix = Nix::new(Version::System);
    for (example, layers) in [("build-5", 5), ("build-40", 40)] {
        let layout = Layout::checked(nix.build(&format!("examples.{example}")));
        let paths = layout.image(None).store_paths();
        assert_eq!(paths.len(), layers, "{paths:#?}");
        let (customisation, closure) = paths.split_last().unwrap();
        assert!(customisation.is_empty());
        // The 50 links of the chain, and letters, busybox, words and greet: each once, and no layer
        // is empty.
        assert!(closure.iter().all(|layer| !layer.is_empty()));
        let mut all = closure.concat();
        all.sort();
        all.dedup();
        assert_eq!((all.len(), closure.concat().len()), (54, 54), "{paths:#?}");
        assert_eq!(podman(&layout, ""), "hello\n");
    }
}

#[test]
fn an_image_whose_tag_is_the_hash_of_its_path() {
    let (_nix, layout) = built("build-5");
    let hash = &layout.path().file_name().unwrap().to_str().unwrap()[..32];
    assert_eq!(layout.tags(), [hash]);
    let name = &layout.index()["manifests"][0]["annotations"]["io.containerd.image.name"];
    assert_eq!(*name, format!("registry.example/chain:{hash}"));
    assert!(Path::new(layout.path()).ends_with(format!("{hash}-image-registry.example-chain")));
}
