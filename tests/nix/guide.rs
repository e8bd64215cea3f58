//! The examples of the documentation work as it says. Another module tests those for flake-parts.

use std::fs;

use crate::common::tool::{Registry, crane, run, tool};
use crate::nix::flake::Flakes;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! {
    the_image_of_the_readme_runs, all_examples_are_built, the_first_ten_lines_run_and_are_pushed, a_changed_line_is_copied_to_a_registry,
    the_flake_is_built,
}

/// The Nix blocks of a page.
pub fn examples(page: &str) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let examples: Vec<_> = text
        .split("```nix\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().into())
        .collect();
    assert!(!examples.is_empty(), "{page} has no examples");
    examples
}

/// The folder that the examples expect.
fn folder(nix: Nix) -> Flakes {
    let flakes = Flakes::new(nix);
    run(tool("cp").arg("-r").args([PROGRAMS.join("oci-layout"), flakes.folder("builder")]));
    fs::write(flakes.folder("nginx.conf"), "daemon off;\n").unwrap();
    fs::create_dir(flakes.folder("www")).unwrap();
    fs::write(flakes.folder("www/index.html"), "hello").unwrap();
    let mut alpine = tool(PROGRAMS.join("oci-layout/bin/oci-layout").to_str().unwrap());
    alpine
        .args(["build", "--tag", "alpine", "-f"])
        .arg(flakes.folder("www"))
        .arg("-o")
        .arg(flakes.folder("alpine"));
    let digest = run(&mut alpine).trim().replace(':', "/");
    fs::copy(flakes.folder("alpine/blobs").join(digest), flakes.folder("alpine.json")).unwrap();
    run(tool("tar").arg("-cf").args([
        flakes.folder("root.tar"),
        "-C".into(),
        flakes.folder("www"),
        ".".into(),
    ]));
    flakes
}

fn all_examples_are_built(nix: Nix) {
    let flakes = folder(nix);
    let (mut evaluated, mut built) = (Vec::new(), Vec::new());
    for (page, scope) in [
        ("README.md", "{ oci, pkgs }:"),
        ("docs/nix.md", "{ oci, pkgs }:"),
        ("docs/checks.md", "{ oci, pkgs }:"),
        ("docs/nix-migration.md", "{ oci, pkgs }:"),
        ("docs/deployment.md", "{ oci, pkgs }:"),
        ("docs/nix-reference.md", "{ oci, pkgs, things }: with pkgs; with oci; with things;"),
    ] {
        for (number, example) in examples(page).into_iter().enumerate() {
            // A complete file starts with its name.
            let scope = match example.lines().next() {
                Some("# flake.nix") => continue,
                Some("# image.nix") => "",
                _ => scope,
            };
            let name = format!(
                "{}-{}",
                page.trim_start_matches("docs/").trim_end_matches(".md"),
                number + 1
            );
            fs::write(flakes.folder(&format!("{name}.nix")), format!("{scope}\n{example}\n"))
                .unwrap();
            let name = format!("{name:?}");
            // There is no network.
            if !example.contains("ociPullImage") {
                built.push(name.clone());
            }
            evaluated.push(name);
        }
    }
    assert!(built.len() < evaluated.len());
    let guide = concat!("import ", env!("CARGO_MANIFEST_DIR"), "/tests/nix/guide.nix");
    let guide = |names: &[String]| {
        format!("{guide} {{ folder = dirOf nixpkgs; names = [ {} ]; }}", names.join(" "))
    };
    run(&mut flakes.on_expression("nix-instantiate", &guide(&evaluated)));
    run(flakes.on_expression("nix-build", &guide(&built)).args(["--no-out-link", "--quiet"]));
}

/// In a folder with the checkout and nothing else, and without flakes.
fn the_image_of_the_readme_runs(nix: Nix) {
    let flakes = Flakes::new(nix);
    fs::write(flakes.folder("image.nix"), &examples("README.md")[0]).unwrap();
    let nixpkgs = format!("nixpkgs={}", flakes.folder("nixpkgs").display());
    let mut build = flakes.nix.in_place("nix-build");
    run(build.arg("image.nix").env("NIX_PATH", nixpkgs).current_dir(flakes.folder("")));
    let said = crate::nix::images::podman(&Layout(flakes.folder("result")), "");
    assert!(said.ends_with("-hello-1.0/bin/hello\n"), "{said}");
}

fn the_first_ten_lines_run_and_are_pushed(nix: Nix) {
    let flakes = folder(nix);
    fs::write(flakes.folder("image.nix"), &examples("docs/nix.md")[0]).unwrap();
    run(flakes.on_expression("nix-build", "import ./image.nix").current_dir(flakes.folder("")));
    let layout = Layout(flakes.folder("result"));
    assert_eq!(
        crate::nix::images::podman(&layout, ""),
        concat!("oci-layout ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let registry = Registry::start();
    let there = format!("{}/first:1.0", registry.address);
    crane(["push", "--insecure", layout.path().to_str().unwrap(), &there]);
    assert_eq!(crane(["digest", "--insecure", &there]).trim(), layout.image(None).digest);
}

fn a_changed_line_is_copied_to_a_registry(nix: Nix) {
    let flakes = folder(nix);
    let example = examples("docs/nix.md")
        .into_iter()
        .find(|example| example.contains("  lazy = true;"))
        .unwrap();
    let registry = Registry::start();
    let there = format!("{}/me/hello:1.0", registry.address);
    for text in [example.clone(), example.replace("one line", "another")] {
        fs::write(flakes.folder("image.nix"), text).unwrap();
        let mut nix = flakes.nix.in_place("nix");
        nix.args(["run", "--file", "image.nix", "copyToRegistry", "--", &there])
            .current_dir(flakes.folder(""));
        let said =
            run(nix.env("NIX_PATH", format!("nixpkgs={}", flakes.folder("nixpkgs").display())));
        let digest = crane(["digest", "--insecure", &there]);
        assert_eq!(said, format!("{}/me/hello@{digest}", registry.address));
    }
    let tar = flakes.folder("tar");
    crane(["export", "--insecure", &there, tar.to_str().unwrap()]);
    assert_eq!(run(tool("tar").arg("-xOf").arg(tar).arg("etc/motd")), "another\n");
}

fn the_flake_is_built(nix: Nix) {
    let flakes = folder(nix);
    let flake = examples("docs/nix.md")
        .into_iter()
        .find(|example| example.starts_with("# flake.nix\n"))
        .unwrap();
    fs::create_dir(flakes.folder("app")).unwrap();
    fs::write(flakes.folder("app/flake.nix"), flake).unwrap();
    let layout =
        flakes.build(flakes.nix(&["build"], "app", &["nixpkgs=nixpkgs", "oci-layout=oci-layout"]));
    assert_eq!(Layout::checked(layout).tags(), ["1.0"]);
}
