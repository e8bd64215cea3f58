//! Images on demand, as far as they need no Nix.

use std::fs;

use oci_layout::on_demand::IMAGE_CRD;

use super::room::Room;

#[test]
fn the_definition_for_kubernetes_is_printed() {
    assert_eq!(Room::new().ok("crd"), IMAGE_CRD);
}

#[test]
fn a_registry_does_not_start_with_broken_images() {
    let room = Room::new();
    for (name, text, expected) in [
        ("a.toml", "[[images]]\nname = 'x'\n", "\"a.toml\", images[0] (x): the member contents is"),
        ("a.yaml", "images:\n- name: [", "\"a.yaml\": not YAML: "),
        ("a.txt", "", "\"a.txt\": the language is not known"),
        ("folder/b.json", r#"{ "name": "a", "contents": ["b"], "tag": "c" }"#, "\"tag\""),
    ] {
        fs::create_dir_all(room.path("folder")).unwrap();
        fs::write(room.path(name), text).unwrap();
        let path = name.split('/').next().unwrap();
        let run = room.run(["serve", "--packages", "path:.", "--images", path]);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.starts_with("oci-layout: error: "), "{}", run.err);
        assert!(run.err.contains(expected), "{}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
    let run = room.run(["serve", "--packages", "path:.", "--images", "missing.yaml"]);
    assert!(run.err.starts_with("oci-layout: error: cannot read \"missing.yaml\""), "{}", run.err);
    let run = room.run(["serve", "--images", "a.toml", "image"]);
    assert!(run.code == Some(2) && run.err.contains("--packages"), "{}", run.err);
    room.fails(
        "serve --packages path:nothing",
        "path:nothing: does not exist: correct the path of the package set",
    );
    let run = room.run(["serve"]);
    let said = "oci-layout: error: nothing is served: give the folder of a layout, --packages \
                SOURCE or --config FILE\n";
    assert_eq!((run.code, &*run.err), (Some(2), said));
}
