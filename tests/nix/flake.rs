//! The flake, its template and the file for people without flakes, with a stand-in for nixpkgs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::tool::{run, tool};
use crate::nix::images::podman;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! {
    flakes_are_checked_built_and_run,
    a_document_is_no_reason_to_build_the_program_again,
    all_systems_evaluate,
    the_template_makes_an_image_and_inherits_nothing,
    without_flakes,
    images_of_cross_compiled_packages_are_made_by_a_program_that_runs_here,
    the_overlay_builds_with_the_packages_that_it_is_laid_over,
    verification_fails_for_what_is_not_sound,
}

/// What a checkout has of the flake, and the stand-in, as folders of their own.
pub struct Flakes {
    pub nix: Nix,
}

impl Flakes {
    pub fn new(nix: Nix) -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flakes = Self { nix };
        let copy = |from: PathBuf, to: PathBuf| run(tool("cp").args(["-r", "--no-preserve=mode"]).args([from, to]));
        let ours = flakes.folder("oci-layout");
        fs::create_dir(&ours).unwrap();
        for name in ["Cargo.lock", "Cargo.toml", "default.nix", "flake.lock", "flake.nix", "nix", "src", "templates"] {
            copy(package.join(name), ours.join(name));
        }
        copy(package.join("tests/nix/nixpkgs"), flakes.folder("nixpkgs"));
        run(tool("cp").arg("-r").args([&PROGRAMS, &flakes.folder("nixpkgs/programs")]));
        flakes
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.nix.folder().join(name)
    }

    pub fn url(&self, name: &str) -> String {
        format!("path:{}", self.folder(name).display())
    }

    /// `nix COMMAND FLAKE#OUTPUT`, with inputs of the flake (`input=folder`) taken from here.
    pub fn nix(&self, command: &[&str], flake: &str, inputs: &[&str]) -> Command {
        let (folder, output) = flake.split_once('#').unwrap_or((flake, ""));
        let mut nix = self.nix.in_place("nix");
        nix.args(command).arg(format!("{}#{output}", self.url(folder)).trim_end_matches('#'));
        for input in inputs {
            let (input, folder) = input.split_once('=').unwrap();
            nix.args(["--override-input", input, &self.url(folder)]);
        }
        nix.arg("--no-write-lock-file");
        nix
    }

    /// As [`nix`](Self::nix), of our flake.
    fn ours(&self, command: &[&str], output: &str) -> Command {
        self.nix(command, &format!("oci-layout#{output}"), &["nixpkgs=nixpkgs"])
    }

    #[track_caller]
    pub fn derivation(&self, output: &str) -> String {
        run(&mut self.ours(&["eval", "--raw"], &format!("{output}.drvPath")))
    }

    /// Builds it, and returns where it is.
    #[track_caller]
    pub fn build(&self, mut command: Command) -> PathBuf {
        let link = self.folder("result");
        run(command.arg("--out-link").arg(&link));
        let path = fs::read_link(&link).unwrap();
        fs::remove_file(link).unwrap();
        path
    }

    /// `nix-build`, or another program of its kind, on an expression that knows `nixpkgs` and `oci-layout`, as folders.
    pub fn on_expression(&self, program: &str, expression: &str) -> Command {
        let mut command = self.nix.in_place(program);
        let folder = self.nix.folder().display();
        command.args([
            "--expr",
            &format!("let nixpkgs = {folder}/nixpkgs; oci-layout = {folder}/oci-layout; in {expression}"),
        ]);
        command
    }

    #[track_caller]
    fn evaluate(&self, expression: &str) -> String {
        let json = run(self.on_expression("nix-instantiate", expression).args(["--eval", "--strict", "--json"]));
        serde_json::from_str(&json).unwrap()
    }
}

fn flakes_are_checked_built_and_run(nix: Nix) {
    let flakes = Flakes::new(nix);
    run(&mut flakes.ours(&["flake", "check"], ""));
    let package = flakes.build(flakes.ours(&["build"], ""));
    let program = package.join("bin/oci-layout");
    let version = concat!("oci-layout ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(Command::new(program).arg("--version")), version);
    assert_eq!(run(flakes.ours(&["run"], "").args(["--", "--version"])), version);
    for (file, start) in [
        ("completions/--bash", "_oci__"),
        ("completions/--fish", "# Print an optspec"),
        ("completions/--zsh", "#compdef oci-layout"),
        ("man/man1/oci-layout-build.1", ".ie "),
    ] {
        let text = fs::read_to_string(package.join("share").join(file)).unwrap();
        assert!(text.starts_with(start), "{file}: {text}");
    }
}

fn a_document_is_no_reason_to_build_the_program_again(nix: Nix) {
    let flakes = Flakes::new(nix);
    let append = |file: &str| {
        let file = flakes.folder("oci-layout").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, before + "\n").unwrap();
    };
    let before = flakes.derivation("oci-layout");
    for file in ["README.md", "docs/nix.md", "tests/run", "nix/ociLayerTar.nix", "flake.nix"] {
        append(file);
        assert_eq!(flakes.derivation("oci-layout"), before, "{file}");
    }
    for file in ["src/lib.rs", "src/nix/layers.rs", "Cargo.toml", "Cargo.lock"] {
        let before = flakes.derivation("oci-layout");
        append(file);
        assert_ne!(flakes.derivation("oci-layout"), before, "{file}");
    }
}

