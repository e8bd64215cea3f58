//! `closure-layers`.

use std::{fs, io::Write, process::Stdio};

use serde_json::json;

use crate::cli::room::Room;

const GRAPH: &str = r#"[
    { "path": "/nix/store/00000000000000000000000000000000-app", "narSize": 9000000,
      "references": ["/nix/store/11111111111111111111111111111111-libc"] },
    { "path": "/nix/store/11111111111111111111111111111111-libc", "narSize": 9000000, "references": [] }
]"#;

#[test]
fn closure_layers_prints_a_list_of_layers() {
    let room = Room::new();
    fs::write(room.path("graph.json"), GRAPH).unwrap();
    let (app, libc) = (
        "/nix/store/00000000000000000000000000000000-app",
        "/nix/store/11111111111111111111111111111111-libc",
    );
    for (options, expected) in [
        ("".to_owned(), json!([[libc], [app]])),
        (" --max-layers 1".to_owned(), json!([[app, libc]])),
        (format!(" --together {app},{libc}"), json!([[app, libc]])),
        (format!(" --alone {app} --max-layers 2"), json!([[libc], [app]])),
    ] {
        assert_eq!(
            room.ok(&format!("closure-layers graph.json{options}")),
            format!("{expected}\n")
        );
    }

    let mut command = room.command(["closure-layers", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(GRAPH.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", json!([[libc], [app]])));
}

#[test]
fn closure_layers_reports_errors() {
    let room = Room::new();
    fs::write(room.path("graph.json"), GRAPH).unwrap();
    fs::write(room.path("no-graph.json"), "{}").unwrap();
    for (args, sentence) in [
        (
            "no-graph.json",
            "reference graph: expected a list of paths, or an object whose member \"graph\" is \
             one: use the file that Nix writes for exportReferencesGraph in a derivation with \
             structured attributes",
        ),
        ("missing.json", "cannot read \"missing.json\": No such file or directory (os error 2)"),
        (
            "graph.json --max-layers 0",
            "at most 0 layers: a closure requires at least one: allow one",
        ),
        (
            "graph.json --alone /nix/store/none",
            "store path \"/nix/store/none\": it is not in the reference graph: correct it, or add \
             it to the roots of the graph",
        ),
    ] {
        room.fails(&format!("closure-layers {args}"), sentence);
    }
}
