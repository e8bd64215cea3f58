//! Containers that differ: without root, read-only, with an init, with volumes.

use std::{fs, os::unix::fs::MetadataExt};

use oci_layout::FileMapping;
use serde_json::{Value, json};

use super::{Services, sh};

/// A daemon with a state directory, and a child that outlives its parent.
fn daemon() -> Value {
    let script =
        "trap 'echo stops; exit 0' TERM; touch /var/lib/daemon/file 2>/dev/null || :; (sleep 0.1 &)
        echo up; while :; do sleep 0.05; done";
    json!([{
        "name": "daemon",
        "kind": "long-run",
        "command": sh(script),
        "user": { "uid": 1000, "gid": 1000, "name": "daemon" },
        "directories": [{ "path": "/var/lib/daemon", "mode": "0750", "uid": 1000, "gid": 1000 }],
        "stopTimeout": 20,
    }])
}

#[test]
fn containers_differ() {
    // The root may be read-only: a layer has the directory too.
    let state = FileMapping::directory("/var/lib/daemon").mode(0o750).owner(1000, 1000);
    let volume = FileMapping::directory("/volume").mode(0o777);
    let earlier = FileMapping::directory("/volume/of/services/services/scan/.s6-svscan");
    let services = Services::with_files(daemon(), [state, volume, earlier]);
    let foreign = services.dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("file"), "").unwrap();
    let foreign_volume = format!("{}:/run/services", foreign.display());
    let rows: [(&[&str], &str); 7] = [
        (&[], "/run"),
        // The folder services in /run is not that of an earlier start.
        (&["--init", "--volume", &foreign_volume, "--tmpfs", "/tmp"], "/tmp"),
        (&["--read-only", "--tmpfs", "/run"], "/run"),
        (&["--tmpfs", "/run:rw,noexec,nosuid,nodev,mode=755"], "/run"),
        (&["--user", "1000", "--tmpfs", "/run:mode=1777"], "/run"),
        // Root owns /run and /tmp, so that only /dev/shm is left.
        (
            &[
                "--user",
                "1000",
                "--read-only",
                "--tmpfs",
                "/run:mode=755",
                "--tmpfs",
                "/tmp:mode=755",
            ],
            "/dev/shm",
        ),
        // An earlier start has left its folder there.
        (&["--env", "SERVICES_DIRECTORY=/volume/of/services"], "/volume/of/services"),
    ];
    for (options, parent) in rows {
        let container = services.start(options);
        container.wait_for("up");
        let state = container.sh(&format!("ls {parent}/services"));
        assert!(state.contains("scan\n"), "{options:?}: {state}");
        let uid = {
            let pid = format!("/usr/bin/s6-svstat -o pid {parent}/services/scan/daemon");
            container.sh(&format!("stat -c %u /proc/$({pid})"))
        };
        assert_eq!(uid, "1000\n", "{options:?}");
        container.wait_until("no zombie is left", || {
            container.sh("grep -l '^State:.Z' /proc/[0-9]*/status || :").is_empty()
        });
        let (code, _) = container.stop();
        assert_eq!(code, 0, "{options:?}: {}", container.logs());
        assert!(container.logs().ends_with("stops\n"), "{options:?}: {}", container.logs());
    }
    assert!(foreign.join("file").exists());
}

#[test]
fn a_mounted_state_directory_gets_its_owner() {
    for (recursive, owner) in [(true, 1000), (false, 0)] {
        let mut daemon = daemon();
        daemon[0]["directories"][0]["recursive"] = json!(recursive);
        let services = Services::new(daemon);
        let folder = services.dir.path().join("volume");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old"), "").unwrap();
        let volume = format!("{}:/var/lib/daemon", folder.display());
        let container = services.start(&["--volume", &volume]);
        container.wait_for("up");
        let rows = [("", 0o40750, 1000), ("old", 0o100644, owner), ("file", 0o100644, 1000)];
        for (path, mode, owner) in rows {
            let found = fs::metadata(folder.join(path)).unwrap();
            let found = (found.mode(), found.uid(), found.gid());
            assert_eq!(found, (mode, owner, owner), "{path:?}, recursive {recursive}");
        }
    }
}

#[test]
fn a_place_for_the_services_is_needed() {
    let services = Services::new(daemon());
    let (code, said) = services.run(&["--env", "SERVICES_DIRECTORY=/proc/no"]);
    assert_eq!(code, Some(111));
    assert!(said.contains("cannot make the directory services in /proc/no"), "{said}");
}

/// It happens before s6-svscan supervises anything.
#[test]
fn a_missing_file_ends_the_container() {
    let mut daemon = daemon();
    daemon[0]["files"] = json!([{ "source": "/secrets/none", "path": "/run/key" }]);
    let services = Services::new(daemon);
    for options in [&[][..], &["--init"]] {
        let (code, said) = services.run(options);
        assert!(said.contains("cannot copy /secrets/none to /run/key"), "{said}");
        assert_eq!(code, Some(1), "{options:?}");
    }
}

#[test]
fn files_are_copied_with_owner_and_mode() {
    let show = "stat -c '%a %u %g' /run/credentials/web /run/credentials/web/key; cat /run/credentials/web/key";
    let services = Services::with_files(
        json!([{
            "name": "web",
            "kind": "oneshot-pre",
            "command": sh(show),
            "user": { "uid": 1000, "gid": 1000 },
            "directories": [{ "path": "/run/credentials/web", "mode": "0500", "uid": 1000, "gid": 1000 }],
            "files": [{ "source": "/secrets/it's $key", "path": "/run/credentials/web/key", "mode": "0400",
                        "uid": 1000, "gid": 1000 }],
        }]),
        [FileMapping::text("secret\n", "/secrets/it's $key").mode(0o400)],
    );
    assert_eq!(services.run(&[]), (Some(0), "500 1000 1000\n400 1000 1000\nsecret\n".into()));
}
