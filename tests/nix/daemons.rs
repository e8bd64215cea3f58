//! Daemons of Debian, as packages of the tests' package set, in one container under s6.

use std::{fs, os::unix::fs::MetadataExt};

use tempfile::TempDir;

use crate::common::container::Container;
use crate::common::tool::{Containers, run};
use crate::nix::layout::Layout;
use crate::nix::make_image::on_root;
use crate::nix::versions::{Nix, Version};

const PAGE: &str = "wget -q -O - http://127.0.0.1/";
const QUERY: &str = "psql --host=/run/postgresql --username=postgres --no-align --tuples-only";

#[test]
fn daemons_serve_keep_what_is_on_volumes_and_stop_in_order() {
    let nix = Nix::new(Version::Newer);
    let mut command = on_root(&nix, "nix-build", "daemons");
    command.args(["--no-out-link", "--quiet", "--attr", "makeImage.daemons.all"]);
    let layout = Layout(nix.physical(run(&mut command).trim()));
    let name = layout.path().file_name().unwrap().to_str().unwrap();
    let containers = Containers::new(layout.path().parent().unwrap());

    let folders = TempDir::new().unwrap();
    let volumes = ["redis", "postgresql"].map(|name| {
        let folder = folders.path().join(name);
        fs::create_dir(&folder).unwrap();
        format!("--volume={}:/var/lib/{name}", folder.display())
    });
    let options = volumes.each_ref().map(String::as_str);
    let image = format!("oci:{name}");
    let serves = |container: &Container<'_>| {
        container.wait_until("a page", || container.tries(PAGE).is_some());
        assert_eq!(container.sh(PAGE), "a page\n");
    };

    let container = Container::start(&containers, &options, &image);
    serves(&container);
    let without = "nginx: going on without the capability sys_resource";
    assert!(container.logs().contains(without), "{}", container.logs());
    assert_eq!(container.sh("redis-cli set key value"), "OK\n");
    container.sh(&format!("{QUERY} --command='insert into t values (6), (7)'"));
    container.podman(&["restart", "--time", "60"]);
    serves(&container);
    assert_eq!(container.sh("redis-cli get key"), "value\n");
    assert_eq!(container.stop().0, 0, "{}", container.logs());
    let logs = container.logs();
    let last = |text: &str| logs.rfind(text).unwrap_or_else(|| panic!("missing: {text}\n{logs}"));
    let stops = ["(SIGQUIT) received", "ready to exit", "received fast shutdown", "is shut down"];
    assert!(stops.map(last).is_sorted(), "{logs}");

    // Another container with the same volumes, whose owners are those of the services.
    let container = Container::start(&containers, &options, &image);
    serves(&container);
    assert_eq!(container.sh("redis-cli get key"), "value\n");
    let query = format!("{QUERY} --command='select sum(n) from t'");
    assert_eq!(container.sh(&query), "13\n");
    for (folder, mode) in [("redis", 0o40700), ("postgresql", 0o40700)] {
        let metadata = fs::metadata(folders.path().join(folder)).unwrap();
        assert!((20000..30000).contains(&metadata.uid()), "{folder}: {}", metadata.uid());
        assert_eq!(metadata.mode(), mode, "{folder}");
    }
    assert_eq!(container.stop().0, 0, "{}", container.logs());
}
