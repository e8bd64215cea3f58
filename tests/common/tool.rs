//! Programs that others wrote, each confined to scratch folders: no storage, credentials or
//! settings of the user, no fixed port.
//!
//! If a program is missing or fails, the test panics with all its output.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};

use oci_layout::Layer;
use tempfile::TempDir;

/// The folder of `tests/install-tools` for programs that the system lacks.
pub const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools");

/// A command without the user's environment, found first among the programs of
/// `tests/install-tools`.
pub fn tool(name: &str) -> Command {
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env_clear().env("PATH", format!("{INSTALLED}:{path}")).env("HOME", "/nonexistent");
    command
}

/// The standard output of the command.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    String::from_utf8_lossy(&super::run(command)).into_owned()
}

fn cannot_start(command: &Command, error: &io::Error) -> ! {
    panic!("{command:?}: {error}; tests/run installs what the tests need")
}

#[track_caller]
pub fn crane<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("crane").args(args))
}

#[track_caller]
pub fn skopeo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("skopeo").arg("--insecure-policy").args(args))
}

#[track_caller]
pub fn umoci<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("umoci").args(args))
}

#[track_caller]
pub fn oci_image_tool<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("oci-image-tool").args(args))
}

#[track_caller]
pub fn oras<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("oras").args(args))
}

#[track_caller]
pub fn cosign<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    run(tool("cosign").args(args))
}

/// Writes the tar of a layer into a file.
#[track_caller]
pub fn decompress(layer: &dyn Layer, tar: &Path) {
    let name = match layer.descriptor().media_type.as_str().rsplit_once('+') {
        Some((_, name)) => name,
        None => "cat",
    };
    let mut command = tool(name);
    command.args(if name == "cat" { &[][..] } else { &["-d", "-c"] });
    run(command.arg(layer.file().unwrap()).stdout(fs::File::create(tar).unwrap()));
}

/// Checks every document of the layout against the JSON schemas of the image specification.
#[track_caller]
pub fn schemas(layout: &Path) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    run(tool("python3")
        .arg(tests.join("tests/tools/schemas.py"))
        .arg(tests.join("target/tools/schema"))
        .arg(layout))
}

/// podman and buildah with a shared storage in a scratch folder.
///
/// The storage identifies layers by diff ID and images by the configuration's digest: only a new
/// one reads a layer's blob.
pub struct Containers {
    dir: TempDir,
    folder: PathBuf,
}

impl Containers {
    /// Both run in this folder, so that layouts can be given as relative paths: they derive an
    /// image's name from the path, and a name has no upper-case letters.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().display();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        // vfs: plain folders, which need no support of the file system and leave no mounts.
        let storage = format!(
            "[storage]\ndriver = 'vfs'\ngraphroot = '{root}/storage'\nrunroot = '{root}/run'\n"
        );
        // runc, because crun refuses hybrid cgroups. cgroupfs and no journal, because systemd may
        // be missing. Limits that an unprivileged caller can grant. Locks and state here, because
        // they are otherwise shared in /dev/shm and /run.
        let containers = format!(
            "[containers]\nnetns = 'none'\ndefault_ulimits = ['nofile=1024:1024', \
             'nproc=1000:1000']\n\
             [network]\nnetwork_config_dir = '{root}/network'\n\
             [engine]\nruntime = 'runc'\ncgroup_manager = 'cgroupfs'\nevents_logger = \
             'none'\nlock_type = 'file'\n\
             tmp_dir = '{root}/state'\n"
        );
        fs::write(dir.path().join("storage.conf"), storage).unwrap();
        fs::write(dir.path().join("containers.conf"), containers).unwrap();
        Self { dir, folder: folder.into() }
    }

    #[track_caller]
    pub fn podman<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        run(self.tool("podman").args(args))
    }

    #[track_caller]
    pub fn buildah<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        run(self.tool("buildah").args(args))
    }

    /// One of the two, ready for arguments.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = tool(name);
        command
            .current_dir(&self.folder)
            .env("CONTAINERS_CONF", self.dir.path().join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.dir.path().join("storage.conf"))
            .env("TMPDIR", self.dir.path().join("tmp"));
        command
    }
}

/// containerd in a scratch folder. It ends when the value is dropped.
pub struct Containerd {
    dir: TempDir,
    server: Child,
}

