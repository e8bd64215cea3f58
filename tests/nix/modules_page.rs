//! The images of docs/modules.md are built, and run by podman as the page says.

use std::cell::OnceCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::tool::{Containers, INSTALLED, run, tool};
use crate::nix::flake::Flakes;
use crate::nix::guide::examples;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, Version};

#[test]
fn all_examples_are_built() {
    built(Nix::new(Version::System));
}

#[test]
fn all_examples_run() {
    let (_flakes, images) = built(Nix::new(Version::Newer));
    for ((_, runs), path) in EXAMPLES.iter().zip(images) {
        runs(&Image::new(path));
    }
}

/// Runs an image and looks at what it does.
type Check = fn(&Image);

/// The examples in the order of the page: a text of each, and what it does.
const EXAMPLES: [(&str, Check); 11] = [
    ("image.name = \"hello\"", hello),
    ("image.name = \"empty\"", empty),
    ("image.name = \"nixos\"", accounts),
    ("image.name = \"web\"", one_service),
    ("image.name = \"services\"", services),
    ("image.name = \"failing\"", failing),
    ("image.name = \"nginx\"", nixos),
    ("oci.images.nix.override", with_nix),
    ("image.name = \"flavoured\"", hello),
    ("image.name = \"hello\"", hello),
    // The build runs it.
    ("oci.ociTestImage", |_| ()),
];

/// The images, in the order of the list.
fn built(nix: Nix) -> (Flakes, Vec<PathBuf>) {
    let flakes = Flakes::new(nix);
    let debian = Path::new(INSTALLED).join("s6");
    run(tool("cp").arg("-r").arg(&debian).arg(flakes.folder("debian")));
    let all = examples("docs/modules.md");
    assert_eq!(all.len(), EXAMPLES.len());
    let mut names = String::new();
    for (number, (example, (text, _))) in all.iter().zip(EXAMPLES).enumerate() {
        assert!(example.contains(text), "{example}");
        let file = format!("{{ oci, pkgs }}:\n{example}\n");
        fs::write(flakes.folder(&format!("example-{number}.nix")), file).unwrap();
        names += &format!("\"example-{number}\" ");
    }
    let guide = concat!("import ", env!("CARGO_MANIFEST_DIR"), "/tests/nix/guide.nix");
    let folder = "folder = dirOf nixpkgs; debian = dirOf nixpkgs + \"/debian\";";
    let expression = format!("{guide} {{ {folder} names = [ {names}]; }}");
    let mut build = flakes.on_expression("nix-build", &expression);
    let built = run(build.args(["--no-out-link", "--quiet"]));
    let images: Vec<_> = built.lines().map(PathBuf::from).collect();
    assert_eq!(images.len(), EXAMPLES.len());
    (flakes, images)
}

struct Image {
    path: PathBuf,
    containers: Containers,
}

impl Image {
    fn new(path: PathBuf) -> Self {
        let containers = Containers::new(path.parent().unwrap());
        Self { path, containers }
    }

    /// `podman SUBCOMMAND OPTION… IMAGE ARGUMENT…`.
    fn podman(&self, options: &[&str], arguments: &[&str]) -> Command {
        let name = format!("oci:{}", self.path.file_name().unwrap().to_str().unwrap());
        let mut podman = self.containers.tool("podman");
        podman.args(options).args(["--quiet", &name]).args(arguments).stdin(Stdio::null());
        podman
    }

    /// Runs it to its end.
    #[track_caller]
    fn says(&self, options: &[&str], arguments: &[&str], expected: &str) {
        let said = run(&mut self.podman(&[&["run", "--rm"], options].concat(), arguments));
        assert!(said.contains(expected), "{said}");
    }

    /// Runs it until it has written this line, looks into the container `it`, and stops it.
    #[track_caller]
    fn stopped_after(
        &self,
        line: &str,
        options: &[&str],
        look: impl Fn(&Containers),
    ) -> Vec<String> {
        let options = [&["run", "--rm", "--name=it"], options].concat();
        let mut running = self.podman(&options, &[]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        for written in lines.map(Result::unwrap) {
            if written == line {
                look(&self.containers);
                self.containers.podman(["stop", "--time=60", "it"]);
            }
            said.push(written);
        }
        assert_eq!(running.wait().unwrap().code(), Some(0), "{said:?}");
        said
    }

    /// The same, with a script that runs in the container.
    #[track_caller]
    fn serves(&self, options: &[&str], line: &str, script: &str, expected: &str) {
        let output = OnceCell::new();
        let said = self.stopped_after(line, options, |containers| {
            let exec = ["exec", "it", &self.busybox(), "sh", "-c", script];
            output.set(containers.tool("podman").args(exec).output().unwrap()).unwrap();
        });
        let output = output.get().unwrap_or_else(|| panic!("{line} is missing: {said:?}"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
    }

    /// The program in the store, which is also in each image with services.
    fn busybox(&self) -> String {
        let store = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let mut paths = store.map(|entry| entry.unwrap().path().join("bin"));
        let found = paths.find(|bin| bin.join("wget").is_symlink()).unwrap();
        found.join("busybox").to_str().unwrap().to_owned()
    }
}

fn hello(image: &Image) {
    image.says(&[], &["a"], "-hello-1.0/bin/hello a\n");
}

/// There is nothing to run.
fn empty(image: &Image) {
    Layout::checked(image.path.clone());
    let output = image.podman(&["create"], &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no command or entrypoint"), "{said}");
    run(&mut image.podman(&["create"], &["/program"]));
}

fn accounts(image: &Image) {
    let expected = "(alice) gid=100(users) groups=100(users),24738(media)\n";
    image.says(&["--user=alice"], &["id"], expected);
}

fn one_service(image: &Image) {
    let output = image.stopped_after("nginx -g daemon off;", &[], |_| ());
    assert_eq!(output, ["nginx -g daemon off;"]);
}

fn services(image: &Image) {
    let fetch = "wget=\"wget -q -O - http://127.0.0.1:8080/state\"; \
                 until $wget 2>/dev/null; do sleep 0.1; done";
    image.serves(&[], "ready", fetch, "migrated\n");
}

fn failing(image: &Image) {
    let output = image.podman(&["run", "--rm"], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(output.stdout, b"no port\n");
    image.serves(&["--env=S6_DONT_TERMINATE_ON_ERROR=1"], "no port", "echo inside", "inside\n");
}

fn nixos(image: &Image) {
    let line = "nginx -c /etc/nginx/nginx.conf -g daemon off;";
    let account = "nginx:x:60:60::/var/empty:/sbin/nologin\n";
    image.serves(&[], line, "cat /etc/nginx/nginx.conf; grep ^nginx: /etc/passwd", account);
}

fn with_nix(image: &Image) {
    let script = "hello; id -u; cat /etc/nix/nix.conf";
    image.says(&[], &["-c", script], "hello\n1000\nbuild-users-group = \ncores = 2\n");
}
