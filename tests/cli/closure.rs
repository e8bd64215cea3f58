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

#[test]
fn plan_layers_writes_a_plan_that_closure_layers_follows() {
    let room = Room::new();
    fs::write(room.path("graph.json"), GRAPH).unwrap();
    fs::write(room.path("pulls.txt"), "  7 graph\ngraph.json\n").unwrap();
    let printed = room.ok("plan-layers graph.json");
    assert_eq!(room.ok("plan-layers graph.json --log pulls.txt -o plan.json"), "");
    assert_eq!(fs::read_to_string(room.path("plan.json")).unwrap(), printed);
    room.fails(
        "plan-layers graph.json -o /dev/full",
        "cannot write \"/dev/full\": No space left on device (os error 28)",
    );
    let plan: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(plan["version"], 1);
    let layers = room.ok("closure-layers --plan plan.json graph.json");
    assert_eq!(layers, room.ok("closure-layers graph.json"));

    // The hash is no part of a name.
    let other =
        GRAPH.replace("00000000000000000000000000000000-app", &format!("{}-app", "2".repeat(32)));
    fs::write(room.path("other.json"), other).unwrap();
    let joined = json!({ "version": 1, "groups": [{ "names": ["app", "libc"] }] });
    fs::write(room.path("joined.json"), joined.to_string()).unwrap();
    let layers: Vec<Vec<String>> =
        serde_json::from_str(&room.ok("closure-layers --plan joined.json other.json")).unwrap();
    assert_eq!(layers.len(), 1);

    fs::write(room.path("log.txt"), "many graph\n").unwrap();
    for (args, sentence) in [
        (
            "plan-layers graph.json --log log.txt",
            "log of pulls, line \"many graph\": expected a number of pulls and a name, as \"uniq -c\" \
             prints, or a name",
        ),
        (
            "plan-layers graph.json -o missing/plan.json",
            "cannot write \"missing/plan.json\": No such file or directory (os error 2)",
        ),
        (
            "closure-layers --plan graph.json graph.json",
            "plan of layers: invalid type: map, expected u64: use a file that \"oci-layout \
             plan-layers\" wrote",
        ),
    ] {
        room.fails(args, sentence);
    }
}
