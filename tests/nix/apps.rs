//! `nix run`: images handed to the programs that people have.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::docker::{Docker, Version};
use crate::nix::{Nix, PROGRAMS, for_each_nix};
use crate::tool::{Containers, Registry, crane, run};

for_each_nix! { images_are_handed_on }

fn images_are_handed_on(nix: Nix) {
    let apps = Apps(nix);
    let digest = apps.digest();

    let registry = Registry::start();
    let reference = format!("{}/a/app:v1", registry.address);
    let said = apps.run("copyToRegistry", &[&reference], &Command::new("true"));
    assert_eq!(said, format!("{}/a/app@{digest}\n", registry.address));
    assert_eq!(crane(["digest", "--insecure", &reference]).trim(), digest);
    let other = format!("docker://{}/b/app:v1", registry.address);
    let said = apps.run("copyTo", &[&other, "--", "--dest-creds", "me:secret"], &Command::new("true"));
    assert_eq!(said, format!("{}/b/app@{digest}\n", registry.address));

    // By the name that it has anyway, and by another.
    let containers = Containers::new(apps.0.folder());
    let docker = Docker::start(Version::WithContainerd);
    for (arguments, name) in [(&[][..], "docker.io/me/app:1.0"), (&["other:2.0"][..], "other:2.0")] {
        let said = apps.run("copyToPodman", arguments, &containers.tool("podman"));
        assert_eq!(said, format!("{name}\n"));
        assert_eq!(containers.podman(["run", "--rm", "--pull=never", name]), "handed on\n");
        let said = apps.run("copyToDockerDaemon", arguments, &docker.tool([""; 0]));
        assert_eq!(said, format!("{name}\n"));
        assert_eq!(docker.run(name, &[]), "handed on\n");
        assert_eq!(docker.docker(["image", "inspect", "--format", "{{.Id}}", name]).trim(), digest);
    }

    let output = apps.output("bare.copyToRegistry", &[], &Command::new("true"));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("DEST: the image has no full name in the layout that it could have there"), "{said}");
}

struct Apps(Nix);

impl Apps {
    /// What it prints, with what this other command has in its environment.
    #[track_caller]
    fn run(&self, app: &str, arguments: &[&str], environment: &Command) -> String {
        let output = self.output(app, arguments, environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{app} {arguments:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn output(&self, app: &str, arguments: &[&str], environment: &Command) -> Output {
        // Its store is where it says it is, as on a machine with Nix: the script's first line names the program there.
        let mut nix = self.0.in_place("nix");
        nix.arg("run").args(self.expressions()).arg(format!("apps.{app}")).arg("--").args(arguments);
        let variables = environment.get_envs().filter(|(name, _)| *name != "PATH" && *name != "HOME");
        nix.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        nix.stdin(Stdio::null()).output().unwrap()
    }

    fn expressions(&self) -> [&OsStr; 5] {
        let expressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix");
        ["--file".as_ref(), expressions.as_ref(), "--arg".as_ref(), "programs".as_ref(), PROGRAMS.as_os_str()]
    }

    /// Of the image, by its layout.
    #[track_caller]
    fn digest(&self) -> String {
        let link = self.0.folder().join("apps");
        let mut nix = self.0.in_place("nix");
        run(nix.arg("build").args(self.expressions()).arg("apps").arg("--out-link").arg(&link));
        let layout: PathBuf = fs::read_link(link).unwrap();
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }
}
