//! The options of `build` beyond those that the steps share.

use std::{
    collections::BTreeMap, fs, io::Read, os::unix::fs::PermissionsExt, process::Command, thread,
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use crate::{
    cli::room::Room,
    common::{
        text,
        tool::{run, tool},
    },
};

/// The paths of each layer, by the `tar` crate, with mode, owner, link target and contents.
fn layers(room: &Room, layout: &str) -> Vec<BTreeMap<String, (u32, u64, String, String)>> {
    let (manifest, _) = room.image(layout);
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| {
            let hex = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let blob = fs::File::open(room.path(layout).join("blobs/sha256").join(hex)).unwrap();
            let mut tar = tar::Archive::new(MultiGzDecoder::new(blob));
            let entry = |entry: std::io::Result<tar::Entry<_>>| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let link = entry.link_name().unwrap();
                let link = link.map_or(String::new(), |link| link.display().to_string());
                let header = entry.header();
                let (mode, uid) = (header.mode().unwrap(), header.uid().unwrap());
                (entry.path().unwrap().display().to_string(), (mode, uid, link, text))
            };
            tar.entries().unwrap().map(entry).collect()
        })
        .collect()
}

fn paths(layer: &BTreeMap<String, (u32, u64, String, String)>) -> Vec<&str> {
    layer.keys().map(String::as_str).collect()
}

#[test]
fn text_directories_links_and_tars_need_no_specification() {
    let room = Room::new();
    fs::create_dir(room.path("tree")).unwrap();
    fs::write(room.path("tree/member"), "m").unwrap();
    run(tool("tar").args(["-C", "tree", "-czf", "tree.tar.gz", "."]).current_dir(room.path("")));
    let text = "/etc/a=b\\\\c=x=1\n";
    let args = ["build", "-f", "app:/bin/app", "--text", text, "--dir", "/tmp", "-o", "image"];
    let more = ["--symlink", "/bin/sh=app", "--tar", "tree.tar.gz:/opt", "--chmod", "tmp=1777"];
    let owner = ["--chown", "opt/**=1000:2000", "--chmod", "bin/**=0700"];
    let run = room.run(args.into_iter().chain(more).chain(owner));
    assert_eq!((run.code, &*run.err), (Some(0), ""));
    let [layer] = &layers(&room, "image")[..] else { panic!("there is one layer") };
    let entry = |path: &str| {
        let (mode, uid, link, text) = &layer[path];
        (*mode, *uid, link.as_str(), text.as_str())
    };
    assert_eq!(entry("etc/a"), (0o644, 0, "", "b\\\\c=x=1\n"));
    assert_eq!(entry("tmp/"), (0o1777, 0, "", ""));
    assert_eq!(entry("bin/sh"), (0o777, 0, "app", ""));
    assert_eq!(entry("bin/app").0, 0o700);
    assert_eq!(entry("opt/member"), (0o644, 1000, "", "m"));
}

