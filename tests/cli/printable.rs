//! Untrusted names and texts that would act on a terminal, in all output of the program.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::cli::room::Room;

/// An escape sequence, a line break, a C1 control, DEL, a bidirectional override and isolate,
/// separators of lines and paragraphs, and invisible characters, including a tag character.
const EVIL: &str = "a\x1b[2Jb\noci-layout: error: \
    x\r\u{9b}31m\x7f\x08\u{202e}\u{2066}\u{2028}\u{2029}\u{200b}\u{e0041}\u{3164}";

/// What must not reach a terminal or a log: [bidirectional
/// controls](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters) and control
/// characters.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{3164}' | '\u{e0000}'..='\u{e0fff}')
}

/// Runs the program, and checks all its output.
#[track_caller]
fn said<A: AsRef<OsStr> + std::fmt::Debug>(room: &Room, args: &[A]) -> String {
    let output = room.command(args).output().unwrap();
    let mut all = String::new();
    for bytes in [output.stdout, output.stderr] {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        assert!(!text.contains(is_harmful), "{args:?}: {text:?}");
        assert!(
            !text.lines().any(|line| line.starts_with("oci-layout: error: x")),
            "{args:?}: {text}"
        );
        all.push_str(&text);
    }
    assert!(!all.is_empty(), "{args:?} says something");
    all
}

fn edit(room: &Room, path: &str, edit: impl FnOnce(&mut Value)) {
    let mut value = room.json(path);
    edit(&mut value);
    fs::write(room.path(path), value.to_string()).unwrap();
}

/// A layout whose only image has this name.
fn named(room: &Room) {
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag t -o image");
    edit(room, "image/index.json", |index| {
        index["manifests"][0]["annotations"] = json!({ "org.opencontainers.image.ref.name": EVIL, "io.containerd.image.name": EVIL, EVIL: 1.to_string() });
    });
}

#[test]
fn a_name_of_an_image() {
    let room = Room::new();
    named(&room);
    assert!(said(&room, &["verify", "image"]).contains(r"a\u{1b}[2Jb\noci"));
    assert!(said(&room, &["export", "image", "-o", "image.tar"]).starts_with(r"a\u{1b}[2Jb\noci"));
    assert!(said(&room, &["inspect", "image"]).contains(r"a\u{1b}[2Jb\noci"));
    assert!(said(&room, &["delete", "image:zzz"]).contains(r"a\u{1b}[2Jb\noci"));
    for args in [
        ["export", "image:zzz", "-o", "x"],
        ["copy", "image:zzz", "docker://localhost/x", "-q"],
        ["build", "--base", "image:zzz", "-o=x"],
        ["verify", "image", "--strict", "--json"],
        ["inspect", "image", "--json", "-q"],
        ["append", "image", "-o", "nothing"],
    ] {
        said(&room, &args);
    }
    said(&room, &["delete", &format!("image:{EVIL}")]);
    said(&room, &["delete", &format!("image:{EVIL}")]);
}

/// The JSON output has the same documents, with escapes.
#[test]
fn json_is_escaped_and_the_same() {
    let room = Room::new();
    named(&room);
    let inspected: Value =
        serde_json::from_str(&said(&room, &["inspect", "image", "--json"])).unwrap();
    let text = inspected.to_string();
    assert!(text.contains(&json!(EVIL).to_string()), "{text}");
    let found: Value = serde_json::from_str(&said(&room, &["verify", "image", "--json"])).unwrap();
    assert_eq!(found[0]["defect"], "name-invalid");
}

/// Each text in the documents of an image.
#[test]
fn texts_of_documents() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag t -o image");
    let index = room.json("image/index.json");
    let (manifest, config) = room.image("image");
    let texts = |value: &Value| {
        let mut all = Vec::new();
        let mut left = vec![(String::new(), value)];
        while let Some((place, value)) = left.pop() {
            match value {
                Value::Object(members) => {
                    left.extend(members.iter().map(|(key, v)| (format!("{place}/{key}"), v)))
                }
                Value::Array(list) => {
                    left.extend(list.iter().enumerate().map(|(at, v)| (format!("{place}/{at}"), v)))
                }
                _ => all.push(place),
            }
        }
        all
    };
    let places = [&config, &manifest, &index].map(texts);
    let whole = room.files("image");
    for (which, place) in
        places.iter().enumerate().flat_map(|(which, all)| all.iter().map(move |at| (which, at)))
    {
        let mut documents = [config.clone(), manifest.clone(), index.clone()];
        *documents[which].pointer_mut(place).unwrap() = EVIL.into();
        let [config, mut manifest, mut index] = documents;
        let is_own = |which_one, at: &str| which == which_one && place.starts_with(at);
        let put = |document: &Value, descriptor: &mut Value, own: bool| {
            let bytes = document.to_string().into_bytes();
            let digest = oci_layout::Digest::of(&bytes);
            fs::write(room.path(format!("image/blobs/sha256/{}", digest.hex())), &bytes).unwrap();
            if !own {
                descriptor["digest"] = digest.to_string().into();
                descriptor["size"] = bytes.len().into();
            }
        };
        put(&config, &mut manifest["config"], is_own(1, "/config/"));
        put(&manifest, &mut index["manifests"][0], is_own(2, "/manifests/0/"));
        fs::write(room.path("image/index.json"), index.to_string()).unwrap();
        for args in [
            "verify image",
            "inspect image",
            "gc image",
            "export image -o tar",
            "build --base image -o out",
        ] {
            let output = room.command(args.split(' ')).output().unwrap();
            let all = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!all.contains(is_harmful), "{place} {args:?}: {all:?}");
        }
        fs::remove_dir_all(room.path("image")).unwrap();
        let _ = fs::remove_dir_all(room.path("out"));
        fs::create_dir_all(room.path("image/blobs/sha256")).unwrap();
        whole
            .iter()
            .for_each(|(path, bytes)| fs::write(room.path("image").join(path), bytes).unwrap());
    }
}

