//! What the examples make is what they say.

use std::{fs, process::Command};

use crate::tool::{Containers, run};

#[test]
fn the_quickstart_runs_itself_in_a_container() {
    // Relative and in lower case: podman 4 makes a local name of the path, and refuses what no name can be.
    let out = "target/examples-out/quickstart-in-podman";
    let _ = fs::remove_dir_all(out);
    // With the features of the test itself, so that nothing is built twice.
    let args = ["run", "--quiet", "--all-features", "--example", "quickstart", "--", out];
    let said = run(Command::new(env!("CARGO")).args(args));
    let image = format!("oci:{out}:latest");
    assert!(said.contains(&format!("podman run --rm {image}\n")), "{said}");
    let said = Containers::new(env!("CARGO_MANIFEST_DIR")).podman(["run", "--rm", "--quiet", &image]);
    assert_eq!(said, "Hello from inside the image!\n");
}
