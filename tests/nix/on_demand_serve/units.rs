//! What the manual shows for systemd, NixOS and Kubernetes, as far as it can be checked without them.

use std::{fs, process::Command};

use oci_layout::on_demand::{DeclaredImages, NameOptions, Names};
use serde_json::Value;

use crate::{
    common::tool::{run, tool},
    nix::versions::{Nix, for_each_nix},
};

for_each_nix!(the_module_for_nixos_starts_the_registry);

const PROGRAM: &str = env!("CARGO_BIN_EXE_oci-layout");

/// The first block of this language after a heading of the manual.
fn block(heading: &str, language: &str) -> String {
    let manual = fs::read_to_string("docs/on-demand.md").unwrap();
    let section = manual.split(&format!("\n## {heading}\n")).nth(1).expect("the section exists");
    let block = section.split(&format!("```{language}\n")).nth(1).expect("it has a block");
    block.split("```").next().unwrap().to_owned()
}

/// Checks the names and values of options, without starting a server.
#[track_caller]
fn assert_accepted<'a>(arguments: impl IntoIterator<Item = &'a str>) {
    let arguments: Vec<_> = arguments.into_iter().collect();
    assert!(arguments.len() > 5 && arguments[0] == "serve", "{arguments:?}");
    // The help comes after everything before it was parsed.
    let output = Command::new(PROGRAM).args(&arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wrong_arguments_would_be_found() {
    for wrong in ["--imges=x", "--listen=x", "--keep=x"] {
        let output =
            Command::new(PROGRAM).args(["serve", "--packages=path:x", wrong, "--help"]).output();
        assert_eq!(output.unwrap().status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn the_unit_for_systemd_is_valid() {
    let unit = block("systemd", "ini").replace("\\\n", " ");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let (program, arguments) = start.split_once(' ').unwrap();
    assert_accepted(arguments.split_whitespace());

    let folder = tempfile::tempdir().unwrap();
    let verify = |unit: &str| {
        let file = folder.path().join("oci-layout.service");
        // A minimal system has no `kill`, which the reload needs.
        let unit = unit.replace(program, PROGRAM).replace("/bin/kill", "/bin/true");
        fs::write(&file, unit).unwrap();
        tool("systemd-analyze").args(["verify", "--man=no"]).arg(file).output().unwrap()
    };
    let output = verify(&unit);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("oci-layout.service"), "{said}");
    let said = verify(&unit.replace("on-failure", "onfailure")).stderr;
    assert!(String::from_utf8(said).unwrap().contains("oci-layout.service"));
}

#[test]
fn the_deployment_has_arguments_of_the_program() {
    let manifest = block("Kubernetes", "yaml");
    let arguments = manifest.split("args:\n").nth(1).unwrap().split("ports:").next().unwrap();
    let arguments = arguments.lines().filter_map(|line| line.trim().strip_prefix("- "));
    assert_accepted(arguments);
}

fn the_module_for_nixos_starts_the_registry(nix: Nix) {
    let module = block("NixOS", "nix");
    fs::write(nix.folder().join("module.nix"), module).unwrap();
    let expression = r#"import ./module.nix {
      pkgs = {
        system = "a-system";
        nix = "/nix";
        git = "/git";
        coreutils = "/coreutils";
        formats.toml = _: { generate = _: value: value; };
      };
      oci-layout.packages.a-system.default = "/program";
    }"#;
    let mut evaluate = nix.in_place("nix-instantiate");
    evaluate.args(["--eval", "--strict", "--json", "--expr", expression]);
    let config: Value = serde_json::from_str(&run(evaluate.current_dir(nix.folder()))).unwrap();
    let service = &config["systemd"]["services"]["oci-layout"];
    let start = service["serviceConfig"]["ExecStart"].as_str().unwrap();
    let arguments = start.strip_prefix("/program/bin/oci-layout ").unwrap();
    assert_accepted(arguments.split(' '));

    // The settings are those of the unit.
    let unit = block("systemd", "ini");
    for (name, value) in service["serviceConfig"].as_object().unwrap() {
        let value = match value {
            Value::Bool(true) => "yes",
            value => value.as_str().unwrap(),
        };
        let line = format!("\n{name}={value}\n");
        assert!(name.starts_with("Exec") || unit.contains(&line), "{line}");
    }

    let images = &config["environment"]["etc"]["oci-layout/images.toml"]["source"];
    let file = nix.folder().join("images.json");
    fs::write(&file, images.to_string()).unwrap();
    let names = Names::new(NameOptions::default()).unwrap();
    let declared = DeclaredImages::open(Some(&file), names).unwrap();
    assert_eq!(declared.references(), ["curl-and-jq:v1"]);
    assert!(arguments.contains("--images /etc/oci-layout/images.toml"));
}
