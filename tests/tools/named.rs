//! Usual clients pull images that are made while they wait, and show why one was not made.

use std::{
    collections::HashMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use oci_layout::{
    Digest, FileMapping, Image, LayerOptions, image_config, image_manifest, layer_tar,
    registry::{
        Endpoint, NamedImageError, NamedImageErrorKind as Kind, NamedImages, Repository, Serving,
        Stop,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    docker::{Docker, VERSIONS, Version},
    hello::busybox,
    tool::{Containerd, Containers, tool},
};

/// Images that take three seconds to make, except for those whose name says that they fail.
#[derive(Clone, Default)]
struct Slow {
    known: Arc<Mutex<HashMap<String, Arc<Image>>>>,
    makes: Arc<AtomicUsize>,
}

impl NamedImages for Slow {
    fn request(&self, name: &str, _: &str) -> Result<String, NamedImageError> {
        Ok(name.to_owned())
    }

    fn known(&self, request: &str) -> Option<Arc<Image>> {
        self.known.lock().unwrap().get(request).cloned()
    }

    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        self.makes.fetch_add(1, Ordering::SeqCst);
        let fail = |kind| {
            let message = format!("the build of {request} failed: no such compiler");
            Err(NamedImageError::new(kind, message).detail("/nix/store/secret"))
        };
        match request {
            "fails" => return fail(Kind::Failed),
            "unknown" => return fail(Kind::NameUnknown),
            "broken" => return fail(Kind::Internal),
            _ if stop.wait(Duration::from_secs(3)) => return fail(Kind::Stopped),
            _ => {}
        }
        let files = [
            FileMapping::new(busybox(), "/bin/busybox"),
            FileMapping::text(format!("{request}\n"), "/hello"),
        ];
        let layer = layer_tar(files, LayerOptions::default()).unwrap();
        let run = json!({ "config": { "Entrypoint": ["/bin/busybox", "cat", "/hello"] } });
        let config = image_config([&layer], run).unwrap();
        let image = image_manifest(config, [layer], Value::Null).unwrap();
        let image = Arc::new(Image::from(image));
        self.known.lock().unwrap().insert(request.to_owned(), Arc::clone(&image));
        Ok(image)
    }

    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>> {
        let image = self.known(name)?;
        image.blobs().iter().any(|blob| blob.descriptor().digest == digest).then_some(image)
    }

    fn tags(&self, _: &str) -> Result<Vec<String>, NamedImageError> {
        Ok(vec!["latest".to_owned()])
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn serve(slow: &Slow) -> (Serving, String) {
    let none: [(&str, Repository); 0] = [];
    let endpoint = Endpoint::new(none).unwrap().named_images(slow.clone());
    let serving = endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = serving.address().to_string();
    (serving, address)
}

/// All clients that this machine has.
struct Clients {
    dir: TempDir,
    containers: Containers,
    containerd: Containerd,
    dockers: Vec<(Version, Docker)>,
}

impl Clients {
    fn start() -> Self {
        let start = |version| (version, Docker::start(version));
        Self {
            dir: TempDir::new().unwrap(),
            containers: Containers::new("/"),
            containerd: Containerd::start(),
            dockers: VERSIONS.map(start).into(),
        }
    }

    /// Each client's name, and its command that pulls an image.
    fn pulls(&self, reference: &str) -> Vec<(String, Command)> {
        let to = |name: &str| self.dir.path().join(name).display().to_string();
        let mut podman = self.containers.tool("podman");
        podman.args(["pull", "--quiet", "--tls-verify=false", reference]);
        let mut skopeo = tool("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--src-tls-verify=false"]);
        skopeo.args([format!("docker://{reference}"), format!("dir:{}", to("skopeo"))]);
        let mut crane = tool("crane");
        crane.args(["pull", "--insecure", reference, &to("crane.tar")]);
        let mut oras = tool("oras");
        oras.args(["pull", "--plain-http", "--output", &to("oras"), reference]);
        let pull = ["images", "pull", "--plain-http", "--snapshotter", "native"];
        let mut ctr = self.containerd.tool(pull);
        ctr.args(["--local", reference]);
        let mut service = self.containerd.tool(pull);
        service.arg(reference);
        let mut ours = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        ours.args(["pull", reference, "-o", &to("ours")]);
        let mut pulls: Vec<_> = [
            ("podman", podman),
            ("skopeo", skopeo),
            ("crane", crane),
            ("oras", oras),
            ("ctr --local", ctr),
            ("ctr", service),
            ("ours", ours),
        ]
        .map(|(name, command)| (name.to_owned(), command))
        .into();
        for (version, docker) in &self.dockers {
            pulls.push((format!("docker {version:?}"), docker.tool(["pull", reference])));
        }
        pulls
    }
}

/// The name, whether the client succeeded, and all that it printed.
fn run_all(pulls: Vec<(String, Command)>) -> Vec<(String, bool, String)> {
    let threads: Vec<_> = pulls
        .into_iter()
        .map(|(name, mut command)| {
            thread::spawn(move || {
                let output = command.output().unwrap();
                let said = [output.stdout, output.stderr].concat();
                (name, output.status.success(), String::from_utf8_lossy(&said).into_owned())
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The table of `docs/registry.md`.
#[test]
fn clients_wait_for_an_image_and_show_why_there_is_none() {
    let slow = Slow::default();
    let (_serving, address) = serve(&slow);
    let clients = Clients::start();
    // All at once, so that one client waits for the image that another one began.
    let mut pulls = clients.pulls(&format!("{address}/works:latest"));
    // This containerd is not configured for unpacking in its own process.
    pulls.retain(|(name, _)| name != "ctr");
    for (name, succeeded, said) in run_all(pulls) {
        assert!(succeeded, "{name}: {said}");
    }
    assert_eq!(slow.makes.load(Ordering::SeqCst), 1);
    let reference = format!("{address}/works:latest");
    assert_eq!(clients.containers.podman(["run", "--rm", "--quiet", &reference]), "works\n");
    assert_eq!(clients.containerd.run(&reference, &[]), "works\n");

    // These have a sentence of their own for status 404.
    let have_own = ["oras", "ctr", "docker WithContainerd"];
    let mut wrong = Vec::new();
    for (image, exceptions) in [("fails", &[][..]), ("unknown", &have_own), ("broken", &[])] {
        for (name, succeeded, said) in run_all(clients.pulls(&format!("{address}/{image}:latest")))
        {
            assert!(!succeeded, "{name}: {said}");
            let shows = said.contains(&format!("the build of {image} failed: no such compiler"));
            if shows == exceptions.contains(&&*name) {
                wrong.push(format!("{image}, {name}: {said}"));
            }
            assert!(!said.contains("/nix/store"), "{name}: {said}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