#[test]
fn names_of_files() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag t -o image");
    let odd = [EVIL.replace('/', "_").into_bytes(), b"not\xffutf\x9b8".to_vec()];
    for name in odd.map(OsString::from_vec) {
        let file = |dir: &str| room.path(dir).join(&name);
        // Garbage, and special files in place of blobs.
        fs::write(file("image/blobs/sha256"), "").unwrap();
        said(&room, &["verify", "image"]);
        said(&room, &["gc", "image"]);
        // An invalid path as an argument, and as an option that does not exist.
        said(&room, &[OsStr::new("verify"), &name]);
        said(&room, &[&name]);
        let option = OsString::from_vec([b"--", name.as_bytes()].concat());
        said(&room, &[OsStr::new("verify"), &option]);
        said(&room, &[OsStr::new("serve"), &name, OsStr::new("image"), &option]);
        let file_option = OsString::from_vec([name.as_bytes(), b":/x"].concat());
        said(
            &room,
            &[
                OsStr::new("build"),
                OsStr::new("-f"),
                &file_option,
                OsStr::new("-o"),
                OsStr::new("x"),
            ],
        );
        // A socket in a folder, and two names of one file.
        fs::create_dir(room.path("odd")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(file("odd")).unwrap());
        said(&room, &["layer-tar", "-f", "odd:/", "-o", "layer"]);
        fs::remove_file(file("odd")).unwrap();
        fs::write(file("odd"), "x").unwrap();
        fs::hard_link(file("odd"), room.path("odd/z")).unwrap();
        said(&room, &["layer-tar", "-f", "odd:/", "-o", "layer"]);
        said(&room, &["inspect", "image"]);
        for dir in ["odd", "layer"] {
            fs::remove_dir_all(room.path(dir)).unwrap();
        }
    }
}

#[test]
fn names_in_tars() {
    let room = Room::new();
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, link) in [
        (tar::EntryType::Fifo, ""),
        (tar::EntryType::Link, EVIL),
        (tar::EntryType::Symlink, EVIL),
        (tar::EntryType::Regular, ""),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        let name = format!("../{EVIL}{:?}", kind);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if !link.is_empty() {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    fs::write(room.path("layer.tar"), &tar).unwrap();
    fs::write(
        room.path("spec.json"),
        r#"{ "files": [{ "tar": "layer.tar", "destination": "/" }] }"#,
    )
    .unwrap();
    said(&room, &["layer-tar", "--spec", "spec.json", "-o", "layer"]);
    // An archive with such members is not a layout.
    said(&room, &["verify", "layer.tar"]);
    // The same as the layer of an image.
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag t --compression none -o image");
    let (manifest, _) = room.image("image");
    let layer =
        manifest["layers"][0]["digest"].as_str().unwrap().replace("sha256:", "image/blobs/sha256/");
    fs::write(room.path(layer), &tar).unwrap();
    said(&room, &["verify", "image"]);
    said(&room, &["inspect", "image"]);
}

/// Python has pseudo-terminals. Output that is written unchanged to a pipe is escaped on a
/// terminal.
#[test]
fn a_manifest_on_a_terminal() {
    let Some(_) = cfg!(feature = "registry").then_some(()) else { return };
    let room = Room::new();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{{"{}":"{}"}}}}"#,
        "\u{202e}", "\u{9b}2J\x7f"
    );
    let program = r#"
import http.server, os, pty, subprocess, sys, threading
body = sys.argv[2].encode()
class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Registry)
threading.Thread(target=server.serve_forever, daemon=True).start()
command = [sys.argv[1], 'pull', '--manifest', '127.0.0.1:%d/a:1' % server.server_port]
assert subprocess.run(command, capture_output=True).stdout == body
ours, theirs = pty.openpty()
child = subprocess.Popen(command, stdout=theirs, stderr=theirs)
os.close(theirs)
shown = b''
while True:
    try: part = os.read(ours, 4096)
    except OSError: break
    if not part: break
    shown += part
assert child.wait() == 0, shown
sys.stdout.buffer.write(shown)
"#;
    let mut python = std::process::Command::new("python3");
    python
        .args(["-c", program, env!("CARGO_BIN_EXE_oci-layout"), &manifest])
        .current_dir(room.path(""));
    let output = python.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    assert!(!shown.contains(is_harmful), "{shown:?}");
    let again: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(&manifest).unwrap());
}