impl Containerd {
    /// Returns when containerd answers.
    pub fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().display();
        // Without the parts for Kubernetes, which need a network and a folder in /opt.
        let config = format!(
            "version = 3\nroot = '{root}/root'\nstate = '{root}/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', \
             'io.containerd.cri.v1.runtime', 'io.containerd.internal.v1.opt', \
             'io.containerd.nri.v1.nri']\n\
             [grpc]\naddress = '{root}/socket'\n"
        );
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let mut command = tool("containerd");
        let log = fs::File::create(dir.path().join("log")).unwrap();
        command
            .arg("--config")
            .arg(dir.path().join("config.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let server =
            command.stderr(log).spawn().unwrap_or_else(|error| cannot_start(&command, &error));
        let mut containerd = Self { dir, server };
        while !containerd.tool(["version"]).output().is_ok_and(|output| output.status.success()) {
            let log = || fs::read_to_string(containerd.dir.path().join("log")).unwrap();
            assert!(
                containerd.server.try_wait().unwrap().is_none(),
                "containerd ended before it answered:\n{}",
                log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        containerd
    }

    #[track_caller]
    pub fn ctr<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        run(&mut self.tool(args))
    }

    /// Imports a layout as the tar that containerd accepts, and returns the names that it gives the
    /// images, sorted.
    #[track_caller]
    pub fn import(&self, layout: &Path) -> Vec<String> {
        let tar = self.dir.path().join("layout.tar");
        run(tool("tar")
            .arg("--create")
            .arg("--file")
            .arg(&tar)
            .arg("--directory")
            .arg(layout)
            .arg("."));
        self.import_archive(&tar)
    }

    /// Imports a tar of images, and returns the names that it gives them, sorted.
    #[track_caller]
    pub fn import_archive(&self, tar: &Path) -> Vec<String> {
        // Not through the service, which is configured for a user's platforms and snapshotters.
        let import = ["images", "import", "--local", "--snapshotter", "native", "--all-platforms"];
        self.ctr(import.map(OsStr::new).into_iter().chain([tar.as_os_str()]));
        self.ctr(["images", "list", "--quiet"]).lines().map(str::to_owned).collect()
    }

    /// The image's file system, mounted until the value is dropped.
    #[track_caller]
    pub fn mount(&self, image: &str) -> Mount<'_> {
        let dir = TempDir::new().unwrap();
        self.ctr([
            "images",
            "mount",
            "--snapshotter",
            "native",
            image,
            dir.path().to_str().unwrap(),
        ]);
        Mount { containerd: self, dir }
    }

    /// The output of a container of the image, with these arguments instead of Entrypoint and Cmd
    /// if there are any.
    #[track_caller]
    pub fn run(&self, image: &str, args: &[&str]) -> String {
        // The ID names the control group, which is not below this containerd's folders.
        let id = format!("judge-{}", self.server.id());
        let (fifos, runc) = (self.dir.path().join("fifos"), self.dir.path().join("runc"));
        // ctr may lose the end of what a short program writes into its fifo.
        let output = self.dir.path().join("output");
        let _ = fs::remove_file(&output);
        let log = format!("file://{}", output.display());
        let scratch =
            ["--fifo-dir", fifos.to_str().unwrap(), "--runc-root", runc.to_str().unwrap()];
        self.ctr(
            ["run", "--rm", "--snapshotter", "native", "--log-uri", &log]
                .iter()
                .chain(&scratch)
                .chain(&[image, &id])
                .chain(args),
        );
        fs::read_to_string(&output).unwrap()
    }

    /// The client with these arguments.
    pub fn tool<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = tool("ctr");
        command.arg("--address").arg(self.dir.path().join("socket")).args(args);
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A mounted image.
pub struct Mount<'a> {
    containerd: &'a Containerd,
    dir: TempDir,
}

impl Mount<'_> {
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        self.containerd.ctr(["images", "unmount", self.dir.path().to_str().unwrap()]);
    }
}

/// An empty registry on a free port of the loopback interface. It ends when the value is dropped.
pub struct Registry {
    /// `127.0.0.1:PORT`, the start of references to it.
    pub address: String,
    server: Child,
    dir: TempDir,
}

impl Registry {
    /// Returns when the registry listens.
    pub fn start() -> Self {
        Self::configured(TempDir::new().unwrap(), "addr: '127.0.0.1:0'", "")
    }

    /// A registry that deletes manifests.
    pub fn that_deletes() -> Self {
        let more = "  delete: {enabled: true}\n";
        Self::configured(TempDir::new().unwrap(), "addr: '127.0.0.1:0'", more)
    }