#[test]
fn ignore_files_exclude_without_warnings() {
    let room = Room::new();
    for path in ["p/.git/x", "p/target/x", "p/src/a.o", "p/src/keep.o", "p/src/a.rs", "p/x.log"] {
        let path = room.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(room.path("p/.gitignore"), "# built\ntarget/\n*.o\n!keep.o\n/nothing\n").unwrap();
    fs::write(room.path("p/.dockerignore"), "# built\n\ntarget\n**/*.o\n!**/keep.o\nnone\n")
        .unwrap();
    // A file that is not named is not used.
    let unused = room.run(["build", "-f", "p:/", "-o", "all"]);
    let warning = "oci-layout: warning: \"p/.dockerignore\" is not used: add it with --ignore-file \
                   p/.dockerignore, or exclude it\n";
    assert_eq!((unused.code, &*unused.err), (Some(0), warning));
    // Globs are relative to the folder of the file.
    room.ok("build -f p/src:/ --ignore-file p/.dockerignore -o below");
    assert_eq!(paths(&layers(&room, "below")[0]), ["a.rs", "keep.o"]);
    room.ok("build -f p:/ --ignore-file p/.gitignore --exclude .*ignore -o git");
    let kept = |layout| paths(&layers(&room, layout)[0]).into_iter().map(str::to_owned).collect();
    let expected: Vec<String> = kept("git");
    assert_eq!(expected, ["src/", "src/a.rs", "src/keep.o", "x.log"]);
    room.ok(
        "build -f p:/ --ignore-file p/.dockerignore --exclude .git* --exclude .docker* -o docker",
    );
    assert_eq!(kept("docker"), expected);
    // git agrees.
    run(tool("git").args(["init", "-q", "q"]).current_dir(room.path("")));
    fs::copy(room.path("p/.gitignore"), room.path("q/.gitignore")).unwrap();
    for path in ["target/x", "src/a.o", "src/keep.o", "src/a.rs", "x.log"] {
        let path = room.path("q").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let listed = run(tool("git")
        .args(["ls-files", "--others", "--exclude-standard"])
        .current_dir(room.path("q")));
    let mut listed: Vec<_> = listed.lines().filter(|path| *path != ".gitignore").collect();
    listed.sort_unstable();
    assert_eq!(listed, ["src/a.rs", "src/keep.o", "x.log"]);
}

#[test]
fn layers_begin_where_the_arguments_say() {
    let room = Room::new();
    fs::write(
        room.path("spec.json"),
        json!({ "files": [{ "text": "s", "destination": "/spec" }] }).to_string(),
    )
    .unwrap();
    room.ok("layer-tar --text /folder=f -o folder");
    room.ok(
        "build --layer folder -f app:/one --text /two=2 --spec spec.json --new-layer -f app:/three \
         --new-layer -f app:/four --exclude nothing -o image",
    );
    let layers = layers(&room, "image");
    let expected: [&[&str]; 5] = [&["folder"], &["one", "two"], &["spec"], &["three"], &["four"]];
    assert_eq!(layers.iter().map(paths).collect::<Vec<_>>(), expected);
}

#[test]
fn only_the_configuration_changes_without_files() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --entrypoint /bin/app -e A=1 -t 1.0 -o base");
    room.ok("build --base base:1.0 -e B=$A -u 1000 -w /srv -l k=v -t 2.0 -o next");
    let ((before, _), (after, config)) = (room.image("base"), room.image("next"));
    assert_eq!(before["layers"], after["layers"]);
    let expected = json!({
        "Entrypoint": ["/bin/app"], "Env": ["A=1", "B=1"], "User": "1000", "WorkingDir": "/srv",
        "Labels": { "k": "v" },
    });
    assert_eq!(config["config"], expected);
    let run = room.run(["build", "-e", "A=1", "-o", "none"]);
    let error = "oci-layout: error: the image has no files: add some with -f, or name an image to \
                 change with --base\n";
    assert_eq!((run.code, &*run.err), (Some(2), error));
    assert!(!room.path("none").exists());
}

#[test]
fn each_platform_has_files_of_its_own() {
    let room = Room::new();
    fs::create_dir_all(room.path("arm")).unwrap();
    fs::write(room.path("arm/app"), "arm").unwrap();
    room.ok("build -f assets:/srv --platform linux/amd64=app:/bin/app --platform \
         linux/arm64=arm:/bin --platform linux/arm64=app:/more -t 1.0 -o image");
    let index = room.json("image/index.json");
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    let nested = room.blob("image", &entry["digest"]);
    let [amd, arm] = &nested["manifests"].as_array().unwrap()[..] else { panic!("{nested}") };
    assert_eq!(
        (&amd["platform"]["architecture"], &arm["platform"]["architecture"]),
        (&json!("amd64"), &json!("arm64"))
    );
    let layers = |image: &Value| room.blob("image", &image["digest"])["layers"].clone();
    let (amd, arm) = (layers(amd), layers(arm));
    assert_eq!(amd[0], arm[0], "the common layer");
    assert_ne!(amd[1], arm[1]);
    assert_eq!((amd.as_array().unwrap().len(), arm.as_array().unwrap().len()), (2, 2));
    assert_eq!(
        room.ok("ls image --platform linux/arm64"),
        "/bin\n/bin/app\n/more\n/srv\n/srv/index.html\n"
    );
    assert_eq!(room.ok("cat image /bin/app --platform linux/arm64"), "arm");
}

#[test]
fn creation_times_are_normalised() {
    let room = Room::new();
    for (given, written) in [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("86400", "1970-01-02T00:00:00Z"),
    ] {
        room.ok(&format!("build -f app --created {given} -o {written}"));
        assert_eq!(room.image(written).1["created"], written, "{given}");
    }
    let run = room.run(["build", "-f", "app", "--created", "yesterday", "-o", "out"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("as in 2026-01-31T12:00:00Z"), "{}", run.err);
}

#[test]
fn force_replaces_only_layouts() {
    let room = Room::new();
    room.ok("build -f app -t 1.0 -o image");
    let before = room.files("image");
    room.fails(
        "build -f assets -o image",
        "\"image\" is not empty: replace it with --force, or choose another folder for the output",
    );
    // A failure leaves the old layout as it was.
    assert_eq!(room.run("build -f nothing -o image --force".split(' ')).code, Some(1));
    assert_eq!(room.files("image"), before);
    room.ok("build -f assets -t 2.0 -o image --force");
    room.ok("build -f assets -t 2.0 -o fresh");
    assert_eq!(room.files("image"), room.files("fresh"));
    // The base may be the layout that is replaced.
    room.ok("build --base image:2.0 -e A=1 -t 3.0 -o image --force");
    assert_eq!(room.image("image").1["config"]["Env"], json!(["A=1"]));
    room.ok("verify image");
    // A link stays a link.
    std::os::unix::fs::symlink("image", room.path("link")).unwrap();
    room.ok("build -f app -o link --force");
    assert!(room.path("link").is_symlink() && room.path("image/index.json").exists());
    // Nothing else is replaced.
    for (folder, file) in [("notes", "notes/todo"), ("image", "image/todo"), ("assets", "assets/x")]
    {
        fs::create_dir_all(room.path(folder)).unwrap();
        fs::write(room.path(file), "todo").unwrap();
        room.fails(
            &format!("build -f app -o {folder} --force"),
            &format!(
                "{folder:?} is not an image layout, or has other files too, and --force replaces \
                 nothing else: choose another folder for the output"
            ),
        );
        assert_eq!(fs::read_to_string(room.path(file)).unwrap(), "todo");
    }
    let names: Vec<_> =
        fs::read_dir(room.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
}

#[test]
fn a_file_has_the_options_of_the_command_line() {
    let room = Room::new();
    let toml = r#"
        file = { "app" = "/bin/app" }
        dir = "/tmp"
        chmod = ["tmp=1777"]
        env = { PORT = 80, ADDRESS = "0.0.0.0:$PORT", Z = "1", A = "2" }
        entrypoint = ["/bin/app", "--verbose"]
        created = 2026-01-31T12:00:00Z
        sparse = false
        tag = "1.0"
        [[layers]]
        text = { "/etc/a=b" = "x" }
        [[layers]]
        file = "assets:/srv"
    "#;
    fs::write(room.path("image.toml"), toml).unwrap();
    let of_file = room.ok("build image.toml -o of-file");
    let of_options = room.run([
        "build",
        "-f",
        "app:/bin/app",
        "--dir",
        "/tmp",
        "--chmod",
        "tmp=1777",
        "-e",
        "PORT=80",
        "-e",
        "ADDRESS=0.0.0.0:$PORT",
        "-e",
        "Z=1",
        "-e",
        "A=2",
        "--entrypoint",
        "/bin/app",
        "--entrypoint=--verbose",
        "--created",
        "2026-01-31T12:00:00Z",
        "-t",
        "1.0",
        "--new-layer",
        "--text",
        r"/etc/a\=b=x",
        "--new-layer",
        "-f",
        "assets:/srv",
        "-o",
        "of-options",
    ]);
    assert_eq!(of_file, of_options.out, "{}", of_options.err);
    // The command line replaces what takes one value, and extends what takes several.
    let value: Value = json!({
        "file": ["app:/bin/app"], "output": "json", "tag": ["1.0"], "user": "1", "env": ["A=1", "B=$A"],
    });
    fs::write(room.path("image.json"), value.to_string()).unwrap();
    room.ok("build image.json -t 2.0 -u 2 -e A=2");
    let (_, config) = room.image("json");
    assert_eq!(config["config"]["User"], "2");
    assert_eq!(config["config"]["Env"], json!(["A=2", "B=2"]));
    assert_eq!(room.json("json/index.json")["manifests"].as_array().unwrap().len(), 2);
    for (file, sentence) in [
        ("fil = 'x'", r#""x.toml": unknown member "fil"; did you mean "file"?"#),
        (
            "[[layers]]\nenv = 'A=1'",
            r#""x.toml", layers[0]: unknown member "env"; expected one of file, text, dir, symlink, tar, spec, layer"#,
        ),
        ("user = ['a']", r#""x.toml", user: expected one text or number"#),
        ("chmod = 0o644", r#""x.toml", chmod: expected a text: write the value in quotes"#),
        (
            "chmod = { tmp = 0o1777 }",
            r#""x.toml", chmod.tmp: expected a text: write the value in quotes"#,
        ),
        ("env = { A = true }", r#""x.toml", env.A: expected a text: write the value in quotes"#),
        ("a = 'b'\nchmod = 0755", r#""x.toml": not TOML, in line 2: "#),
        ("sparse = 'yes'", r#""x.toml", sparse: expected true or false"#),
        ("exclude = { a = 'b' }", r#""x.toml", exclude: expected a list of texts"#),
        ("layers = 1", r#""x.toml": layers: expected a list of objects, one per layer"#),
        (
            "{ \"file\": \"a\", \"file\": \"b\" }",
            "\"x.toml\": not JSON: \"file\" is set twice at line 1 column 28",
        ),
    ] {
        fs::write(room.path("x.toml"), file).unwrap();
        let run = room.run(["build", "x.toml", "-o", "out"]);
        let error = format!("oci-layout: error: {sentence}");
        assert!(run.code == Some(1) && run.err.starts_with(&error), "{file}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
    room.fails(
        "build -f app other -o out",
        "\"other\": the file with options does not exist: name it image.toml or image.json, or give \
         each file of the image its own -f",
    );
    let run = room.run(["build", "missing.toml", "-o", "out"]);
    assert!(run.err.starts_with("oci-layout: error: cannot read \"missing.toml\""), "{}", run.err);
}

#[test]
fn the_schema_accepts_files_with_options() {
    let room = Room::new();
    fs::write(room.path("schema.json"), room.ok("build --schema")).unwrap();
    let check = r#"
import json, jsonschema
schema = json.load(open("schema.json"))
check = jsonschema.Draft202012Validator
check.check_schema(schema)
good = {"file": {"a": "b"}, "env": {"A": 1}, "tag": ["1"], "sparse": True, "user": 1000,
        "layers": [{"text": {"/a": "b"}}, {"spec": "x"}]}
assert check(schema).is_valid(good)
for bad in [{"fil": "a"}, {"sparse": "x"}, {"user": ["a"]}, {"layers": [{"env": []}]}, {"layers": 1}]:
    assert not check(schema).is_valid(bad), bad
"#;
    run(tool("python3").args(["-c", check]).current_dir(room.path("")));
}

#[test]
fn mistakes_that_keep_a_container_from_starting_are_warnings() {
    let room = Room::new();
    let mode = |name: &str, mode| {
        fs::set_permissions(room.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::write(room.path("app"), "#!/bin/sh\n").unwrap();
    fs::write(room.path("script"), "#!/usr/bin/env -S node --x\n").unwrap();
    mode("script", 0o755);
    fs::write(room.path("plain"), "x").unwrap();
    let warned = |args: &str| {
        let run = room.run(format!("build {args} -o out --force").split(' '));
        assert_eq!(run.code, Some(0), "{}", run.err);
        let strict = room.run(format!("build {args} -o other --strict").split(' '));
        assert_eq!(strict.code, Some(i32::from(!run.err.is_empty())), "{}", strict.err);
        let _ = fs::remove_dir_all(room.path("other"));
        let warnings =
            run.err.lines().map(|line| line.strip_prefix("oci-layout: warning: ").unwrap());
        warnings.map(str::to_owned).collect::<Vec<_>>()
    };
    let sh = "--text /bin/sh=x --chmod bin/sh=0755";
    assert_eq!(warned(&format!("-f app:/app {sh} --entrypoint /app")), [""; 0]);
    assert_eq!(warned(&format!("-f app:/opt/app {sh} --cmd app -e PATH=/bin:/opt")), [""; 0]);
    assert_eq!(warned(&format!("-f app:/opt/app {sh} --cmd ./app -w /opt")), [""; 0]);
    assert_eq!(
        warned("-f app:/app --entrypoint /app"),
        ["the interpreter \"/bin/sh\" of the script \"/app\" is not in the image (number of such \
          scripts: 1): add it, or choose a base image that has it"]
    );
    assert_eq!(
        warned("-f script:/app --entrypoint /app"),
        ["/usr/bin/env", "node"].map(|interpreter| format!(
            "the interpreter {interpreter:?} of the script \"/app\" is not in the image (number of \
             such scripts: 1): add it, or choose a base image that has it"
        ))
    );
    // A link of a folder above is not a link of the program, and a text is one argument.
    room.ok("build --dir /usr/bin --symlink /bin=usr/bin -o merged");
    assert_eq!(
        warned("--base merged --entrypoint node"),
        [
            "the program \"node\", which a container starts, is not in the image: add it, or correct \
          the entry point"
        ]
    );
    let run = room.run(["build", "-f", "app:/app", "--cmd", "/app --x", "-o", "words"]);
    assert!(run.err.contains("entry point; each argument is a text of its own"), "{}", run.err);
    assert_eq!(
        warned("-f plain:/app --entrypoint node"),
        [
            "the program \"node\", which a container starts, is not in the image: add it, or correct \
          the entry point"
        ]
    );
    assert_eq!(
        warned("--symlink /app/python=../usr/bin/python3 --entrypoint /app/python"),
        ["the program \"/app/python\", which a container starts, is a symbolic link to \
          \"/app/../usr/bin/python3\", which is not in the image: add that file too"]
    );
    assert_eq!(
        warned("-f plain:/app --entrypoint /app"),
        ["the program \"/app\", which a container starts, has mode 0644, and cannot be executed: \
          make the source executable, or set its mode (--chmod GLOB=0755)"]
    );
    // Users and groups by their names.
    let missing = |kind: &str, name: &str, file: &str| {
        format!(
            "the {kind} \"{name}\", as which a container runs, is not in \"/etc/{file}\" of the \
             image: add it there, or give its number instead of its name"
        )
    };
    assert_eq!(warned("-f plain:/x --user 7:8"), [""; 0]);
    assert_eq!(
        warned("-f plain:/x --user app:app"),
        [missing("user", "app", "passwd"), missing("group", "app", "group")]
    );
    let passwd = "--text /etc/passwd=app:x:7:7::/:/bin/sh";
    assert_eq!(warned(&format!("{passwd} --user app")), [""; 0]);
    assert_eq!(warned(&format!("{passwd} --user ap")), [missing("user", "ap", "passwd")]);
    room.ok(&format!("build {passwd} -o users"));
    // The file of a base is not read.
    assert_eq!(warned("--base users -f plain:/x --user ap"), [""; 0]);
    assert_eq!(warned("--base users -f plain:/x --user ap:g"), [missing("group", "g", "group")]);
    // What the base has is not missing, unless the new layer removes it.
    room.ok("build --text /bin/sh=x --chmod bin/sh=0755 -o base");
    assert_eq!(warned("--base base -f app:/app --entrypoint /app"), [""; 0]);
    fs::write(
        room.path("spec.json"),
        json!({ "files": [
            { "source": "app", "destination": "/app" },
            { "whiteout": true, "destination": "/bin/sh" },
        ] })
        .to_string(),
    )
    .unwrap();
    assert_eq!(warned("--base base --spec spec.json --entrypoint /app").len(), 1);
    // Modes that the layer does not keep.
    mode("app", 0o4755);
    mode("plain", 0o600);
    assert_eq!(
        warned("-f app:/x/app -f plain:/x/plain"),
        [
            "\"app\" has mode 4755 and runs with the rights of its owner or group, and the layer \
             gives it the default mode (number of such files: 1): keep modes, or set a mode for it \
             (--chmod keep or GLOB=MODE, or mode and perms in a specification)",
            "\"plain\" has mode 0600 and can only be read by its owner, and the layer gives it the \
             default mode (number of such files: 1): keep modes, or set a mode for it (--chmod \
             keep or GLOB=MODE, or mode and perms in a specification)",
        ]
    );
    assert_eq!(warned("-f app:/x/app -f plain:/x/plain --chmod keep"), [""; 0]);
    assert_eq!(warned("-f app:/x/app -f plain:/x/plain --chmod **=0644"), [""; 0]);
    assert_eq!(warned("-f app:/x/app -f plain:/x/plain --chmod x/app=0755").len(), 1);
}

#[test]
fn the_output_is_not_the_name_of_an_image() {
    let room = Room::new();
    for output in ["docker://ghcr.io/me/app:1", "oci:image:1.0", "localhost:5000/app"] {
        let run = room.run(["build", "-f", "app", "-o", output]);
        let reason = "is the name of an image, and the output is a folder";
        assert!(run.code == Some(1) && run.err.contains(reason), "{}", run.err);
    }
    let left = fs::read_dir(room.path("")).unwrap().count();
    assert_eq!(left, 2);
}

#[test]
fn blocks_of_earlier_images_are_used_again() {
    let room = Room::new();
    fs::write(room.path("app"), text(3_000_000, 1)).unwrap();
    let build = |out: &str, more: &[&str]| {
        let fixed = ["build", "-f", "app:/app", "-t", "1", "-o", out];
        let run = room.run([&fixed, more].concat());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.out
    };
    let first = build("first", &[]);
    // A layout that does not exist yet, so that the same command also makes the first one.
    assert_eq!(build("same", &["--reuse", "first:1", "--reuse", "nothing"]), first);
    assert_eq!(build("cached", &["--cache", "cache"]), first);
    assert!(fs::read_dir(room.path("cache/blocks-2")).unwrap().count() >= 2);
    assert_eq!(build("from-cache", &["--cache", "cache"]), first);
    // The layout that is replaced.
    assert_eq!(build("first", &["--reuse", "first", "--force"]), first);
}

/// strace reports which files are opened.
#[test]
fn trusted_files_are_not_opened() {
    let room = Room::new();
    fs::create_dir_all(room.path("src/empty")).unwrap();
    fs::create_dir(room.path("home")).unwrap();
    for file in ["one", "two", "empty/three"] {
        fs::write(room.path("src").join(file), if file == "two" { "" } else { file }).unwrap();
    }
    // The program looks into programs and scripts to see what they need.
    fs::write(room.path("src/one"), "#!/no/such/interpreter").unwrap();
    fs::copy("/bin/true", room.path("src/empty/three")).unwrap();
    for file in ["one", "empty/three"] {
        fs::set_permissions(room.path("src").join(file), fs::Permissions::from_mode(0o755))
            .unwrap();
    }
    thread::sleep(Duration::from_millis(2100));
    let build = |args: &str| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-e", "trace=open,openat,openat2"]);
        command.args([
            "-o",
            "trace",
            env!("CARGO_BIN_EXE_oci-layout"),
            "build",
            "-f",
            "src:/src",
            "--cache",
            "cache",
        ]);
        command.args(args.split(' ')).current_dir(room.path("")).env("HOME", room.path("home"));
        let printed = command.output().unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let trace = fs::read_to_string(room.path("trace")).unwrap();
        let opened = ["/one\"", "/two\"", "/three\"", "\"one\"", "\"two\"", "\"three\""];
        (printed, opened.iter().filter(|name| trace.contains(**name)).count())
    };
    let (plain, opened) = build("-o plain");
    assert!(String::from_utf8_lossy(&plain.stderr).contains("libc.so.6"), "{plain:?}");
    assert!(opened >= 2, "{opened}");
    for (args, opens) in [
        ("--trust-mtimes -o first", true),
        // From the records, but the blob is elsewhere.
        ("--trust-mtimes -o again", true),
        ("--trust-mtimes --reuse first -o copied", false),
        ("--trust-mtimes --sparse -o recorded", true),
        ("--trust-mtimes --sparse -o sparse", false),
        ("--trust-mtimes --reuse first -o first --force", false),
    ] {
        let (printed, opened) = build(args);
        assert_eq!(printed, plain, "{args}");
        assert_eq!(opened > 0, opens, "{args}: {opened}");
    }
    room.ok("verify copied");
    room.did("fill sparse --trust-recipes");
    fs::write(room.path("src/one"), "ONE").unwrap();
    let (changed, _) = build("--trust-mtimes --reuse first -o changed");
    assert!(changed != plain);
}
