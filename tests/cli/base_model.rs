//! Layers above random bases: the program against a model in Python.

use std::{path::Path, process::Command};

/// Some of the cases of `tests/base_model/run.py`. CONTRIBUTING.md has the command for many.
#[test]
fn layers_change_their_base_as_the_model_says() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/base_model/run.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_oci-layout"))
        .args(["--seed", "1", "--count", "150"])
        .output()
        .expect("tests/run installs python3");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
}
