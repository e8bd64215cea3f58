//! Wrong names, members and types stop the evaluation, before any build, with a sentence that
//! suggests what is right.

use std::process::Stdio;

use oci_layout::{ConfigOptions, Error, Inherit, LayerSpec, TarLayer, image_config};
use serde_json::{Value, json};

use crate::common::tool::run;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! {
    each_mistake_stops_the_evaluation, a_value_that_no_derivation_uses_is_not_evaluated,
    the_program_knows_the_same_members, an_image_is_cheap_to_evaluate,
}

/// Pairs of lines: a call, and the sentence about it.
const MISTAKES: &str = include_str!("mistakes.txt");

fn each_mistake_stops_the_evaluation(nix: Nix) {
    let mut wrong = Vec::new();
    let lines: Vec<_> = MISTAKES.lines().map(str::trim).collect();
    assert!(lines.len() > 100);
    for pair in lines.chunks(2) {
        let [call, sentence] = pair else { panic!("{pair:?} is not a pair") };
        let said = refused(&nix, call);
        let sentence = sentence.replace("{HERE}", &nix.folder().display().to_string());
        if !said.lines().any(|line| line.trim() == format!("error: oci-layout: {sentence}")) {
            wrong.push(format!("{call}: missing: {sentence}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Checks do not make arguments strict.
fn a_value_that_no_derivation_uses_is_not_evaluated(nix: Nix) {
    let unused = r#"(ociBuildImage { name = "a"; tag = "1"; perms = throw "used"; passthru.x = throw "used"; }).drvPath"#;
    assert!(run(&mut evaluation(&nix, unused)).contains("-image-a.drv"));
    let itself = r#"let image = ociBuildImage { name = "a"; tag = "1"; config.Labels.tag = image.imageTag; }; in image.drvPath"#;
    assert!(run(&mut evaluation(&nix, itself)).contains("-image-a.drv"));
}

/// Both sides have a list of these names.
fn the_program_knows_the_same_members(nix: Nix) {
    const UNKNOWN: &str = "quiteUnlikeAnyOther";
    let known = |result: oci_layout::Result<()>| match result {
        Err(Error::UnknownMember { mut known, .. }) => {
            known.sort();
            known
        }
        other => panic!("{other:?}"),
    };
    let of_image = |extra: Value| {
        known(image_config::<TarLayer>(&[], ConfigOptions::default().merge_json(extra)).map(|_| ()))
    };
    let of_layer = |spec: Value| known(LayerSpec::from_value(spec).map(|_| ()));
    let of_inherit = || {
        let error = serde_json::from_value::<Inherit>(json!({ UNKNOWN: true })).unwrap_err();
        let error = error.to_string().replace('`', "");
        let (_, names) = error.split_once("expected one of ").unwrap();
        let mut names: Vec<_> = names.split(", ").map(str::to_owned).collect();
        names.sort();
        names
    };
    for (call, of_program) in [
        ("ociImageConfig { layers = [ ]; extraConfig = M; }", of_image(json!({ UNKNOWN: 1 }))),
        (
            "ociImageConfig { layers = [ ]; extraConfig.config = M; }",
            of_image(json!({ "config": { UNKNOWN: 1 } })),
        ),
        (
            "ociImageConfig { layers = [ ]; extraConfig.config.Healthcheck = M; }",
            of_image(json!({ "config": { "Healthcheck": { UNKNOWN: 1 } } })),
        ),
        ("ociImageConfig { layers = [ ]; inheritConfig = M; }", of_inherit()),
        ("ociLayerTar { files = [ M ]; }", of_layer(json!({ "files": [{ UNKNOWN: 1 }] }))),
        ("ociLayerTar { perms = [ M ]; }", of_layer(json!({ "perms": [{ UNKNOWN: 1 }] }))),
        ("ociLayerTar { owner = M; }", of_layer(json!({ "owner": { UNKNOWN: 1 } }))),
    ] {
        let said = refused(&nix, &call.replace('M', &format!("{{ {UNKNOWN} = 1; }}")));
        let (_, names) = said.split_once("; expected one of ").unwrap_or_else(|| panic!("{said}"));
        let mut names: Vec<_> = names.lines().next().unwrap().split(", ").collect();
        names.sort();
        assert_eq!(names, of_program, "{call}");
    }
}

/// The evaluation of one package of nixpkgs takes about a hundred times as many calls.
fn an_image_is_cheap_to_evaluate(nix: Nix) {
    let calls = |images: u64| {
        let expression = format!(
            r#"map
                (number: (ociBuildImage {{
                    name = "image${{toString number}}";
                    copyToRoot = fakeNss;
                    files = [ {{ text = "x"; destination = "/x"; mode = "0600"; }} ];
                    perms = [ {{ glob = "etc/*"; mode = "0400"; }} ];
                    config = {{ Cmd = [ "${{fakeNss}}/bin/a" "b" ]; Env = [ "A=1" "B=2" ]; User = "1"; }};
                }}).drvPath)
                (builtins.genList (number: number) {images})"#
        );
        let mut command = evaluation(&nix, &expression);
        let output = command.arg("--strict").env("NIX_SHOW_STATS", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let statistics: Value = serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap();
        statistics["nrFunctionCalls"].as_u64().unwrap()
    };
    let of_one = (calls(11) - calls(1)) / 10;
    assert!((100..1000).contains(&of_one), "{of_one}");
}

/// An evaluation of an expression with all functions in scope. It can build nothing.
fn evaluation(nix: &Nix, expression: &str) -> std::process::Command {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/nix");
    let mut command = nix.in_place("nix-instantiate");
    command.current_dir(nix.folder()).args(["--eval", "--read-write-mode", "--expr"]).arg(format!(
        r#"with import {functions} {{ system = "x86_64-linux"; builder = "/builder"; }}; {expression}"#
    ));
    command
}

/// The error of evaluating the derivation.
#[track_caller]
fn refused(nix: &Nix, call: &str) -> String {
    let mut command = evaluation(nix, &format!("({call}).drvPath"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{call} was evaluated");
    said
}
