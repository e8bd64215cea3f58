//! `copy`: copies an image from registry to registry, or passes it to skopeo or docker.

#[cfg(feature = "registry")]
mod between;
mod source;

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc::channel,
    thread,
};

use clap::Args;
use oci_layout::{
    Error, Image, Pool, Result,
    archive::{ArchiveOptions, image_archive},
    document::Platform,
};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};

use self::source::Source;
use crate::{
    Warnings, args, errors,
    image_arg::{ImageArg, Registries},
    out::print,
    trust::Trust,
};

/// Copies an image to another registry, to podman's storage or to a docker daemon.
///
/// From registry to registry, no other program is used: blobs are passed on without being stored,
/// and those that the same registry has in the other repository are mounted. All platforms are
/// copied, unless --platform selects one. Credentials and certificates are those of pull and push.
///
/// Everything else is done by skopeo or docker. DEST is written as for skopeo:
/// docker://REGISTRY/NAME:TAG, containers-storage:NAME:TAG, dir:DIR and so on. docker loads
/// docker-daemon:NAME:TAG, in the format of `export`. Digests do not change. Both programs are
/// looked up on PATH, use their own configuration, and print their own errors; their exit code is
/// passed on. skopeo gets --authfile, --tls-verify and --cert-dir. For a registry on this machine,
/// it does not verify certificates, and uses plain HTTP if the registry has no TLS. Standard output
/// has only the reference of the image.
///
/// skopeo reads the image from this program, which serves it as a registry on 127.0.0.1 until skopeo
/// exits. Layers of a sparse layout are therefore built only if the destination lacks them. Other
/// users of this machine can read the image during that time.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout copy docker://alpine:3.20 docker://registry.example/alpine:3.20
  oci-layout copy image:1.0 docker://ghcr.io/me/app:1.0
  oci-layout copy image containers-storage:app:1.0
  oci-layout copy image docker://ghcr.io/me/app:1.0 -- --retry-times 3")]
pub(crate) struct Copy {
    /// The image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]. A colon in the path of the layout is written `\:`
    #[arg(value_name = "IMAGE", value_parser = args::os(ImageArg::parse))]
    image: ImageArg,

    /// The destination: TRANSPORT:REFERENCE, or only REFERENCE with --to [default: the image's full
    /// name in the layout]
    #[arg(value_name = "DEST", required_unless_present = "to")]
    destination: Option<String>,

    /// The transport, if DEST has none: docker, docker-daemon, containers-storage or another
    /// transport of skopeo
    #[arg(long, value_name = "TRANSPORT")]
    to: Option<String>,

    /// The platform to copy from an image for several platforms [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// From registry to registry, also copy the artifacts that are attached to the image, and what is
    /// attached to those. For a layout, use push
    #[cfg(feature = "registry")]
    #[arg(long)]
    referrers: bool,

    #[command(flatten)]
    registries: Registries,

    /// Path of skopeo
    #[arg(long, value_name = "PATH", default_value = "skopeo")]
    skopeo: PathBuf,

    /// Path of docker
    #[arg(long, value_name = "PATH", default_value = "docker")]
    docker: PathBuf,

    /// Additional arguments for `skopeo copy` or `docker load`
    #[arg(last = true, value_name = "ARG")]
    arguments: Vec<std::ffi::OsString>,
}

impl Copy {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<ExitCode> {
        let (to, given) = (self.to.as_deref(), self.destination.as_deref());
        #[cfg(feature = "registry")]
        let between = match &self.image {
            ImageArg::Registry(from) => between::destination(to, given)?.map(|to| (from, to)),
            ImageArg::Layout(_) => None,
        };
        #[cfg(feature = "registry")]
        if between.is_some() && !self.arguments.is_empty() {
            let reason = "they are for skopeo or docker, and neither copies from registry to registry: \
                          leave them out";
            return Err(errors::invalid("the arguments after `--`", reason));
        }
        let _lock = self.image.lock();
        let image = match &self.platform {
            Some(_) => self.image.open(self.platform.as_ref(), &self.registries, trust)?.into(),
            None => self.image.whole(&self.registries, trust)?,
        };
        #[cfg(feature = "registry")]
        if let Some((from, to)) = between {
            between::copy(&image, from, to, self.referrers, &self.registries)?;
            return Ok(ExitCode::SUCCESS);
        }
        #[cfg(feature = "registry")]
        if self.referrers {
            let reason = "skopeo and docker do not copy what is attached to an image: use \
                          `oci-layout push --referrers`, or `oci-layout pull --referrers` first";
            return Err(errors::invalid("--referrers", reason));
        }
        let destination = Destination::new(to, given, &image)?;
        let status = match &*destination.transport {
            "docker-daemon" => {
                warnings.report(image.warnings())?;
                let mut docker = client(&self.docker);
                docker.arg("load").args(&self.arguments);
                load(docker, &image, &destination)?
            }
            _ => {
                let advice = "copy one platform by the digest of its manifest, as LAYOUT@sha256:…";
                errors::refuse_partial(&image, advice)?;
                let source = Source::new(&self.image, &image, pool)?;
                let mut skopeo = client(&self.skopeo);
                // No signature policy applies: the image comes from a local layout.
                skopeo.args(["--insecure-policy", "copy"]).args(destination.skopeo_options());
                if destination.transport == "docker" {
                    skopeo.args(self.registries.for_skopeo());
                }
                skopeo.args(source.options).args(&self.arguments);
                skopeo.arg(&source.reference).arg(destination.to_string());
                Running::start(skopeo)?.wait().map_err(errors::read(self.skopeo))?
            }
        };
        if status.success() {
            print(destination.reference(&image))?;
        }
        Ok(ExitCode::from(code(status)))
    }
}

