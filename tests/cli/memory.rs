//! Memory is bounded for any input: each command runs with less than it would need if documents
//! were kept as values.

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
};

use oci_layout::Digest;

use crate::cli::room::{Room, Run};

/// Runs the program with a limit of MiB for its data, of which a debug build needs some 20.
#[track_caller]
fn within(room: &Room, mib: u32, args: &str) -> Run {
    let mut command = Command::new("sh");
    let limited = format!("ulimit -d {}; exec \"$0\" \"$@\"", mib << 10);
    command
        .args(["-c", &limited, env!("CARGO_BIN_EXE_oci-layout"), "--threads", "1"])
        .args(args.split(' '));
    command.current_dir(room.path("")).env_clear().stdin(Stdio::null());
    let run = Run::of(&mut command);
    assert!(
        matches!(run.code, Some(0 | 1)),
        "{args}: {:?} {}",
        run.code,
        &run.err[..run.err.len().min(1000)]
    );
    run
}

#[track_caller]
fn succeeds(room: &Room, mib: u32, args: &str) -> String {
    let run = within(room, mib, args);
    assert_eq!(run.code, Some(0), "{args}: {}", &run.err[..run.err.len().min(1000)]);
    run.out
}

/// A layout whose documents also have these members, and beside it the same with a small one,
/// `small`.
fn layout(room: &Room, index: &str, manifest: &str, config: &str) {
    room.ok("build -f app:/bin/app --entrypoint /bin/app --tag t -o image");
    room.ok("build -f app:/app --tag small -o small");
    let with = |document: &serde_json::Value, members: &str| {
        let mut document = document.clone();
        // No member occurs twice.
        document
            .as_object_mut()
            .unwrap()
            .retain(|name, _| !members.starts_with(&format!("\"{name}\":")));
        let text = document.to_string();
        let separator = if members.is_empty() { "" } else { "," };
        format!("{}{separator}{members}}}", text.strip_suffix('}').unwrap())
    };
    let put = |text: &str, descriptor: &mut serde_json::Value| {
        let digest = Digest::of(text);
        fs::write(room.path(format!("image/blobs/sha256/{}", digest.hex())), text).unwrap();
        descriptor["digest"] = digest.to_string().into();
        descriptor["size"] = text.len().into();
    };
    let (mut manifest_document, config_document) = room.image("image");
    let mut index_document = room.json("image/index.json");
    put(&with(&config_document, config), &mut manifest_document["config"]);
    put(&with(&manifest_document, manifest), &mut index_document["manifests"][0]);
    fs::write(room.path("image/index.json"), with(&index_document, index)).unwrap();
}

