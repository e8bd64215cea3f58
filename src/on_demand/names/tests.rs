use proptest::prelude::*;

use super::*;

fn names(options: NameOptions) -> Names {
    Names::new(options).unwrap()
}

/// Options whose images contain nothing but what their names say.
fn plain() -> NameOptions {
    NameOptions { always: Vec::new(), ..NameOptions::default() }
}

fn packages(name: &str) -> Vec<String> {
    names(plain()).contents(name).unwrap().packages
}

fn with_metapackages(metapackages: &[(&str, Metapackage)]) -> NameOptions {
    let metapackages = metapackages.iter().map(|(name, of)| ((*name).to_owned(), of.clone()));
    NameOptions { metapackages: metapackages.collect(), ..plain() }
}

fn refused(names: &Names, name: &str) -> String {
    let error = names.contents(name).unwrap_err();
    assert_eq!(error.kind, NameInvalid, "{name}");
    error.message
}

#[test]
fn order_and_repetition_do_not_matter() {
    assert_eq!(packages("b/a/a"), ["a", "b"]);
    assert_eq!(packages("a/b"), packages("b/a"));
    assert_ne!(packages("a"), packages("a/b"));
    assert_eq!(packages("perlpackages.dbi/7zz"), ["7zz", "perlpackages.dbi"]);
}

#[test]
fn the_first_component_can_be_a_platform() {
    let names = names(plain());
    let platform = |name: &str| names.contents(name).unwrap().platform.to_string();
    assert_eq!(platform("git"), "linux/amd64");
    assert_eq!(platform("arm64/git"), "linux/arm64");
    assert_eq!(platform("armv7/git"), "linux/arm/v7");
    assert_eq!(names.contents("amd64/git").unwrap(), names.contents("git").unwrap());
    assert!(refused(&names, "git/arm64").contains("write it first, as in arm64/shell"));
    assert!(refused(&names, "arm64/amd64/git").contains("amd64 is a platform"));
    assert!(refused(&names, "arm64").contains("only a platform"));
}

#[test]
fn metapackages_stand_for_packages_and_settings() {
    let shell = packages("shell");
    assert!(shell.contains(&"bashInteractive".to_owned()), "{shell:?}");
    assert!(shell.contains(&"less?".to_owned()), "{shell:?}");
    // A package that is named is needed.
    let with_less = packages("shell/less");
    assert!(with_less.contains(&"less".to_owned()), "{with_less:?}");
    assert!(!with_less.contains(&"less?".to_owned()), "{with_less:?}");

    let web = Metapackage {
        packages: vec!["nginx".to_owned()],
        user: Some("1000:1000".to_owned()),
        environment: [("PORT".to_owned(), "80".to_owned())].into(),
        command: vec!["nginx".to_owned()],
        files: [("/etc/motd".to_owned(), "hello\n".into())].into(),
    };
    let names = names(with_metapackages(&[("web", web.clone())]));
    let contents = names.contents("git/web").unwrap();
    assert_eq!(contents.packages, ["git", "nginx"]);
    assert_eq!(contents.user, web.user);
    assert_eq!(contents.environment, web.environment);
    assert_eq!(contents.command, web.command);
    assert_eq!(contents.files, web.files);
    assert_eq!(names.words(), ["debug", "network", "shell", "web"]);
}

#[test]
fn metapackages_that_contradict_each_other_are_refused_in_any_order() {
    let of = |change: fn(&mut Metapackage, String)| {
        let make = |value: &str| {
            let mut metapackage = Metapackage::default();
            change(&mut metapackage, value.to_owned());
            metapackage
        };
        [("x", make("1")), ("y", make("2")), ("z", make("1"))]
    };
    for (metapackages, what) in [
        (of(|m, value| m.user = Some(value)), "the user"),
        (of(|m, value| m.command = vec![value]), "the command"),
        (of(|m, value| _ = m.environment.insert("V".to_owned(), value)), "the variable V"),
        (of(|m, value| _ = m.files.insert("/f".to_owned(), value.into())), "the file /f"),
    ] {
        let names = names(with_metapackages(&metapackages));
        let message = refused(&names, "y/x");
        assert!(message.starts_with("x and y cannot be in one image"), "{message}");
        assert!(message.contains(what), "{message}");
        assert_eq!(refused(&names, "x/y"), message);
        assert!(names.contents("x/z").is_ok());
    }
}

#[test]
fn aliases_spell_what_clients_cannot() {
    let aliases = [("gtk3".to_owned(), "gtk+3".to_owned())].into();
    let names = names(NameOptions { aliases, ..plain() });
    assert_eq!(names.contents("gtk3/a").unwrap().packages, ["a", "gtk+3"]);
}

