//! Clients follow redirects to stored layers, and send their password to nobody else.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use oci_layout::{
    Digest, Image,
    document::Descriptor,
    on_demand::{Eviction, PackageImages, PackageImagesOptions, StoredLayers},
    registry::{Endpoint, NamedImageError, NamedImages, Serving, Stop},
};

use super::on_demand::{make, packages};
use crate::common::{
    Random,
    bucket::{Bucket, Provider},
    docker::{Docker, Version},
    tool::{Containerd, Containers, crane, run, skopeo, tool},
};

/// An HTTP server that stands for the service of a storage: it sends the files of a folder to
/// everyone who has the secret of the URL.
struct Service {
    port: u16,
    /// The heads of the requests.
    requests: Arc<Mutex<Vec<String>>>,
}

const SECRET: &str = "signature=5%2B5";

impl Service {
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (folder, heads) = (folder.clone(), Arc::clone(&heads));
                thread::spawn(move || answer(stream.unwrap(), &folder, &heads));
            }
        });
        Self { port, requests }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, folder: &Path, heads: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next().filter(|line| !matches!(line.as_deref(), Ok(""))) {
        head.push_str(&(line + "\n"));
    }
    heads.lock().unwrap().push(head.clone());
    let target = head.split(' ').nth(1).unwrap_or_default();
    let name = target.strip_suffix(&format!("?{SECRET}")).and_then(|path| path.strip_prefix('/'));
    let bytes = name.and_then(|name| fs::read(folder.join(name)).ok());
    let status = if bytes.is_some() { "200 OK" } else { "403 Forbidden" };
    let bytes = bytes.unwrap_or_default();
    let length = bytes.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(&bytes);
}

/// The images, whose layers are at the service.
struct Elsewhere {
    images: PackageImages,
    blobs: PathBuf,
    port: u16,
}

impl NamedImages for Elsewhere {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        self.images.request(name, tag)
    }
    fn known(&self, request: &str) -> Option<Arc<Image>> {
        self.images.known(request)
    }
    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        self.images.make(request, stop)
    }
    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>> {
        self.images.holding(name, digest)
    }
    fn location(&self, blob: &Descriptor) -> Option<String> {
        let name = blob.digest.hex();
        let is_stored = self.blobs.join(&name).exists();
        // Another host than that of the registry, which is an address.
        is_stored.then(|| format!("http://localhost:{}/{name}?{SECRET}", self.port))
    }
    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError> {
        self.images.tags(name)
    }
    fn names(&self) -> Vec<String> {
        self.images.names()
    }
}

fn serve(scratch: &Path) -> (Serving, Service) {
    let packages = packages(&scratch.join("store"));
    let options = PackageImagesOptions::new(scratch.join("registry"));
    let images = packages.images_with(options.stored_layers(StoredLayers::Always));
    let blobs = scratch.join("registry/state/blobs");
    let service = Service::start(blobs.clone());
    let images = Elsewhere { images, blobs, port: service.port };
    // The user `me` with the password `secret`.
    let users = scratch.join("users");
    fs::write(&users, "me:$2b$04$3rPp6djIxt/p14UUJGynue4Xgnq.PtbGlM.c5L7E8cU0uSiE7Wu56\n").unwrap();
    let endpoint = Endpoint::new([] as [(&str, Vec<Image>); 0]).unwrap().named_images(images);
    let endpoint = endpoint.htpasswd(users).unwrap();
    (endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap(), service)
}