/// Two MiB of values, which would take 180 MiB if they were parsed.
fn values() -> String {
    format!(r#""x":[{}0]"#, r#"{"a":0},"#.repeat((2 << 20) / 8))
}

/// In an index, they stay unchanged when it is edited.
#[test]
fn unknown_members_of_an_index() {
    let room = Room::new();
    layout(&room, &values(), "", "");
    for args in [
        "append small -o image",
        "delete image:small",
        "gc image",
        "fill image",
        "inspect image",
        "verify image",
    ] {
        within(&room, 64, args);
    }
    succeeds(&room, 64, "export image:t -o one.tar");
    succeeds(&room, 64, "export image -o all.tar");
    succeeds(&room, 64, "build --base image:t -f app:/app -o built");
    assert!(fs::read_to_string(room.path("image/index.json")).unwrap().contains(&values()));
}

#[test]
fn unknown_members_of_a_manifest() {
    let room = Room::new();
    layout(&room, "", &values(), "");
    for args in [
        "inspect image",
        "gc image",
        "export image -o tar",
        "build --base image -f app:/app -o built",
    ] {
        succeeds(&room, 64, args);
    }
    within(&room, 64, "verify image");
}

#[cfg(feature = "registry")]
#[test]
fn unknown_members_of_a_manifest_in_a_registry() {
    use std::io::{BufRead, BufReader};

    let room = Room::new();
    layout(&room, "", &values(), "");
    let mut serving = room
        .command(["serve", "image"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim().strip_prefix("http://").unwrap();
    let run = within(&room, 64, &format!("pull {address}/image:t -o pulled"));
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(run.code, Some(0), "{}", run.err);
}

/// Too many values of members that this library knows are refused, without other effects.
#[test]
fn members_of_a_configuration() {
    let room = Room::new();
    let history = format!(r#""history":[{}{{}}]"#, "{},".repeat((2 << 20) / 3));
    let environment = format!(r#""config":{{"Env":[{}""]}}"#, r#""","#.repeat((2 << 20) / 3));
    let volumes = format!(r#""config":{{"Volumes":{{{}}}}}"#, values());
    for config in [&history, &environment, &volumes, &values()] {
        layout(&room, "", "", config);
        for args in ["inspect image", "gc image", "export image -o tar", "verify image"] {
            within(&room, 64, args);
        }
        let said = within(&room, 64, "build --base image -f app:/app -o built").err;
        assert!(said.contains("it has more than "), "{}: {said}", &config[..20]);
        ["image", "small"].iter().for_each(|dir| fs::remove_dir_all(room.path(dir)).unwrap());
    }
}

/// A recipe may have 64 MiB, and each parsed value takes many times the size of its text.
#[test]
fn values_of_a_recipe() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --sparse -o image");
    let recipes = room.path("image/recipes/sha256");
    let path = fs::read_dir(&recipes).unwrap().next().unwrap().unwrap().path();
    let recipe = fs::read_to_string(&path).unwrap();
    let values = format!("\"files\":[{}", r#"{"mode":"","uid":[[],[]]},"#.repeat((32 << 20) / 26));
    fs::write(&path, recipe.replace("\"files\":[", &values)).unwrap();
    for args in [
        "verify image",
        "export image -o tar",
        "fill image",
        "inspect image",
        "build --base image -f app:/a -o b",
    ] {
        let run = within(&room, 100, args);
        assert!(
            run.err.contains("it has more than ") || run.out.contains("it has more than "),
            "{args}: {}",
            run.err
        );
    }
}

/// Time and memory grow linearly with the number of entries, not with its square.
#[test]
fn an_index_of_thousands() {
    let room = Room::new();
    layout(&room, "", "", "");
    let index = room.json("image/index.json");
    let entry = index["manifests"][0].to_string();
    let entries: Vec<_> =
        (0..10_000).map(|n| entry.replace("\"t\"", &format!("\"t{n}\""))).collect();
    let text = index.to_string().replace(&entry, &entries.join(","));
    fs::write(room.path("image/index.json"), text).unwrap();
    for args in [
        "export image -o tar",
        "image-layout image -o again",
        "append image -o again",
        "fill image",
    ] {
        succeeds(&room, 60, args);
    }
    for args in [
        "gc image",
        "delete image:t7",
        "verify image",
        "inspect image",
        "build --base image:t8 -f app:/a -o b",
    ] {
        succeeds(&room, 50, args);
    }
}

/// A tar with one member that has an attribute or holes, and with many names for it.
fn tar(records: &[(&str, &str)], data: &[u8], names: usize) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut add = |kind: tar::EntryType, name: &str, link: &str, data: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    };
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let length = (1..10)
            .map(|digits| digits + rest.len())
            .find(|n| n.to_string().len() + rest.len() == *n)
            .unwrap();
        format!("{length}{rest}")
    };
    let records: String = records.iter().map(record).collect();
    add(tar::EntryType::XHeader, "pax", "", records.as_bytes());
    add(tar::EntryType::Regular, "first", "", data);
    (0..names).for_each(|n| add(tar::EntryType::Link, &format!("name{n}"), "first", &[]));
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A tar of empty files: this many in each of these folders, in this order.
fn tar_of_files(path: &Path, folders: impl Iterator<Item = usize>, files: usize) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    let mut tar = BufWriter::new(fs::File::create(path).unwrap());
    for folder in folders {
        for file in 0..files {
            header.set_path(format!("d{folder:04}/f{file:07}")).unwrap();
            header.set_cksum();
            tar.write_all(header.as_bytes()).unwrap();
        }
    }
    tar.write_all(&[0; 1024]).unwrap();
}

/// An entry takes less than 200 bytes, for any order and place of the members.
#[test]
fn a_tar_of_many_entries() {
    let room = Room::new();
    let (folders, files) = (120, 500);
    let orders: [(&str, Vec<usize>); 3] = [
        ("/", (0..folders).collect()),
        ("/opt/a/long/name/of/an/application", (0..folders).collect()),
        ("/", (0..folders).map(|number| number * 71 % folders).collect()),
    ];
    for (place, order) in orders {
        tar_of_files(&room.path("source.tar"), order.into_iter(), files);
        let text =
            format!(r#"{{ "text": "", "destination": "{place}/d0060/other" }}"#).replace("//", "/");
        let tar = format!(r#"{{ "tar": "source.tar", "destination": "{place}" }}"#);
        fs::write(
            room.path("spec.json"),
            format!(r#"{{ "files": [{tar}, {text}], "compression": "none" }}"#),
        )
        .unwrap();
        succeeds(&room, 36, "layer-tar --spec spec.json -o layer");
        fs::remove_dir_all(room.path("layer")).unwrap();
    }
}

/// A path takes as much memory as all of its ancestors, which have no entries here.
#[test]
fn a_deep_path() {
    let room = Room::new();
    let mut tar = tar::Builder::new(fs::File::create(room.path("deep.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_data(&mut header, "d/".repeat(1000) + "file", &[][..]).unwrap();
    tar.finish().unwrap();
    succeeds(&room, 36, "build -q --tar deep.tar --compression none -t t -o image");
    for args in ["ls image", "unpack image -o root", "squash image -o squashed", "inspect image"] {
        succeeds(&room, 36, args);
    }
}

/// As many files as a large distribution has, and a program of which only a part is kept.
#[test]
fn the_sizes_of_many_files() {
    let room = Room::new();
    tar_of_files(&room.path("many.tar"), 0..100, 500);
    let mut program = fs::read("/bin/sh").unwrap();
    program.resize(100 << 20, 0);
    fs::write(room.path("large"), program).unwrap();
    let run = room.run(
        "build -q --tar many.tar:/ -f large:/bin/large --mode 0755 --compression none \
         --entrypoint /bin/large -o image"
            .split(' ')
            .filter(|word| !word.is_empty()),
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    let said = succeeds(&room, 128, "inspect --size image");
    assert!(said.contains("in 50,001 files"), "{said}");
    for args in ["inspect --size --json image", "inspect --html page.html image"] {
        succeeds(&room, 128, args);
    }
}

/// A file of an image takes less than 200 bytes, a file of two images less than 400.
#[test]
fn an_image_of_many_files() {
    let room = Room::new();
    for (image, other) in [("one", "a"), ("two", "b")] {
        tar_of_files(&room.path("many.tar"), 0..120, 500);
        fs::write(room.path("other"), other).unwrap();
        let build = "build -q --tar many.tar:/ -f other:/d0007/other --compression none";
        room.ok(&format!("{build} -t t -o {image}"));
    }
    for args in
        ["ls one", "ls -l one", "ls --json one", "unpack one --tar one.tar", "unpack one -o root"]
    {
        succeeds(&room, 36, args);
    }
    succeeds(&room, 36, "squash one -o squashed");
    let run = within(&room, 48, "diff one two");
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert!(run.out.contains("d0007/other") && run.out.lines().count() < 30, "{}", run.out);
    succeeds(&room, 48, "layer-diff one two -o layer");
}

#[test]
fn attributes_and_holes_of_a_tar() {
    let room = Room::new();
    let value = "x".repeat(900_000);
    let attribute = [("SCHILY.xattr.user.a", &*value)];
    let parts = 200_000;
    let mut map =
        format!("{parts}\n{}", (0..parts).map(|at| format!("{}\n1\n", 2 * at)).collect::<String>())
            .into_bytes();
    map.resize(map.len().next_multiple_of(512), 0);
    map.resize(map.len() + parts, b'x');
    let size = (2 * parts).to_string();
    let sparse = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", &*size),
        ("GNU.sparse.name", "first"),
    ];
    for (records, data, few, many) in
        [(&attribute[..], &b""[..], 20, 250), (&sparse[..], &map[..], 5, 80)]
    {
        let spec =
            r#"{ "files": [{ "tar": "source.tar", "destination": "/" }], "compression": "none" }"#;
        fs::write(room.path("spec.json"), spec).unwrap();
        for (names, is_taken) in [(few, true), (many, false)] {
            fs::write(room.path("source.tar"), tar(records, data, names)).unwrap();
            let run = within(&room, 180, "layer-tar --spec spec.json -o layer");
            assert_eq!(run.code == Some(0), is_taken, "{names}: {}", run.err);
            let reason = "together with the members before it takes more than 96 MiB of memory";
            assert!(is_taken || run.err.contains(reason), "{}", run.err);
            let _ = fs::remove_dir_all(room.path("layer"));
        }
    }
}