    /// A registry with a login: user `me`, password `secret`.
    pub fn with_password() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(
            dir.path().join("users"),
            "me:$2b$04$3rPp6djIxt/p14UUJGynue4Xgnq.PtbGlM.c5L7E8cU0uSiE7Wu56\n",
        )
        .unwrap();
        let auth = format!(
            "auth: {{htpasswd: {{realm: test, path: '{}/users'}}}}\n",
            dir.path().display()
        );
        Self::configured(dir, "addr: '127.0.0.1:0'", &auth)
    }

    /// A registry with TLS, on an address that clients never try without it, with its own
    /// certificate in `certificate`.
    pub fn with_tls() -> Self {
        let dir = TempDir::new().unwrap();
        let new = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=registry \
            -keyout key -out certificate -addext subjectAltName=IP:127.0.0.2 -addext \
            basicConstraints=critical,CA:FALSE";
        run(tool("openssl").args(new.split(' ')).current_dir(&dir));
        let root = dir.path().display();
        let http = format!(
            "addr: '127.0.0.2:0', tls: {{certificate: '{root}/certificate', key: '{root}/key'}}"
        );
        Self::configured(dir, &http, "")
    }

    /// A registry with TLS at this address and port (0 for a free one), with these files of a
    /// certificate and its key. If there is a third file, it accepts only clients with a
    /// certificate of that authority.
    pub fn with_certificate(
        address: &str,
        certificate: &Path,
        key: &Path,
        clients: Option<&Path>,
    ) -> Self {
        let (certificate, key) = (certificate.display(), key.display());
        let clients =
            clients.map_or(String::new(), |file| format!(", clientcas: ['{}']", file.display()));
        let http = format!(
            "addr: '{address}', tls: {{certificate: '{certificate}', key: '{key}'{clients}}}"
        );
        Self::configured(TempDir::new().unwrap(), &http, "")
    }

    /// The registry in crane.
    pub fn of_crane() -> Self {
        let mut command = tool("crane");
        command.args(["registry", "serve", "--address", "127.0.0.1:0"]);
        let mut registry = Self::spawn(command, TempDir::new().unwrap(), "serving on port ");
        registry.address.insert_str(0, "127.0.0.1:");
        registry
    }

    /// The certificate of a registry with TLS.
    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate")
    }

    /// Kills it without a warning, as a crash of its machine would.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again after [`kill`](Self::kill), at the same address and with the same contents.
    ///
    /// docker-registry writes its links in place. A link that is empty because of the kill makes
    /// every later request for its blob fail with 500, so the links are repaired as an
    /// administrator would do: they are removed.
    pub fn start_again(&mut self) {
        for file in walkdir::WalkDir::new(self.dir.path().join("data")) {
            let file = file.unwrap();
            if file.file_name() == "link" && file.metadata().unwrap().len() == 0 {
                fs::remove_file(file.path()).unwrap();
            }
        }
        let config = self.dir.path().join("config.yml");
        let text = fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &self.address);
        fs::write(&config, text).unwrap();
        let mut command = tool("docker-registry");
        command.arg("serve").arg(&config);
        (self.server, self.address) = Self::serve(command, "listening on ");
    }

    fn configured(dir: TempDir, http: &str, more: &str) -> Self {
        let config = dir.path().join("config.yml");
        // Port 0: the kernel picks a free one, which the log reports at the level "info".
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{{http}}}\n\
             storage:\n  filesystem: {{rootdirectory: '{}/data'}}\n{more}",
            dir.path().display()
        );
        fs::write(&config, text).unwrap();
        let mut command = tool("docker-registry");
        command.arg("serve").arg(&config);
        Self::spawn(command, dir, "listening on ")
    }

    fn spawn(command: Command, dir: TempDir, before: &str) -> Self {
        let (server, address) = Self::serve(command, before);
        Self { address, server, dir }
    }

    /// A server that prints its address after these words. Returns when it does.
    fn serve(mut command: Command, before: &str) -> (Child, String) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = command.spawn().unwrap_or_else(|error| cannot_start(&command, &error));

        let mut log = BufReader::new(server.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            if log.read_line(&mut said).unwrap() == 0 {
                panic!("{command:?}: exited before it listened: {:?}\n{said}", server.wait());
            }
            if let Some((_, rest)) = said[start..].split_once(before) {
                break rest.split([' ', '"', ',', '\n']).next().unwrap().to_owned();
            }
        };
        // A pipe that is not emptied would stop the registry, and a closed one would end it.
        thread::spawn(move || log.read_to_end(&mut Vec::new()));
        (server, address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