/// What can't be built here: by real nixpkgs, and for other processors and Darwin.
fn all_systems_evaluate(nix: Nix) {
    let flakes = Flakes::new(nix);
    for system in ["x86_64-linux", "aarch64-linux", "aarch64-darwin"] {
        for output in [format!("packages.{system}.oci-layout"), format!("checks.{system}.image")] {
            assert!(flakes.derivation(&output).ends_with(".drv"), "{output}");
        }
        let is_static = run(&mut flakes.ours(&["eval"], &format!("packages.{system}.oci-layout.isStatic")));
        assert_eq!(is_static.trim(), (system != "aarch64-darwin").to_string(), "{system}");
    }
}

fn the_template_makes_an_image_and_inherits_nothing(nix: Nix) {
    let flakes = Flakes::new(nix);
    // Our own input is left empty: a consumer's packages are all that is used.
    fs::create_dir(flakes.folder("empty")).unwrap();
    fs::write(flakes.folder("empty/flake.nix"), "{ outputs = _: { legacyPackages = { }; }; }").unwrap();
    fs::create_dir(flakes.folder("app")).unwrap();
    // It asks no network, since our lock file says what it does not need.
    let template = format!("{}#default", flakes.url("oci-layout"));
    run(flakes.nix.in_place("nix").args(["flake", "init", "--template", &template]).current_dir(flakes.folder("app")));

    let inputs = ["nixpkgs=nixpkgs", "oci-layout=oci-layout", "oci-layout/nixpkgs=empty"];
    let layout = Layout::checked(flakes.build(flakes.nix(&["build"], "app", &inputs)));
    assert_eq!(layout.tags(), ["latest"]);
    let link = flakes.folder("result-of-template");
    std::os::unix::fs::symlink(layout.path(), &link).unwrap();
    assert!(podman(&Layout(link), ":latest").ends_with("/bin/hello\n"));
}

fn without_flakes(nix: Nix) {
    let flakes = Flakes::new(nix);
    let mut build = flakes.nix.in_place("nix-build");
    build.arg(flakes.folder("oci-layout")).args(["--attr", "oci-layout", "-I"]);
    build.arg(format!("nixpkgs={}", flakes.folder("nixpkgs").display()));
    assert!(flakes.build(build).join("bin/oci-layout").is_file());

    let image = r#"with import oci-layout { pkgs = import nixpkgs { }; };
        ociBuildImage { name = "a"; tag = "b"; copyToRoot = [ binSh usrBinEnv caCertificates fakeNss ]; }"#;
    let layout = Layout::checked(flakes.build(flakes.on_expression("nix-build", image)));
    let customisation = layout.image(Some("b")).listings().pop().unwrap();
    for file in ["bin/sh", "etc/passwd", "etc/ssl/certs/ca-bundle.crt", "usr/bin/env"] {
        assert!(customisation.iter().any(|line| line.contains(&format!(" {file}"))), "{file}: {customisation:?}");
    }
}

fn images_of_cross_compiled_packages_are_made_by_a_program_that_runs_here(nix: Nix) {
    let flakes = Flakes::new(nix);
    let with = |expression: &str| {
        format!(
            r#"let pkgs = import nixpkgs {{ system = "x86_64-linux"; crossSystem = "aarch64-linux"; }};
                image = (import oci-layout {{ inherit pkgs; }}).ociBuildImage {{ name = "a"; config.Cmd = [ pkgs.hello.name ]; }};
            in {expression}"#
        )
    };
    let here = r#"(import nixpkgs { system = "x86_64-linux"; }).callPackage (oci-layout + "/nix/package.nix") { }"#;
    let builder = flakes.evaluate(&format!("\"${{{here}}}/bin/oci-layout\""));
    assert_eq!(flakes.evaluate(&with("image.builder")), builder);
    assert_eq!(flakes.evaluate(&with("image.system")), "x86_64-linux");
    assert_eq!(flakes.evaluate(&with("image.manifest.platform.architecture")), "arm64");
}

fn the_overlay_builds_with_the_packages_that_it_is_laid_over(nix: Nix) {
    let flakes = Flakes::new(nix);
    let with = |overlays: &str, expression: &str| {
        let overlay = r#"(import (oci-layout + "/nix/overlay.nix"))"#;
        format!("let pkgs = import nixpkgs {{ overlays = [ {overlay} {overlays} ]; }}; in {expression}")
    };
    let image = r#"(pkgs.ociLib.ociBuildImage { name = "a"; config.Cmd = [ "${pkgs.hello}/bin/hello" ]; })"#;
    let layout = flakes.build(flakes.on_expression("nix-build", &with("", image)));
    Layout::checked(layout);
    let program = flakes.evaluate(&with("", r#""${pkgs.oci-layout}/bin/oci-layout""#));
    assert_eq!(flakes.evaluate(&with("", &format!("{image}.builder"))), program);
    // Who has a program of another making lays it over this.
    let other = r#"(_: _: { oci-layout = "/other"; })"#;
    assert_eq!(flakes.evaluate(&with(other, &format!("{image}.builder"))), "/other/bin/oci-layout");
}

fn verification_fails_for_what_is_not_sound(nix: Nix) {
    let flakes = Flakes::new(nix);
    let mut build = flakes.on_expression(
        "nix-build",
        "with import oci-layout { pkgs = import nixpkgs { }; }; ociVerify { layout = nixpkgs; }",
    );
    let output = build.arg("--no-out-link").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("-nixpkgs\" is not sound: "), "{said}");
}
