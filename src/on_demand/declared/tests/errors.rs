//! What is refused, and what the sentences say.

use super::names;
use crate::on_demand::declared::{document::Language, images as images_of, parse};

#[test]
fn errors_name_the_place_the_image_and_the_member() {
    let image = |members: &str| format!("images:\n- {{ name: a/b, contents: [c], {members} }}");
    for (text, expected) in [
        ("images: [{ contents: [c] }]".to_owned(), "file, images[0]: the member name is missing"),
        ("- { name: a/b }".to_owned(), "file[0] (a/b): the member contents is missing"),
        ("images: [{ name: A, contents: [c] }]".to_owned(), "file, images[0] (A), name \"A\": a"),
        ("images: [{ name: a, contents: [] }]".to_owned(), "(a), contents: the list is empty"),
        ("images: [{ name: a, contents: [a b] }]".to_owned(), "(a), contents: \"a b\" is not a"),
        ("images: [{ name: a, contents: [a.b.c.d.e] }]".to_owned(), "at most 4 parts"),
        ("images: [{ name: a, contents: [shell/git] }]".to_owned(), "\"shell/git\" is not a"),
        ("images: [{ name: a, contents: [arm64, b] }]".to_owned(), "contents, \"arm64\": this is a"),
        ("images: [{ name: a, contents: [1.10] }]".to_owned(), "found the number 1.1: put it in"),
        (image("tag: v1"), "file, images[0] (a/b)"),
        (image("tags: [1.10]"), "images[0] (a/b), tags: expected a string, found the number 1.1"),
        (image("tags: []"), "(a/b), tags: the list is empty"),
        (image("tags: [v1, .x]"), "(a/b), tags, \".x\": a tag has"),
        (image("tags: v1"), "(a/b), tags: expected a list, found \"v1\""),
        (image("tags: [v1, v1]"), "a/b:v1 is declared already in file, images[0]"),
        (image("source: --upload"), "(a/b), source, \"--upload\": a tag has"),
        (image("platform: linux/vax"), "(a/b), platform: no packages are known for \"linux/vax\""),
        (image("platform: vax"), "(a/b), platform: "),
        (image("user: a:b:c"), "(a/b), user \"a:b:c\": write a name, or UID[:GID]"),
        (image("files: { etc/x: y }"), "(a/b), files, \"etc/x\": write an absolute path"),
        (image("files: { /etc/../x: y }"), "(a/b), files, \"/etc/../x\": write an absolute path"),
        (image("files: { /x: [y] }"), "(a/b), files, \"/x\": expected a text or an object"),
        (image("files: { /x: { mode: 0644 } }"), "files, \"/x\": the member text is missing"),
        (image("files: { /x: { text: y, mode: 0999 } }"), "files, \"/x\": mode: expected a string"),
        (image("files: { /x: { text: y, mod: 0644 } }"), "files, \"/x\": unknown member \"mod\""),
        (image("files: [/x]"), "(a/b), files: expected an object of paths"),
        (image("config: { User: root }"), "file, images[0] (a/b), config"),
        (image("config: { Env: [PORT] }"), "images[0] (a/b)"),
        (image("config: { Cmd: run }"), "images[0] (a/b)"),
        (image("config: { ExposedPorts: { http: {} } }"), "images[0] (a/b)"),
        (image("config: [Cmd]"), "(a/b), config: expected a JSON object"),
        ("images: {}".to_owned(), "file, images: expected a list, found {}"),
        ("images: [a]".to_owned(), "file, images[0]: expected an image, found \"a\""),
        ("images: []\nname: a".to_owned(), "file"),
        ("{}".to_owned(), "file: expected images, which is a list of images, or an image"),
        ("just text".to_owned(), "file: expected images, which is a list of images, found"),
        ("name: a\ncontents: [b]\n---\nname: a".to_owned(), "file, document 2 (a): the member"),
        ("".to_owned(), "file: the file is empty"),
        ("images: [\n".to_owned(), "file: not YAML: "),
        ("images: []\nimages: []".to_owned(), "file: not YAML: "),
        (
            "apiVersion: packages.oci-layout/v2\nkind: DeclaredImage".to_owned(),
            "apiVersion packages.oci-layout/v1alpha1, found \"DeclaredImage\" and \
             \"packages.oci-layout/v2\"",
        ),
        ("apiVersion: v1\nkind: Secret".to_owned(), "found \"Secret\" and \"v1\""),
        (
            "apiVersion: packages.oci-layout/v1alpha1\nkind: DeclaredImage\nspecs: {}".to_owned(),
            "file",
        ),
        (
            "apiVersion: packages.oci-layout/v1alpha1\nkind: DeclaredImage".to_owned(),
            "file: spec: expected an object",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: [{ apiVersion: packages.oci-layout/v1alpha1, kind: \
             DeclaredImage, metadata: { name: x }, spec: {} }]"
                .to_owned(),
            "file, items[0], spec (x): the member contents is missing",
        ),
        ("apiVersion: v1\nkind: List".to_owned(), "file, items: expected a list"),
    ] {
        let message = message(&text, Language::Yaml);
        assert!(message.contains(expected), "{text}\n  gave {message}\n  expected {expected}");
    }
}

/// The error of a file with this text.
fn message(text: &str, language: Language) -> String {
    let images = parse("file", text, language).and_then(|images| images_of(images, &names()));
    images.unwrap_err().to_string()
}

#[test]
fn unknown_members_are_named_with_the_known_ones() {
    let text = |member: &str| format!(r#"{{ "name": "a", "contents": ["b"], {member} }}"#);
    for (member, named, known) in [
        (r#""tag": "v1""#, "\"tag\"", "tags"),
        (r#""config": { "User": "root" }"#, "\"User\"", "StopSignal"),
        (r#""config": { "env": [], "Entry": [] }"#, "\"Entry\"", "Entrypoint"),
    ] {
        let message = message(&text(member), Language::Json);
        assert!(message.contains(named) && message.contains(known), "{message}");
    }
}

#[test]
fn faults_of_the_language_have_a_line() {
    for (text, language, expected) in [
        ("[[images]]\nname = \"a\"\nname = \"b\"\n", Language::Toml, "not TOML, in line 3: "),
        ("[[images]]\nname =\n", Language::Toml, "not TOML, in line 2: "),
        ("{\n\"images\": [\n}", Language::Json, "line 3"),
        ("{ \"a\": 1,\n \"a\": 2 }", Language::Json, "the member \"a\" is given twice at line 2"),
        ("images:\n  - name: a\n name: b\n", Language::Yaml, "line 3"),
        ("images: []\nimages: []\n", Language::Yaml, "line 2"),
    ] {
        let message = message(text, language);
        assert!(message.contains(expected), "{text}\n  gave {message}");
    }
}

#[test]
fn a_file_cannot_take_all_memory() {
    // A billion strings.
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip("abcdefgh".chars()) {
        text += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "));
    }
    assert!(message(&text, Language::Yaml).contains("not YAML"));
    for language in [Language::Yaml, Language::Json] {
        assert!(message(&"[".repeat(100_000), language).contains("not "));
    }
    assert!(message(&format!("a = {}", "[".repeat(100_000)), Language::Toml).contains("not TOML"));
    let merged = format!("a: &a {{ b: c }}\nd: {{ {} }}", "<<: *a, ".repeat(50_000));
    assert!(!message(&merged, Language::Yaml).is_empty());
}
