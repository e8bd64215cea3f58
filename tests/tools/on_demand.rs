//! Images of packages run, and are the same on all registries with one state.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use oci_layout::{
    Blob, Image,
    on_demand::{Eviction, PackageImages, PackageImagesOptions, Storage},
    registry::{Endpoint, NamedImages, Serving, Stop},
};
use serde_json::{Value, json};

use crate::common::{
    bucket::{Bucket, Provider},
    hello::busybox,
    packages::Packages,
    tool::{Containerd, Containers, crane, umoci},
};

/// A package set with a real shell.
pub(crate) fn packages(store: &Path) -> Packages {
    let packages = Packages::usual(store);
    let busybox = fs::read(busybox()).unwrap();
    let mut files: Vec<(String, &[u8])> = vec![("bin/busybox".to_owned(), &busybox)];
    for name in ["sh", "id", "stat", "env", "touch", "ls", "pwd"] {
        files.push((format!("bin/{name}"), b"->busybox"));
    }
    let files: Vec<_> = files.iter().map(|(name, bytes)| (&**name, *bytes)).collect();
    packages.add("busybox", "1.35", &files, &["libc"]);
    packages
}

pub(crate) fn make(images: &PackageImages, name: &str) -> Arc<Image> {
    images.make(&images.request(name, "latest").unwrap(), &Stop::default()).unwrap()
}

/// What a shell says about its surroundings.
const LOOK: &str = "id; pwd; stat -c %a /tmp; stat -c '%a %u' ~; touch ~/mine /tmp/mine && ls ~; \
                    /usr/bin/env sh -c 'echo $PATH'";
const SEEN: &str = "uid=1000(user) gid=1000(user) groups=1000(user)\n/home/user\n1777\n700 \
                    1000\nmine\n/bin:/usr/bin\n";

#[test]
fn podman_and_containerd_run_a_shell() {
    let scratch = tempfile::tempdir().unwrap();
    let images = packages(&scratch.path().join("store")).images(&scratch.path().join("registry"));
    let image = make(&images, "busybox/hello");
    let layout = scratch.path().join("layout");
    let named = (*image).clone().tagged("latest");
    oci_layout::image_layout(&layout, [named], json!({})).unwrap();
    let containers = Containers::new(scratch.path());
    let run = ["run", "--rm", "--quiet", "oci:layout:latest", "sh", "-c", LOOK];
    assert_eq!(containers.podman(run), SEEN);
    let containerd = Containerd::start();
    let imported = containerd.import(&layout);
    assert_eq!(containerd.run(&imported[0], &["/bin/sh", "-c", LOOK]), SEEN);
}

#[test]
fn umoci_unpacks_what_was_planned() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = packages(&scratch.path().join("store"));
    let image = make(&packages.images(&scratch.path().join("registry")), "busybox");
    let layout = scratch.path().join("layout");
    let named = (*image).clone().tagged("latest");
    oci_layout::image_layout(&layout, [named], json!({})).unwrap();
    let from = format!("{}:latest", layout.display());
    let bundle = scratch.path().join("bundle");
    umoci(["unpack", "--image", &from, bundle.to_str().unwrap()]);
    let root = bundle.join("rootfs");
    let target = fs::read_link(root.join("bin/sh")).unwrap();
    assert_eq!(target, packages.path("busybox").join("bin/sh"));
    let inside = root.join(packages.path("libc").strip_prefix("/").unwrap());
    let file = "lib/libc.so";
    assert_eq!(
        fs::read(inside.join(file)).unwrap(),
        fs::read(packages.path("libc").join(file)).unwrap()
    );
    let runtime: Value =
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(runtime["process"]["user"]["uid"], 1000);
    assert_eq!(runtime["process"]["cwd"], "/home/user");
}

