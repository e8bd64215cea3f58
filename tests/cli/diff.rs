//! `diff`.

use std::fs;

use serde_json::Value;

use crate::cli::room::Room;

#[test]
fn diff_prints_what_differs_and_exits_as_diff_does() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag v1 -o old");
    fs::write(room.path("app"), "new").unwrap();
    room.ok("build -f app:/bin/app --env A=1 --tag v1 -o new");
    let run = room.run(["diff", "old", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines.len(), 3, "{run:?}");
    assert_eq!(lines[0], r#"configuration config.Env: none -> ["A=1"]"#);
    assert!(lines[1].starts_with("layer 0: sha256:"), "{run:?}");
    assert_eq!(lines[2], "changed /bin/app: size 19 -> 3, contents");
    let run = room.run(["diff", "--json", "old", "new"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["files"][0]["path"], "/bin/app");
    assert_eq!(found["files"][0]["change"], "changed");
    assert_eq!(found["files"][0]["fields"][0]["field"], "size");
    assert_eq!(found["layers"][0]["new"]["number"], 0);
    let run = room.run(["diff", "old", "old:v1"]);
    assert_eq!((run.code, &*run.out), (Some(0), ""), "{run:?}");
    let run = room.run(["diff", "old", "absent"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.starts_with("oci-layout: error: \"absent\" does not exist"), "{run:?}");
}
