//! The database of the Nix store in an image, read and changed by Nix itself.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::tool::{run, tool};
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { nix_accepts_the_store_of_an_image }

/// The root of an unpacked image, on which Nix works as in a container.
struct Root {
    dir: TempDir,
}

impl Root {
    fn of(layout: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let mut unpack = tool(PROGRAMS.join("oci-layout/bin/oci-layout").to_str().unwrap());
        run(unpack.arg("unpack").arg(layout).arg("--output").arg(dir.path().join("root")));
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Nix, as the user who owns the store if this process may become that user.
    fn nix(&self, nix: &Nix, program: &str) -> Command {
        let command = nix.command(program);
        let mut as_user = tool("setpriv");
        as_user.args(["--reuid", "1000", "--regid", "100", "--clear-groups"]);
        as_user.arg(command.get_program());
        as_user.env_clear().env("PATH", env::var_os("PATH").unwrap());
        as_user.env("NIX_CONF_DIR", self.dir.path()).env("HOME", self.dir.path().join("home"));
        // Nix asks for the name of a user whom the system may not know.
        as_user.env("USER", "owner");
        as_user.args(["--store"]).arg(self.path());
        as_user
    }

    fn paths(&self) -> BTreeSet<String> {
        fs::read_dir(self.path().join("nix/store"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect()
    }
}

fn nix_accepts_the_store_of_an_image(nix: Nix) {
    let layout = Layout::checked(nix.build("examples.database"));
    let root = Root::of(layout.path());
    // A folder that the user can enter and write to.
    let dir = root.dir.path();
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(dir.join("home")).unwrap();
    std::os::unix::fs::chown(dir.join("home"), Some(1000), Some(100)).unwrap();
    fs::write(dir.join("nix.conf"), "build-users-group =\nsandbox = false\n").unwrap();
    for path in ["nix", "nix/store", "nix/var/nix", "nix/var/nix/db", "nix/var/nix/db/db.sqlite"] {
        let found = root.path().join(path).metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (1000, 100), "{path}");
    }

    let paths = root.paths();
    assert!(paths.iter().any(|path| path.ends_with("-own-path")), "{paths:?}");
    assert!(!paths.iter().any(|path| path.ends_with("-links")), "{paths:?}");

    // Every path in the store is valid, and nothing else is.
    let all = run(root
        .nix(&nix, "nix-store")
        .args(["--query", "--requisites"])
        .args(paths.iter().map(|path| format!("/nix/store/{path}"))));
    let all: BTreeSet<String> =
        all.lines().map(|path| path.strip_prefix("/nix/store/").unwrap().to_owned()).collect();
    assert_eq!(all, paths);
    let output =
        root.nix(&nix, "nix-store").args(["--verify", "--check-contents"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.lines().all(|line| line.starts_with("checking ") || line.starts_with("reading ")),
        "{said}"
    );
    // What Nix knows of a path is what the store that built it knows.
    let greet = paths.iter().find(|path| path.ends_with("-greet")).unwrap();
    for query in ["--hash", "--size", "--references"] {
        let query = ["--query", query, &format!("/nix/store/{greet}")];
        assert_eq!(
            run(root.nix(&nix, "nix-store").args(query)),
            run(nix.command("nix-store").args(query))
        );
    }

    // So does a bill of materials.
    let mut sbom = tool(PROGRAMS.join("oci-layout/bin/oci-layout").to_str().unwrap());
    let sbom: Value = serde_json::from_str(&run(sbom.arg("sbom").arg(layout.path()))).unwrap();
    let components = sbom["components"].as_array().unwrap();
    let path = |component: &Value| component["properties"][0]["value"].as_str().unwrap().to_owned();
    let listed: BTreeSet<String> = components
        .iter()
        .map(|it| path(it).strip_prefix("/nix/store/").unwrap().to_owned())
        .collect();
    assert_eq!(listed, paths);
    for component in components {
        let of_nix = |query: &str| {
            let query = ["--query", query, &path(component)];
            run(root.nix(&nix, "nix-store").args(query))
        };
        let depends = |dependency: &&Value| dependency["ref"] == component["bom-ref"];
        let of_bill = sbom["dependencies"].as_array().unwrap().iter().find(depends).unwrap();
        let purls: BTreeSet<&str> = of_bill["dependsOn"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it.as_str().unwrap())
            .collect();
        let to =
            |purl: &&str| components.iter().find(|it| it["bom-ref"] == **purl).map(path).unwrap();
        let references: BTreeSet<String> = purls.iter().map(to).collect();
        let expected = of_nix("--references");
        // A path that refers to itself does not depend on itself.
        let expected: BTreeSet<String> =
            expected.lines().map(str::to_owned).filter(|it| *it != path(component)).collect();
        assert_eq!(references, expected);
        assert_eq!(component["properties"][2]["name"], "oci-layout:narHash");
    }

    // The user adds a path, and a garbage collection removes that path alone.
    let file = dir.join("home/added");
    fs::write(&file, "added\n").unwrap();
    let added = run(root.nix(&nix, "nix-store").arg("--add").arg(&file));
    let added = added.trim().strip_prefix("/nix/store/").unwrap().to_owned();
    assert!(root.paths().contains(&added));
    run(root.nix(&nix, "nix-store").arg("--gc"));
    assert_eq!(root.paths(), paths);

    // A damaged file is found.
    let word = paths.iter().find(|path| path.ends_with("-words")).unwrap();
    let word = root.path().join("nix/store").join(word).join("share/word");
    fs::write(word, "other\n").unwrap();
    let output =
        root.nix(&nix, "nix-store").args(["--verify", "--check-contents"]).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}
