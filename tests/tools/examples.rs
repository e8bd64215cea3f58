//! The examples make what they describe.

use std::process::Command;

use crate::common::tool::{Containers, run};

#[test]
fn the_quickstart_runs_itself_in_a_container() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("image");
    // With the features of the test itself, so that nothing is built twice.
    let mut quickstart = Command::new(env!("CARGO"));
    quickstart
        .args(["run", "--quiet", "--all-features", "--example", "quickstart", "--"])
        .arg(&out);
    let said = run(&mut quickstart);
    assert!(said.contains(&format!("podman run --rm oci:{}:latest\n", out.display())), "{said}");
    let said = Containers::new(dir.path()).podman(["run", "--rm", "--quiet", "oci:image:latest"]);
    assert_eq!(said, "Hello from inside the image!\n");
}
