//! `nix run`: images passed to the programs that users have.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::docker::{Docker, Version};
use crate::common::tool::{Containers, Registry, crane, run};
use crate::nix::rebuild::to_build;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { images_are_handed_on }

/// As in `default.nix`.
const CHANGING: &str = "as it was\n";

fn images_are_handed_on(nix: Nix) {
    let apps = Apps(nix);
    let run = |app: &str, arguments: &[&str], environment: &Command| {
        apps.run(&format!("apps.{app}"), CHANGING, arguments, environment)
    };
    let registry = Registry::start();
    let reference = format!("{}/a/app:v1", registry.address);
    let said = run("copyToRegistry", &[&reference], &Command::new("true"));
    // The image that was passed is sparse.
    let full = apps.evaluate("apps.outPath");
    assert!(!full.exists(), "{full:?}");
    let layout = apps.build("apps", CHANGING);
    assert_eq!(layout, full);
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();

    assert_eq!(said, format!("{}/a/app@{digest}\n", registry.address));
    assert_eq!(crane(["digest", "--insecure", &reference]).trim(), digest);
    let other = format!("docker://{}/b/app:v1", registry.address);
    let said = run("copyTo", &[&other, "--", "--dest-creds", "me:secret"], &Command::new("true"));
    assert_eq!(said, format!("{}/b/app@{digest}\n", registry.address));

    // By its own name, and by another.
    let containers = Containers::new(apps.0.folder());
    let docker = Docker::start(Version::WithContainerd);
    for (arguments, name) in [(&[][..], "docker.io/me/app:1.0"), (&["other:2.0"][..], "other:2.0")]
    {
        let said = run("copyToPodman", arguments, &containers.tool("podman"));
        assert_eq!(said, format!("{name}\n"));
        assert_eq!(containers.podman(["run", "--rm", "--pull=never", name]), "handed on\n");
        let said = run("copyToDockerDaemon", arguments, &docker.tool([""; 0]));
        assert_eq!(said, format!("{name}\n"));
        assert_eq!(docker.run(name, &[]), "handed on\n");
        assert_eq!(docker.docker(["image", "inspect", "--format", "{{.Id}}", name]).trim(), digest);
    }

    // The hash part of the layout's path is the tag, also of an image that is not that layout.
    let hash = apps.evaluate("apps.byHash.outPath").file_name().unwrap().to_str().unwrap()[..32]
        .to_owned();
    let name = format!("docker.io/me/by-hash:{hash}");
    assert_eq!(run("byHash.copyToPodman", &[], &containers.tool("podman")), format!("{name}\n"));
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", &name]), "handed on\n");

    let output = apps.output("apps.bare.copyToRegistry", CHANGING, &[], &Command::new("true"));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("DEST: the image has no full name in the layout: give the destination"),
        "{said}"
    );
}

/// The programs of the expressions run with a Nix whose store is physically at its logical path, as
/// on a machine with Nix, because the first line of a script names the program there.
pub struct Apps(pub Nix);

impl Apps {
    /// The output, in the environment of this other command.
    #[track_caller]
    pub fn run(
        &self,
        app: &str,
        changing: &str,
        arguments: &[&str],
        environment: &Command,
    ) -> String {
        let output = self.output(app, changing, arguments, environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{app} {arguments:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, whether it fails or not.
    pub fn output(
        &self,
        app: &str,
        changing: &str,
        arguments: &[&str],
        environment: &Command,
    ) -> Output {
        let mut nix = self.nix("run", changing);
        nix.arg(app).arg("--").args(arguments);
        let variables =
            environment.get_envs().filter(|(name, _)| *name != "PATH" && *name != "HOME");
        nix.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        nix.stdin(Stdio::null()).output().unwrap()
    }

    /// Builds one of the expressions, and returns the path of its output.
    #[track_caller]
    pub fn build(&self, attribute: &str, changing: &str) -> PathBuf {
        let link = self.0.folder().join("built");
        run(self.nix("build", changing).arg(attribute).arg("--out-link").arg(&link));
        fs::read_link(link).unwrap()
    }

    /// The names of the derivations that Nix would build, sorted.
    #[track_caller]
    pub fn to_build(&self, attribute: &str, changing: &str) -> Vec<String> {
        let mut nix = self.0.in_place("nix-build");
        nix.arg(EXPRESSIONS).arg("--arg").args(["programs".as_ref(), PROGRAMS.as_os_str()]);
        to_build(nix.args(["--argstr", "changing", changing, "--attr", attribute]))
    }

    /// The path that an expression evaluates to.
    #[track_caller]
    fn evaluate(&self, attribute: &str) -> PathBuf {
        run(self.nix("eval", CHANGING).args(["--raw", attribute])).into()
    }

    /// The physical path of the store.
    pub fn store(&self) -> PathBuf {
        self.0.folder().join("in-place/NIX_STORE_DIR")
    }

    pub fn nix(&self, subcommand: &str, changing: &str) -> Command {
        let mut nix = self.0.in_place("nix");
        let programs: [&OsStr; 3] = ["--arg".as_ref(), "programs".as_ref(), PROGRAMS.as_os_str()];
        nix.args([subcommand, "--file", EXPRESSIONS])
            .args(programs)
            .args(["--argstr", "changing", changing]);
        nix
    }
}

const EXPRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix");
