//! The program's `login`, `logout` and `--authfile`: credentials in files and in credential helpers.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use oci_layout::Image;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::client::{fake::Registry, image};

/// A registry that accepts only the user `me` with the password `secret`.
fn registry() -> Registry {
    let registry = Registry::with(&Image::from(image("linux/amd64")));
    registry.lock("Basic bWU6c2VjcmV0", "Basic realm=\"x\"");
    registry
}

/// Runs the program with this input. Returns whether it succeeded, and what it said.
fn run(dir: &Path, args: &str, input: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command.args(args.split(' ')).current_dir(dir).env_clear().env("DOCKER_CONFIG", dir);
    command.env("PATH", format!("{}:/usr/bin:/bin", dir.display()));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A credential helper that keeps one login in a file.
const HELPER: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit
case $1 in
store) cat > stored ;;
get) cat > asked; cat stored 2> /dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
erase) cat > asked; rm stored ;;
esac
"#;

/// A folder with the helper `it` and a configuration of docker.
fn home(helper: &str, config: &Value) -> TempDir {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("docker-credential-it");
    fs::write(&path, helper).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

/// As docker does: the helper has the password, and the file an empty entry.
#[test]
fn a_helper_stores_a_login() {
    let registry = registry();
    let address = &registry.address;
    let old = json!({ "auth": "bWU6b2xk" });
    for config in [
        json!({ "credsStore": "it", "x": 1 }),
        json!({ "credsStore": "other", "credHelpers": { (address): "it" }, "auths": { (address): old } }),
    ] {
        let home = home(HELPER, &config);
        let file = |name: &str| home.path().join(name);
        let login = format!("login {address} -u me --password-stdin");
        let (is_in, said) = run(home.path(), &login, "secret\n");
        let expected = format!("logged in to {address} as me; stored in docker-credential-it\n");
        assert_eq!((is_in, &*said), (true, &*expected));
        let stored = json!({ "ServerURL": address, "Username": "me", "Secret": "secret" });
        assert_eq!(read(file("stored")), stored);
        let mut expected = config.clone();
        expected["auths"] = json!({ (address): {} });
        assert_eq!(read(file("config.json")), expected);

        let (is_in, said) = run(home.path(), &format!("digest docker://{address}/a/b:v1"), "");
        assert!(is_in && said.starts_with("sha256:"), "{said}");

        let (is_out, said) = run(home.path(), &format!("logout {address}"), "");
        let expected = format!("logged out of {address}; removed from docker-credential-it\n");
        assert_eq!((is_out, &*said), (true, &*expected));
        assert_eq!(fs::read_to_string(file("asked")).unwrap(), *address);
        assert!(!file("stored").exists());
        assert_eq!(read(file("config.json"))["auths"], json!({}));
        let (is_out, said) = run(home.path(), &format!("logout {address}"), "");
        assert!(!is_out && said.contains("no login is stored in"), "{said}");
    }
}

#[test]
fn a_helper_that_fails_changes_nothing() {
    let registry = registry();
    let address = &registry.address;
    let failed = "the credential helper docker-credential-it failed to store the credentials";
    for (name, helper, said) in [
        ("it", "echo 'pass not initialized' >&2; exit 1", format!("{failed}: pass not initialized")),
        ("it", "cat; exit 1", format!("{failed}, without a reason")),
        (
            "none",
            "",
            "the credential helper docker-credential-none is not on PATH: install it, or remove it \
             from the file"
                .to_owned(),
        ),
    ] {
        let config = json!({ "credsStore": name });
        let home = home(&format!("#!/bin/sh\n{helper}\n"), &config);
        let login = format!("login {address} -u me --password-stdin");
        let file = home.path().join("config.json");
        let said = format!("oci-layout: error: credentials in {file:?}: {said}\n");
        assert_eq!(run(home.path(), &login, "secret"), (false, said));
        assert_eq!(read(file), config);
    }
}

#[test]
fn a_file_with_credentials_is_named() {
    let registry = registry();
    let address = &registry.address;
    let home = home(HELPER, &json!({ "credsStore": "it" }));
    let digest = format!("digest docker://{address}/a/b:v1 --authfile new/auth.json");
    let (is_in, said) = run(home.path(), &digest, "");
    let error = "oci-layout: error: --authfile \"new/auth.json\": does not exist: correct the \
                 path, or create the file with `oci-layout login --authfile`\n";
    assert_eq!((is_in, &*said), (false, error));
    let login = format!("login {address} -u me --password-stdin --authfile new/auth.json");
    let (is_in, said) = run(home.path(), &login, "secret");
    let expected = format!("logged in to {address} as me; stored in new/auth.json\n");
    assert_eq!((is_in, &*said), (true, &*expected));
    let (is_in, said) = run(home.path(), &digest, "");
    assert!(is_in && said.starts_with("sha256:"), "{said}");
    let (is_in, said) = run(home.path(), &digest.replace(" --authfile new/auth.json", ""), "");
    assert!(!is_in && said.contains("is denied without a login"), "{said}");
    let logout = format!("logout {address} --authfile new/auth.json");
    assert!(run(home.path(), &logout, "").0);
    assert_eq!(read(home.path().join("new/auth.json")), json!({ "auths": {} }));
}
