//! The image of the registry itself, in which Nix works.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    common::{
        hello::busybox,
        tool::{Containers, INSTALLED, crane, run},
    },
    nix::{
        layout::Layout,
        versions::{Nix, PROGRAMS, Version},
    },
};

/// A container, which ends with the test.
struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        // podman passes it on. It fails only if the container has ended.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn the_image_of_the_registry_serves_packages_of_a_cache() {
    let nix = Nix::new(Version::System);
    let folder = nix.folder();
    let expression = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/on_demand_serve/image.nix");
    let root = format!("{INSTALLED}/nix-newer/root");
    let built = run(nix
        .command("nix-build")
        .args([expression, "--no-out-link", "--quiet", "--arg", "programs"])
        .arg(&*PROGRAMS)
        .args(["--arg", "nix", &root]));
    let image = Layout::checked(nix.physical(built.trim()));

    // A cache with one package, and the set that has it.
    let set = folder.join("packages");
    fs::create_dir(&set).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/packages/default.nix");
    fs::copy(example, set.join("default.nix")).unwrap();
    fs::copy(busybox(), set.join("busybox")).unwrap();
    let system = format!("{}-linux", std::env::consts::ARCH);
    let hello = run(nix
        .command("nix-build")
        .args(["--no-out-link", "--quiet", "--attr", "hello", "--argstr", "system", &system])
        .arg(&set));
    let cache = folder.join("cache");
    let mut copy = nix.command("nix");
    copy.args(["copy", "--to", &format!("file://{}", cache.display()), hello.trim()]);
    run(&mut copy);
    fs::write(folder.join("cache.conf"), "substituters = file:///cache\nrequire-sigs = false\n")
        .unwrap();

    let containers = Containers::new(image.path().parent().unwrap());
    let layout = format!("oci:{}", image.path().file_name().unwrap().to_str().unwrap());
    let mounted =
        |path: &str, at: &str| format!("--volume={}:{at}:ro", folder.join(path).display());
    let mut command = containers.tool("podman");
    command.args(["run", "--rm", "--network=host", "--user=1000:1000", "--log-driver=none"]);
    command.args([mounted("cache", "/cache"), mounted("packages", "/packages")]);
    command.arg(mounted("cache.conf", "/etc/nix/nix.conf"));
    command.args([&layout, "serve", "--packages=path:/packages"]);
    command.args(["--state=/var/lib/oci-layout", "--store-layers=always", "--listen=127.0.0.1:0"]);
    let (log, errors) = (folder.join("log"), folder.join("errors"));
    command.stdin(Stdio::null()).stdout(fs::File::create(&log).unwrap());
    command.stderr(fs::File::create(&errors).unwrap());
    let mut container = Container(command.spawn().unwrap());
    let begin = Instant::now();
    let address = loop {
        let said = fs::read_to_string(&log).unwrap();
        if let Some((_, rest)) = said.split_once("http://") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
        let is_alive = container.0.try_wait().unwrap().is_none();
        assert!(
            is_alive && begin.elapsed() < Duration::from_secs(60),
            "{}",
            fs::read_to_string(&errors).unwrap()
        );
        thread::sleep(Duration::from_millis(20));
    };
    crane(["validate", "--insecure", "--remote", &format!("{address}/hello")]);
    containers.podman(["pull", "--quiet", "--tls-verify=false", &format!("{address}/hello")]);
    assert_eq!(containers.podman(["run", "--rm", &format!("{address}/hello")]), "Hello, world!\n");
}