#[test]
fn every_image_contains_what_the_operator_adds() {
    let names = names(NameOptions::default());
    assert_eq!(names.contents("git").unwrap().packages, ["cacert?", "git"]);
    assert_eq!(names.contents("cacert").unwrap().packages, ["cacert"]);
}

#[test]
fn limits_have_an_edge() {
    let names = names(plain());
    let many = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>().join("/");
    assert_eq!(names.contents(&many(32)).unwrap().packages.len(), 32);
    assert!(refused(&names, &many(33)).contains("33 packages: choose at most 32"));
    let repeated = ["a"; 100].join("/");
    assert_eq!(names.contents(&repeated).unwrap().packages, ["a"]);
    assert!(names.contents(&"a".repeat(255)).is_ok());
    refused(&names, &"a".repeat(256));
    assert!(names.contents("a.b.c.d").is_ok());
    assert!(refused(&names, "a.b.c.d.e").contains("at most 4 parts"));
}

#[test]
fn malformed_names_are_refused() {
    let names = names(plain());
    for name in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/../b",
        "..",
        ".",
        "a/.b",
        "a${b}",
        "a%2fb",
        "a\"b",
        "a b",
        "a\n",
        "a\0b",
        "-a",
        "--version",
        "a@b",
        "a:b",
        "a?",
        "ä",
        "a;b",
        "a'",
        "$(a)",
        "<nixpkgs>",
        "a..b",
        "_a",
    ] {
        refused(&names, name);
    }
    for byte in (0..=255_u8).filter(|b| !b.is_ascii_lowercase() && !b.is_ascii_digit()) {
        refused(&names, &String::from_utf8_lossy(&[b'a', b'/', byte]));
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    let alias = |name: &str, package: &str| NameOptions {
        aliases: [(name.to_owned(), package.to_owned())].into(),
        ..plain()
    };
    let metapackage = |change: fn(&mut Metapackage)| {
        let mut metapackage = Metapackage::default();
        change(&mut metapackage);
        with_metapackages(&[("x", metapackage)])
    };
    for (options, expected) in [
        (alias("A", "a"), "alias \"A\": clients cannot write this name"),
        (alias("a/b", "a"), "clients cannot write this name"),
        (alias("arm64", "a"), "the name of a platform"),
        (alias("a", "${a}"), "alias \"a\", \"${a}\": it is not the name of a package"),
        (alias("a", "-a"), "it is not the name of a package"),
        (
            NameOptions { aliases: alias("x", "a").aliases, ..metapackage(|_| ()) },
            "a metapackage has the same name",
        ),
        (NameOptions { always: vec!["a b".to_owned()], ..plain() }, "always, \"a b\""),
        (NameOptions { platform: Platform::new("plan9", "amd64"), ..plain() }, "plan9/amd64"),
        (metapackage(|m| m.packages = vec!["a/b".to_owned()]), "packages, \"a/b\""),
        (metapackage(|m| m.user = Some("a:b:c".to_owned())), "user \"a:b:c\""),
        (metapackage(|m| _ = m.environment.insert("A=B".into(), "".into())), "\"A=B\""),
        (metapackage(|m| _ = m.files.insert("etc/x".into(), "".into())), "\"etc/x\""),
        (metapackage(|m| _ = m.files.insert("/../x".into(), "".into())), "\"/../x\""),
        (metapackage(|m| _ = m.files.insert("/".into(), "".into())), "files, \"/\""),
    ] {
        let message = Names::new(options).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn options_are_read_from_json_and_unknown_members_are_refused() {
    let text = r#"{"metapackages": {"web": {"packages": ["nginx"]}}, "aliases": {"gtk": "gtk+"}}"#;
    let options: NameOptions = serde_json::from_str(text).unwrap();
    assert_eq!(options.always, ["cacert?"]);
    assert_eq!(options.metapackages["web"].packages, ["nginx"]);
    assert!(serde_json::from_str::<NameOptions>(r#"{"alias": {}}"#).is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_name_or_refused(text in any::<String>()) {
        let _ = names(NameOptions::default()).contents(&text);
    }

    #[test]
    fn contents_do_not_depend_on_the_order(
        components in prop::collection::vec("[a-z0-9]{1,3}(\\.[a-z]{1,2}){0,2}|shell|network", 1..8),
        order in any::<u64>(),
    ) {
        let names = names(NameOptions::default());
        let mut other = components.clone();
        other.sort_by_key(|component| order.wrapping_mul(component.len() as u64 * 31 + u64::from(component.as_bytes()[0])));
        other.push(components[0].clone());
        let is_platform = |component: &String| systems::of_prefix(component).is_some();
        prop_assume!(!components.iter().any(is_platform));
        let contents = names.contents(&components.join("/"));
        prop_assert!(contents.is_ok());
        prop_assert_eq!(contents, names.contents(&other.join("/")));
    }
}
