//! The first lines of the README and of the manual work as they stand, except for the port.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::set;
use crate::{
    common::{
        hello::busybox,
        tool::{Containers, run},
    },
    nix::versions::{Nix, for_each_nix},
};

for_each_nix!(
    the_lines_of_the_readme_run_packages_of_a_cache,
    the_lines_of_the_manual_run_packages_without_a_network,
);

/// The block with this line, and the next one.
fn blocks(page: &str, line: &str) -> [String; 2] {
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let serve = blocks.find(|block| block.contains(line)).expect("the page has the line");
    [serve, blocks.next().unwrap()].map(str::to_owned)
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// What the second block prints while the last line of the first one runs.
fn run_lines(nix: &Nix, [serve, then]: [String; 2]) -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let here = |text: &str| {
        let text = text.replace("--listen 5000", &format!("--listen {port}"));
        text.replace("localhost:5000", &format!("localhost:{port}"))
    };
    let mut serve = here(&serve);
    if geteuid().is_root() {
        serve = serve.replace(" serve ", " serve --allow-root ");
    }
    // The signal reaches the program, and not the shell.
    let serve = serve.replace("\noci-layout serve", "\nexec oci-layout serve");
    let shell = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-euc", script]).current_dir(nix.folder()).env_clear();
        shell
    };
    let program = Path::new(env!("CARGO_BIN_EXE_oci-layout")).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap();
    let path = [program].into_iter().chain(nix.programs()).chain(env::split_paths(&path));
    let mut server = shell(&serve);
    server.envs(nix.environment()).env("PATH", env::join_paths(path).unwrap());
    let home = nix.folder().join("home");
    fs::create_dir_all(&home).unwrap();
    server.env("HOME", home).stdout(Stdio::piped());
    let mut server = Server(server.spawn().unwrap());
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert_eq!(address, format!("http://127.0.0.1:{port}\n"));

    let containers = Containers::new(nix.folder());
    let podman = containers.tool("podman");
    let variables = podman.get_envs().filter_map(|(name, value)| Some((name, value?)));
    run(shell(&here(&then)).envs(variables))
}

fn the_lines_of_the_readme_run_packages_of_a_cache(nix: Nix) {
    let set = set(&nix);
    fs::rename(&set.folder, nix.folder().join("nixpkgs")).unwrap();
    // The registry may not build: everything comes from a cache, as with nixpkgs.
    let cache = format!("file://{}", nix.folder().join("cache").display());
    let mut build = set.nix("nix-build");
    build.args(["nixpkgs", "--no-out-link", "--quiet", "--argstr", "system", super::system()]);
    for name in ["hello", "bashInteractive", "coreutils"] {
        build.args(["--attr", name]);
    }
    let built = run(build.current_dir(nix.folder()));
    let mut copy = set.nix("nix");
    copy.args(["--extra-experimental-features", "nix-command", "copy", "--to", &cache]);
    run(copy.args(built.lines()));
    set.collect();
    let settings = nix.folder().join("nix.conf");
    let text = fs::read_to_string(&settings).unwrap();
    let text = text.replace("substituters =", &format!("substituters = {cache}"));
    fs::write(&settings, text + "require-sigs = false\n").unwrap();

    let readme = blocks("README.md", "serve --packages");
    assert_eq!(readme, blocks("docs/on-demand.md", "serve --packages"));
    assert_eq!(run_lines(&nix, readme), "hello from hello\n".repeat(2));
    // What a cache has needs no place in the state.
    let state = nix.folder().join("home/.local/state/oci-layout/packages/state");
    assert!(state.join("layers").exists() && !state.join("blobs").exists());
}

fn the_lines_of_the_manual_run_packages_without_a_network(nix: Nix) {
    let folder = nix.folder().join("oci-layout/examples/packages");
    fs::create_dir_all(&folder).unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/packages/default.nix");
    fs::copy(example, folder.join("default.nix")).unwrap();
    // The page finds it by `PATH`.
    assert!(busybox().exists());
    let said = run_lines(&nix, blocks("docs/on-demand.md", "examples/packages"));
    assert_eq!(said, "Hello, world!\nHello, Ada!\n");
}
