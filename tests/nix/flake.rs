//! The flake, the flake of the checks, the templates and the file for users without flakes, with a
//! stand-in for nixpkgs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::tool::{run, tool};
use crate::nix::guide;
use crate::nix::images::podman;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! {
    flakes_are_checked_built_and_run,
    a_document_is_no_reason_to_build_the_program_again,
    all_systems_evaluate,
    the_program_needs_no_static_compiler,
    the_template_makes_an_image_and_inherits_nothing,
    templates_and_documented_flakes_can_be_locked,
    without_flakes,
    images_of_cross_compiled_packages_are_made_by_a_program_that_runs_here,
    the_overlay_builds_with_the_packages_that_it_is_laid_over,
    verification_fails_for_what_is_not_sound,
}

/// The flake's files of a checkout, and the stand-in, in separate folders.
pub struct Flakes {
    pub nix: Nix,
}

impl Flakes {
    pub fn new(nix: Nix) -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flakes = Self { nix };
        let copy = |from: PathBuf, to: PathBuf| {
            run(tool("cp").args(["-r", "--no-preserve=mode"]).args([from, to]))
        };
        let ours = flakes.folder("oci-layout");
        fs::create_dir(&ours).unwrap();
        fs::create_dir(ours.join("tests")).unwrap();
        for name in [
            "Cargo.lock",
            "Cargo.toml",
            "default.nix",
            "flake.nix",
            "nix",
            "src",
            "templates",
            "tests/flake",
        ] {
            copy(package.join(name), ours.join(name));
        }
        copy(package.join("tests/nix/nixpkgs"), flakes.folder("nixpkgs"));
        run(tool("cp").arg("-r").args([&PROGRAMS, &flakes.folder("nixpkgs/programs")]));
        flakes
    }

    /// The same, with the stand-in in place of the nixpkgs that the flake of the checks locks.
    fn with_own_packages(nix: Nix) -> Self {
        let flakes = Self::new(nix);
        let metadata = run(&mut flakes.nix(&["flake", "metadata", "--json"], "nixpkgs", &[]));
        let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
        // Newer versions of Nix print more than a lock file contains.
        metadata["locked"].as_object_mut().unwrap().remove("__final");
        let lock = flakes.folder("oci-layout/tests/flake/flake.lock");
        let mut locked: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
        locked["nodes"]["nixpkgs"]["locked"] = metadata["locked"].clone();
        fs::write(lock, locked.to_string()).unwrap();
        flakes.commit();
        flakes
    }

    /// Makes the checkout a Git repository, as a clone is.
    fn commit(&self) {
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "--all"],
            &["commit", "--quiet", "--message", "all"],
        ] {
            let mut git = tool("git");
            git.args(["-c", "user.name=test", "-c", "user.email=test@example.org"]).args(arguments);
            run(git.env("HOME", self.nix.folder()).current_dir(self.folder("oci-layout")));
        }
    }

    /// The URL of the checkout, as the documentation and the templates write it.
    fn git_url(&self) -> String {
        format!("git+file://{}", self.folder("oci-layout").display())
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.nix.folder().join(name)
    }

    pub fn url(&self, name: &str) -> String {
        format!("path:{}", self.folder(name).display())
    }

    /// `nix COMMAND FLAKE#OUTPUT`, with inputs of the flake (`input=folder`) from this machine.
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
        self.nix(command, &format!("oci-layout#{output}"), &[])
    }

    /// Like [`ours`](Self::ours), for the flake of the checks, which reads files of the whole
    /// checkout.
    fn checks(&self, command: &[&str], output: &str) -> Command {
        let mut nix = self.nix.in_place("nix");
        let flake = format!("{}?dir=tests/flake#{output}", self.git_url());
        nix.args(command).arg(flake.trim_end_matches('#')).arg("--no-write-lock-file");
        nix
    }

    #[track_caller]
    pub fn derivation(&self, output: &str) -> String {
        let output = format!("{output}.drvPath");
        let flake = if output.starts_with("checks.") { Self::checks } else { Self::ours };
        run(&mut flake(self, &["eval", "--raw"], &output))
    }

    /// Builds it, and returns the path of its output.
    #[track_caller]
    pub fn build(&self, mut command: Command) -> PathBuf {
        let link = self.folder("result");
        run(command.arg("--out-link").arg(&link));
        let path = fs::read_link(&link).unwrap();
        fs::remove_file(link).unwrap();
        path
    }

    /// `nix-build`, or a similar program, on an expression that knows the folders `nixpkgs` and
    /// `oci-layout`.
    pub fn on_expression(&self, program: &str, expression: &str) -> Command {
        let mut command = self.nix.in_place(program);
        let folder = self.nix.folder().display();
        command.args([
            "--expr",
            &format!(
                "let nixpkgs = {folder}/nixpkgs; oci-layout = {folder}/oci-layout; in {expression}"
            ),
        ]);
        command
    }

    #[track_caller]
    fn evaluate(&self, expression: &str) -> String {
        let json = run(self
            .on_expression("nix-instantiate", expression)
            .args(["--eval", "--strict", "--json"]));
        serde_json::from_str(&json).unwrap()
    }
}

