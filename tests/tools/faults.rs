//! Faults during a transfer: no client gets a wrong image, and each reports the cause.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use oci_layout::Compression;

use crate::common::docker::{Docker, VERSIONS};
use crate::common::tool::{Containerd, Containers, Registry, crane, tool};
use crate::tools::pull::program;
use crate::tools::push::Counter;
use crate::tools::sparse::{Served, Sources};

/// The standard error of the program, which fails with 1 and prints nothing else.
#[track_caller]
fn failure(output: Output) -> String {
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Asks a registry for a layer that it must not have.
#[track_caller]
fn assert_missing(args: [&str; 3]) {
    let output = tool("crane").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && ["404", "UNKNOWN"].iter().any(|part| said.contains(part)),
        "{output:?}"
    );
}

#[test]
fn a_layer_with_a_changed_source_is_not_pushed() {
    for registry in [Registry::start(), Registry::of_crane()] {
        let sources = Sources::new(6 << 20);
        let image = sources.build("app", Compression::GZIP, true);
        sources.change_data();
        let (repository, digest) =
            (format!("{}/a/app", registry.address), image.layers()[1].descriptor().digest);
        let reference = format!("{repository}:1.0");
        let push =
            || program(&["push", "app", &reference, "--trust-recipes"], sources.folder(), |_| {});
        let sentence = format!(
            "oci-layout: error: blob {digest} cannot be made again: {:?} changed since it was \
             described; restore it, or make the image again\n",
            sources.path("data")
        );
        assert_eq!(failure(push()), sentence);
        assert_missing(["blob", "--insecure", &format!("{repository}@{digest}")]);
        assert_missing(["manifest", "--insecure", &reference]);
        assert_missing(["manifest", "--insecure", &format!("{repository}@{}", image.digest())]);

        // Restored.
        sources.change_data();
        assert!(push().status.success());
        assert_eq!(crane(["digest", "--insecure", &reference]).trim(), image.digest().to_string());
    }
}

#[test]
fn a_layer_with_a_changed_source_cannot_be_pulled() {
    let sources = Sources::new(6 << 20);
    let image = sources.build("app", Compression::GZIP, true);
    sources.change_data();
    let served = Served::new(sources.folder(), &["app"]);
    let reference = format!("{}/app:1.0", served.address);
    let fails = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{command:?}: {output:?}");
    };
    for version in VERSIONS {
        let docker = Docker::start(version);
        fails(&mut docker.tool(["pull", &reference]));
        assert_eq!(docker.docker(["image", "list", "--quiet"]), "", "{docker}");
    }
    let containers = Containers::new(sources.folder());
    fails(containers.tool("podman").args(["pull", "--tls-verify=false", &reference]));
    assert_eq!(containers.podman(["image", "list", "--quiet"]), "");
    let containerd = Containerd::start();
    let pull = ["images", "pull", "--local", "--plain-http", "--snapshotter", "native", &reference];
    fails(&mut containerd.tool(pull));
    assert_eq!(containerd.ctr(["images", "list", "--quiet"]), "");
    fails(tool("crane").args(["validate", "--insecure", "--remote", &reference]));
    let (digest, path) = (image.layers()[1].descriptor().digest, sources.path("data"));
    let warning = format!(
        "oci-layout: warning: /v2/app/blobs/{digest}: blob {digest} cannot be made again: {path:?} \
         changed since it was described; restore it, or make the image again\n"
    );
    assert!(served.log().contains(&warning), "{}", served.log());
}

/// The registry is not started again before the client has given up.
#[test]
fn a_registry_that_dies_during_a_push_has_no_image() {
    for subcommand in ["push", "copy"] {
        let sources = Sources::new(8 << 20);
        let image = sources.build("app", Compression::GZIP, false);
        let registry = Arc::new(Mutex::new(Registry::start()));
        let counter = Counter::before(&registry.lock().unwrap());
        let dying = Arc::clone(&registry);
        counter.after(4 << 20, move || dying.lock().unwrap().kill());
        let there = format!("{}/a/app:1.0", counter.address);
        let containers = Containers::new(sources.folder());
        let (destination, of_skopeo) = match subcommand {
            "copy" => (format!("docker://{there}"), containers.tool("skopeo")),
            _ => (there.clone(), tool("sh")),
        };
        let run = || {
            program(&[subcommand, "app", &destination], sources.folder(), |command| {
                command.envs(of_skopeo.get_envs().filter_map(|(name, value)| Some((name, value?))));
            })
        };
        let said = failure(run());
        let sentence = format!(
            "oci-layout: error: {}/a/app: the connection was closed during the request for ",
            counter.address
        );
        assert!(
            said.starts_with(&sentence) || subcommand == "copy" && said.contains("level=fatal"),
            "{said}"
        );

        registry.lock().unwrap().start_again();
        let reference = format!("{}/a/app:1.0", registry.lock().unwrap().address);
        assert_missing(["manifest", "--insecure", &reference]);
        let output = run();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(crane(["digest", "--insecure", &reference]).trim(), image.digest().to_string());
        crane(["validate", "--insecure", "--remote", &reference]);
    }
}