#[test]
fn clients_follow_redirects_without_their_password() {
    let scratch = tempfile::tempdir().unwrap();
    let (serving, service) = serve(scratch.path());
    let address = serving.address().to_string();
    let reference = format!("{address}/busybox:latest");
    // What each client pulls must be new to it, so that it reads all layers.
    let check = |client: &str, pull: &dyn Fn()| {
        pull();
        let requests = service.take();
        assert!(requests.len() >= 3, "{client} follows no redirect: {requests:#?}");
        for head in &requests {
            assert!(head.starts_with("GET ") && head.contains(SECRET), "{client}: {head}");
            let has_password = head.to_lowercase().contains("authorization");
            assert!(!has_password, "{client} sends its password elsewhere: {head}");
        }
    };

    let containers = Containers::new(scratch.path());
    check("podman", &|| {
        let login = ["pull", "--quiet", "--tls-verify=false", "--creds=me:secret", &reference];
        containers.podman(login);
    });
    assert_eq!(containers.podman(["run", "--rm", &reference, "sh", "-c", "echo hello"]), "hello\n");
    check("skopeo", &|| {
        let to = format!("dir:{}", scratch.path().join("skopeo").display());
        let from = format!("docker://{reference}");
        skopeo(["copy", "--src-tls-verify=false", "--src-creds=me:secret", &from, &to]);
    });
    check("crane", &|| {
        let folder = scratch.path().join("crane");
        fs::create_dir(&folder).unwrap();
        let mut login = tool("crane");
        login.args(["auth", "login", &address, "-u", "me", "-p", "secret"]);
        run(login.env("DOCKER_CONFIG", &folder));
        let mut pull = tool("crane");
        pull.args(["validate", "--insecure", "--remote", &reference]);
        run(pull.env("DOCKER_CONFIG", &folder));
    });
    check("ctr", &|| {
        let containerd = Containerd::start();
        let pull = ["images", "pull", "--local", "--plain-http", "--snapshotter", "native"];
        containerd.ctr(pull.iter().chain(&["--user", "me:secret", &reference]));
        assert!(containerd.ctr(["images", "list", "--quiet"]).contains(&reference));
    });
    for version in [Version::Older, Version::Newer, Version::WithContainerd] {
        check(&format!("docker, {version:?}"), &|| {
            let docker = Docker::start(version);
            docker.docker(["login", "--username=me", "--password=secret", &address]);
            docker.docker(["pull", "--quiet", &reference]);
            assert_eq!(docker.run(&reference, &["sh", "-c", "echo hello"]), "hello\n");
        });
    }
    check("oci-layout", &|| {
        let mut pull = std::process::Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        pull.args(["pull", "--plain-http", &reference]).arg("-o").arg(scratch.path().join("ours"));
        let config = scratch.path().join("crane");
        run(pull.env_clear().env("DOCKER_CONFIG", config));
    });
}

#[test]
#[ignore = "it wants moto_server, as a_bucket_of_s3_holds_the_state does"]
fn a_bucket_of_s3_sends_layers_itself() {
    a_bucket_sends_layers_itself(Provider::S3, "X-Amz-Signature=");
}

#[test]
#[ignore = "it wants azurite-blob, as a_bucket_of_azure_holds_the_state does"]
fn a_bucket_of_azure_sends_layers_itself() {
    a_bucket_sends_layers_itself(Provider::Azure, "&sig=");
}

fn a_bucket_sends_layers_itself(provider: Provider, signature: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let bucket = Bucket::of(provider);
    let packages = packages(&scratch.path().join("store"));
    // More than one part.
    let mut random = Random(7);
    let large: Vec<u8> = (0..20 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
    packages.add("large", "1", &[("share/large", &large)], &[]);
    let registry = |folder: &str, redirect| {
        let options = PackageImagesOptions::new(scratch.path().join(folder));
        let options = options.stored_layers(StoredLayers::Always).redirect(redirect);
        packages.images_with(options.storage(bucket.storage()))
    };
    let image = make(&registry("one", false), "busybox/large");
    let layers: Vec<_> = image.blobs().iter().map(|blob| blob.descriptor().clone()).collect();
    for redirect in [true, false] {
        // Another machine, whose store has nothing.
        let images = Arc::new(registry(&format!("two-{redirect}"), redirect));
        let urls: Vec<_> = layers.iter().filter_map(|layer| images.location(layer)).collect();
        let expected = if redirect { layers.len() - 2 } else { 0 };
        assert_eq!(urls.len(), expected, "all but the manifest and the configuration: {urls:?}");
        assert!(urls.iter().all(|url| url.contains(signature)), "{urls:?}");
        let endpoint = Endpoint::new([] as [(&str, Vec<Image>); 0]).unwrap();
        let endpoint = endpoint.named_images(Arc::clone(&images));
        let serving = endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let reference = format!("{}/busybox/large:latest", serving.address());
        fs::remove_dir_all(scratch.path().join("store")).unwrap();
        crane(["validate", "--insecure", "--remote", &reference]);
        fs::create_dir(scratch.path().join("store")).unwrap();
    }
    let all = Eviction::default().max_age(Duration::ZERO).grace(Duration::ZERO);
    let images = registry("three", true);
    assert_eq!(images.evict(&all).unwrap().images, 1);
    assert!(layers.iter().all(|layer| images.location(layer).is_none()));
}