#[test]
fn two_registries_serve_one_image() {
    let scratch = tempfile::tempdir().unwrap();
    let storage = Storage::folder(scratch.path().join("shared")).unwrap();
    let packages = packages(&scratch.path().join("store"));
    let registry = |folder: &str| {
        let options = PackageImagesOptions::new(scratch.path().join(folder));
        packages.images_with(options.storage(storage.clone()))
    };
    let serve = |images: &PackageImages| -> Serving {
        let image = (*make(images, "busybox")).clone().tagged("latest");
        let endpoint = Endpoint::new([("busybox", vec![image])]).unwrap();
        endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap()
    };
    let (one, other) = (registry("one"), registry("other"));
    let (first, second) = (serve(&one), serve(&other));
    let name = |serving: &Serving| format!("{}/busybox:latest", serving.address());
    let head = crane(["digest", "--insecure", &name(&first)]);
    let manifests = [&first, &second].map(|from| crane(["manifest", "--insecure", &name(from)]));
    assert_eq!(manifests[0], manifests[1]);
    assert_eq!(head.trim(), oci_layout::Digest::of(&manifests[0]).to_string());
    let resolved = packages.calls().iter().filter(|call| call.starts_with("resolve")).count();
    assert_eq!(resolved, 1, "the second registry found it in the state");

    // The store lost everything meanwhile, and the layers come from the other registry.
    for folder in ["one", "other"] {
        for link in fs::read_dir(scratch.path().join(folder).join("roots")).unwrap() {
            fs::remove_file(link.unwrap().path()).unwrap();
        }
    }
    assert!(packages.collect_garbage() > 0);
    drop(first);
    crane(["validate", "--insecure", "--remote", &name(&second)]);
}

#[test]
#[ignore = "it wants moto_server, which no distribution provides: tests/run runs it if it is on PATH"]
fn a_bucket_of_s3_holds_the_state() {
    a_bucket_holds_the_state(Provider::S3);
}

#[test]
#[ignore = "it wants azurite-blob, which no distribution provides: tests/run runs it if it is on PATH"]
fn a_bucket_of_azure_holds_the_state() {
    a_bucket_holds_the_state(Provider::Azure);
}

fn a_bucket_holds_the_state(provider: Provider) {
    let scratch = tempfile::tempdir().unwrap();
    let bucket = Bucket::of(provider);
    let packages = packages(&scratch.path().join("store"));
    let registry = |folder: &str| {
        let options = PackageImagesOptions::new(scratch.path().join(folder));
        packages.images_with(options.storage(bucket.storage()))
    };
    let image = make(&registry("one"), "busybox");
    packages.calls();
    // Another machine asks nobody, and the layers have the same bytes.
    let other = registry("other");
    let known = other.known(&other.request("busybox", "latest").unwrap()).unwrap();
    assert_eq!(known.digest(), image.digest());
    assert_eq!(packages.calls(), [""; 0]);
    let held = other.holding("busybox", known.digest()).unwrap();
    for blob in held.blobs() {
        let bytes = crate::common::bytes(blob);
        assert_eq!(oci_layout::Digest::of(bytes), blob.descriptor().digest);
    }
    // Two machines make one image at the same time, and find different packages: the first one to
    // write it down decides.
    let two = ["1.1", "1.2"].map(|version| {
        let packages = Packages::usual(scratch.path().join("store"));
        packages.add("hello", version, &[("bin/hello", b"hello")], &["libc"]);
        let options = PackageImagesOptions::new(scratch.path().join(version));
        packages.images_with(options.storage(bucket.storage()))
    });
    let made = thread::scope(|scope| {
        let made = two.each_ref().map(|images| scope.spawn(|| make(images, "hello").digest()));
        made.map(|thread| thread.join().unwrap())
    });
    assert_eq!(made[0], made[1]);
    let all = Eviction::default().max_age(Duration::ZERO).grace(Duration::ZERO);
    assert_eq!(two[0].evict(&all).unwrap().images, 2);
    assert!(registry("five").holding("busybox", image.digest()).is_none());
}