/// `TRANSPORT:REFERENCE`; the reference of a registry is stored without its leading slashes.
struct Destination {
    transport: String,
    reference: String,
}

impl Destination {
    fn new(to: Option<&str>, given: Option<&str>, image: &Image) -> Result<Self> {
        let invalid = |reason: &str| errors::invalid("DEST", reason);
        let given =
            match given {
                Some(given) => given,
                None => image.descriptor().annotations.get("io.containerd.image.name").ok_or_else(
                    || invalid("the image has no full name in the layout: give the destination"),
                )?,
            };
        let (transport, reference) = match (to, given.split_once(':')) {
            // The user may give the transport twice.
            (Some(to), Some((transport, reference))) if to == transport => (to, reference),
            (Some(to), _) => (to, given),
            (None, Some((transport, reference))) => (transport, reference),
            (None, None) => {
                return Err(invalid(
                    "expected TRANSPORT:REFERENCE, as in docker://ghcr.io/me/app:1.0",
                ));
            }
        };
        let reference =
            if transport == "docker" { reference.trim_start_matches("//") } else { reference };
        Ok(Self { transport: transport.to_owned(), reference: reference.to_owned() })
    }

    /// Returns the options that preserve all platforms and digests, as far as the transport can.
    fn skopeo_options(&self) -> Vec<&'static str> {
        match &*self.transport {
            "docker" if is_loopback(&self.reference) => {
                vec!["--all", "--preserve-digests", "--dest-tls-verify=false"]
            }
            // containers-storage holds one platform of an image.
            "containers-storage" => vec!["--preserve-digests"],
            // A docker-archive has another format, so digests change.
            "docker-archive" => vec![],
            _ => vec!["--all", "--preserve-digests"],
        }
    }

    /// Returns the reference by which the destination has the image.
    fn reference(&self, image: &Image) -> String {
        match &*self.transport {
            "docker" => format!("{}@{}", without_tag(&self.reference), image.digest()),
            "docker-daemon" | "containers-storage" => self.reference.clone(),
            _ => self.to_string(),
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slashes = if self.transport == "docker" { "//" } else { "" };
        write!(f, "{}:{slashes}{}", self.transport, self.reference)
    }
}

/// A colon before the last slash belongs to the port of a registry.
fn without_tag(reference: &str) -> &str {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => reference,
    }
}

/// Whether the registry is on this machine.
fn is_loopback(reference: &str) -> bool {
    let host = reference.split('/').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns a command whose output goes to standard error.
fn client(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(io::stderr());
    command
}

/// A running client. Signals that would end this program end the client, and this program exits
/// after it.
struct Running {
    client: Child,
    signals: Handle,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        let what = format!("program {:?}", command.get_program());
        let failed = |reason: String| errors::invalid(&what, reason);
        // Installed before the client starts: an earlier signal would end only this program.
        let mut signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(|cause| failed(cause.to_string()))?;
        let handle = signals.handle();
        let (started, id) = channel();
        let forward = move || {
            let Ok(id) = id.recv() else { return };
            for signal in signals.forever().filter_map(Signal::from_named_raw) {
                // The client may have exited already.
                let _ = kill_process(id, signal);
            }
        };
        thread::Builder::new().spawn(forward).map_err(|cause| failed(cause.to_string()))?;
        let client = command.spawn().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => failed(
                "not found: install it, give its path with --skopeo or --docker, or use \
                 `oci-layout push`, which sends to registries by itself"
                    .to_owned(),
            ),
            _ => failed(cause.to_string()),
        })?;
        let _ = started.send(Pid::from_child(&client));
        Ok(Self { client, signals: handle })
    }

    fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.client.wait();
        self.signals.close();
        status
    }
}

/// Loads the image with docker under the name of the destination.
fn load(mut docker: Command, image: &Image, destination: &Destination) -> Result<ExitStatus> {
    docker.stdin(Stdio::piped());
    let mut docker = Running::start(docker)?;
    let to = docker.client.stdin.take().expect("it was asked for");
    // skopeo and docker take a bare word for a repository.
    let name = match destination.reference.contains([':', '/']) {
        true => destination.reference.clone(),
        false => format!("{}:latest", destination.reference),
    };
    let written = image_archive(
        io::BufWriter::new(to),
        [image.clone().tagged(name)],
        ArchiveOptions::default(),
    );
    let status = docker.wait().map_err(errors::read("docker"))?;
    match written {
        // If docker stops reading, it reports the reason itself.
        Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(status),
        Err(Error::Write { cause, .. }) => Err(errors::write("docker")(cause)),
        written => written.map(|_| status),
    }
}

/// Returns the exit code as a shell reports it, including 128 plus the signal for a client that a
/// signal ended.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