fn flakes_are_checked_built_and_run(nix: Nix) {
    let flakes = Flakes::with_own_packages(nix);
    run(&mut flakes.ours(&["flake", "check"], ""));
    run(&mut flakes.checks(&["flake", "check"], ""));
    let package = flakes.build(flakes.ours(&["build"], ""));
    let program = package.join("bin/oci-layout");
    let version = concat!("oci-layout ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(Command::new(program).arg("--version")), version);
    assert_eq!(run(flakes.ours(&["run"], "").args(["--", "--version"])), version);
    let image = flakes.build(flakes.ours(&["build"], "images.example"));
    assert_eq!(Layout::checked(image).tags(), ["latest"]);
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
    let flakes = Flakes::with_own_packages(nix);
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

/// Outputs that cannot be built here: with real nixpkgs, and for other processors and Darwin.
fn all_systems_evaluate(nix: Nix) {
    let flakes = Flakes::with_own_packages(nix);
    for system in ["x86_64-linux", "aarch64-linux", "aarch64-darwin"] {
        for output in [
            format!("packages.{system}.oci-layout"),
            format!("devShells.{system}.default"),
            format!("formatter.{system}"),
            format!("checks.{system}.image"),
        ] {
            assert!(flakes.derivation(&output).ends_with(".drv"), "{output}");
        }
        let is_static =
            run(&mut flakes.ours(&["eval"], &format!("packages.{system}.oci-layout.isStatic")));
        assert_eq!(is_static.trim(), (system != "aarch64-darwin").to_string(), "{system}");
    }
}

/// The static compiler of a package set may be broken or missing.
fn the_program_needs_no_static_compiler(nix: Nix) {
    let flakes = Flakes::new(nix);
    let with = |package: &str| {
        format!(
            r#"let
                pkgs = import nixpkgs {{
                  system = "x86_64-linux";
                  overlays = [ (_: _: {{ pkgsStatic.rustPlatform = throw "broken"; }}) ];
                }};
                file = oci-layout + "/nix/package.nix";
                builder = {package};
                oci = import oci-layout {{ inherit builder pkgs; }};
                image = oci.ociBuildImage {{ name = "a"; tag = "b"; copyToRoot = [ oci.fakeNss ]; }};
            in "${{if builder.isStatic then "static" else "dynamic"}} ${{image}}""#
        )
    };
    let without = "import file (removeAttrs (builtins.intersectAttrs (builtins.functionArgs \
                   (import file)) pkgs) [ \"pkgsStatic\" ])";
    for package in ["pkgs.callPackage file { static = false; }", without] {
        let image = flakes.evaluate(&with(package));
        assert!(image.starts_with("dynamic /") && image.ends_with("-image-a"), "{image}");
    }
    let mut default = flakes.on_expression("nix-instantiate", &with("pkgs.callPackage file { }"));
    let output = default.args(["--eval", "--strict"]).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken"), "{output:?}");
}

fn the_template_makes_an_image_and_inherits_nothing(nix: Nix) {
    // The nixpkgs of our own packages is out of reach: the image uses only the consumer's packages.
    let flakes = Flakes::new(nix);
    fs::create_dir(flakes.folder("app")).unwrap();
    let template = format!("{}#default", flakes.url("oci-layout"));
    run(flakes
        .nix
        .in_place("nix")
        .args(["flake", "init", "--template", &template])
        .current_dir(flakes.folder("app")));

    let inputs = ["nixpkgs=nixpkgs", "oci-layout=oci-layout"];
    let layout = Layout::checked(flakes.build(flakes.nix(&["build"], "app", &inputs)));
    assert_eq!(layout.tags(), ["latest"]);
    let link = flakes.folder("result-of-template");
    std::os::unix::fs::symlink(layout.path(), &link).unwrap();
    assert!(podman(&Layout(link), ":latest").ends_with("/bin/hello\n"));
}

/// From 2.26 on, Nix reads no registry of the user or the system when it locks a flake.
fn templates_and_documented_flakes_can_be_locked(nix: Nix) {
    let flakes = Flakes::new(nix);
    flakes.commit();
    fs::create_dir_all(flakes.folder("flake-parts")).unwrap();
    fs::write(
        flakes.folder("flake-parts/flake.nix"),
        "{ inputs.nixpkgs-lib.url = \"path:/none\"; outputs = _: { }; }",
    )
    .unwrap();
    fs::create_dir(flakes.folder("app")).unwrap();

    let read = |file: &str| fs::read_to_string(flakes.folder("oci-layout").join(file)).unwrap();
    let mut sources =
        vec![read("templates/default/flake.nix"), read("templates/flake-parts/flake.nix")];
    sources.extend(
        guide::examples("docs/nix.md")
            .into_iter()
            .filter(|example| example.starts_with("# flake.nix\n")),
    );
    assert_eq!(sources.len(), 4);
    for source in sources {
        let file = flakes.folder("app/flake.nix");
        let placeholder = "git+file:///path/to/oci-layout";
        assert!(source.contains(placeholder), "{source}");
        fs::write(&file, source.replace(placeholder, &flakes.git_url())).unwrap();
        // The only change: the stand-in replaces the input from the network.
        let mut lock = flakes.nix.in_place("nix");
        lock.args([
            "flake",
            "lock",
            &flakes.url("app"),
            "--override-input",
            "nixpkgs",
            &flakes.url("nixpkgs"),
        ]);
        if source.contains("flake-parts") {
            lock.args(["--override-input", "flake-parts", &flakes.url("flake-parts")]);
        }
        run(&mut lock);

        let lock = flakes.folder("app/flake.lock");
        let locked: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
        let nodes: BTreeSet<_> =
            locked["nodes"].as_object().unwrap().keys().map(String::as_str).collect();
        let given = ["flake-parts", "nixpkgs", "oci-layout", "root"];
        assert!(nodes.is_subset(&given.into()) && nodes.contains("oci-layout"), "{locked}");
        // Consumers inherit no inputs.
        assert_eq!(locked["nodes"]["oci-layout"].get("inputs"), None, "{locked}");
        assert_eq!(locked["nodes"]["oci-layout"]["locked"]["type"], json!("git"));
        fs::remove_file(lock).unwrap();
    }
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
        assert!(
            customisation.iter().any(|line| line.contains(&format!(" {file}"))),
            "{file}: {customisation:?}"
        );
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
        format!(
            "let pkgs = import nixpkgs {{ overlays = [ {overlay} {overlays} ]; }}; in {expression}"
        )
    };
    let image = r#"(pkgs.ociLib.ociBuildImage { name = "a"; config.Cmd = [ "${pkgs.hello}/bin/hello" ]; })"#;
    let layout = flakes.build(flakes.on_expression("nix-build", &with("", image)));
    Layout::checked(layout);
    let program = flakes.evaluate(&with("", r#""${pkgs.oci-layout}/bin/oci-layout""#));
    assert_eq!(flakes.evaluate(&with("", &format!("{image}.builder"))), program);
    // A consumer with another build of the program adds it in an overlay.
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
