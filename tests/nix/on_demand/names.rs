//! What names mean.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oci_layout::on_demand::{NameOptions, Names, PackageSource};
use oci_layout::registry::NamedImageErrorKind::{Failed, NameInvalid, NameUnknown};
use oci_layout::registry::Stop;
use serde_json::Value;

use super::{Set, assert_no_path, resolve, system};
use crate::common::tool::tool;
use crate::nix::versions::{Nix, Version, for_each_nix};

for_each_nix!(
    names_mean_packages,
    names_that_mean_no_package_are_refused,
    errors_of_packages_are_those_of_their_names,
    package_sets_of_other_forms_work,
);

fn names_mean_packages(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    for (names, expected) in [
        (&["hello"][..], &[("hello", "hello", Some("1.2"), &["out"][..])][..]),
        (&["perlpackages.dbi"], &[("perlPackages.DBI", "perl-DBI", Some("1.6"), &["out"])]),
        (&["perlPackages.DBI"], &[("perlPackages.DBI", "perl-DBI", Some("1.6"), &["out"])]),
        (&["nested.deep.er"], &[("nested.deep.er", "deeper", Some("1"), &["out"])]),
        (&["7zz"], &[("_7zz", "7zz", Some("24"), &["out"])]),
        (&["camelcase"], &[("camelCase", "camel", Some("1"), &["out"])]),
        (&["exact"], &[("exact", "exact", Some("1"), &["out"])]),
        (&["EXACT"], &[("EXACT", "exact", Some("2"), &["out"])]),
        (&["Twice"], &[("Twice", "twice", Some("1"), &["out"])]),
        (&["plus.gtk+3"], &[("plus.gtk+3", "gtk", Some("3"), &["out"])]),
        (&["program.dev"], &[("program", "program", Some("3"), &["dev"])]),
        (&["program", "program.DEV"], &[("program", "program", Some("3"), &["out", "dev"])]),
        // The same package by two names, and twice by one.
        (&["hello", "pkgs.hello", "hello.out"], &[("hello", "hello", Some("1.2"), &["out"])]),
        (&["pkgs.hello"], &[("pkgs.hello", "hello", Some("1.2"), &["out"])]),
        (
            &["library", "hello"],
            &[
                ("hello", "hello", Some("1.2"), &["out"]),
                ("library", "library", Some("2"), &["out"]),
            ],
        ),
        // Optional packages that are missing, throw or abort.
        (&["hello?", "nothing?"], &[("hello", "hello", Some("1.2"), &["out"])]),
        (&["hello", "unfree?"], &[("hello", "hello", Some("1.2"), &["out"])]),
        (&["aborting?", "hello"], &[("hello", "hello", Some("1.2"), &["out"])]),
        (&[], &[]),
    ] {
        let resolved = resolve(&packages, names).unwrap_or_else(|e| panic!("{names:?}: {e:?}"));
        let found: Vec<_> = resolved
            .packages
            .iter()
            .map(|package| {
                let outputs: Vec<&str> =
                    package.outputs.iter().map(|(name, _)| name.as_str()).collect();
                let version = package.version.as_deref();
                (package.attribute.as_str(), package.name.as_str(), version, outputs)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(attribute, name, version, outputs)| {
                (*attribute, *name, *version, outputs.to_vec())
            })
            .collect();
        assert_eq!(found, expected, "{names:?}");
        assert_eq!(resolved.system, system());
    }
    let hello = resolve(&packages, &["hello"]).unwrap();
    assert_eq!(hello.packages[0].main_program.as_deref(), Some("hi"));
    assert!(hello.packages[0].derivation.exists(), "evaluation writes the derivation");
    assert!(!hello.packages[0].outputs[0].1.exists(), "and builds nothing");
}

fn names_that_mean_no_package_are_refused(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    for (name, expected) in [
        (
            "helo",
            "helo is unknown, because the package set has no \"helo\"; similar names are hello",
        ),
        ("camel", "similar names are camelCase"),
        ("qqqqqqqq", "qqqqqqqq is unknown, because the package set has no \"qqqqqqqq\""),
        ("perlpackages.db", "because perlPackages has no \"db\"; similar names are DBI"),
        ("twice", "twice can mean Twice or tWice"),
        ("perlpackages", "perlpackages is a set of packages, and not a package"),
        ("function", "function is a function, and not a package"),
        ("functor", "functor is a set of packages, and not a package"),
        ("text", "text is not a package, and not a package"),
        ("text.a", "text.a is not a package, because text is not a set of packages"),
        ("function.a", "function.a is not a package, because function is not a set of packages"),
        ("hello.override", "not an output of the package hello, which has out"),
        ("hello.drvattrs", "not an output of the package hello, which has out"),
        ("hello.drvAttrs", "not an output of the package hello, which has out"),
        ("hello.src", "not an output of the package hello, which has out"),
        ("hello.tests.one", "an output of a package, which contains nothing"),
        ("hello.out.out", "an output of a package, which contains nothing"),
        ("program.doc", "not an output of the package program, which has out, dev"),
        ("elsewhere", "elsewhere is a package for mips-linux only"),
    ] {
        let error = resolve(&packages, &["hello", name]).unwrap_err();
        assert_eq!(error.kind, NameUnknown, "{name}: {error}");
        assert!(error.message.contains(expected), "{name}: {error}");
        assert_no_path(&set, &error);
    }
    // All unknown names are reported at once.
    let error = resolve(&packages, &["one1", "two2", "unfree"]).unwrap_err();
    assert!(error.message.contains("one1 is unknown"), "{error}");
    assert!(error.message.contains("; two2 is unknown"), "{error}");
}

fn errors_of_packages_are_those_of_their_names(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    for (name, reason) in [
        ("unfree", "unfree licence, says …"),
        ("unfreeinside", "not for you"),
        ("aborting", "given up"),
        ("missing", "attribute 'nothing' missing"),
        ("recursive", "infinite recursion encountered"),
    ] {
        for names in [&[name][..], &["hello", name, "library"]] {
            let error = resolve(&packages, names).unwrap_err();
            assert_eq!(error.kind, Failed, "{names:?}: {error}");
            let expected = format!("{name} cannot be evaluated: ");
            assert!(error.message.starts_with(&expected), "{names:?}: {error}");
            assert!(error.message.contains(reason), "{names:?}: {error}");
            assert!(error.detail.as_ref().unwrap().contains("error:"));
            assert_no_path(&set, &error);
        }
    }
}

fn package_sets_of_other_forms_work(nix: Nix) {
    let set = Set::new(&nix);
    let inner = set.folder.join("set.nix");
    fs::rename(set.folder.join("default.nix"), inner).unwrap();
    for text in [
        "{ system }: import ./set.nix { inherit system; }",
        "{ system, ... }@all: import ./set.nix all",
        "arguments: import ./set.nix arguments",
        "import ./set.nix { system = \"SYSTEM\"; }",
        "{ config, overlays, system ? \"SYSTEM\" }: assert config == { } && overlays == [ ]; import \
         ./set.nix { inherit system config overlays; }",
    ] {
        let text = text.replace("SYSTEM", system());
        fs::write(set.folder.join("default.nix"), &text).unwrap();
        let found = resolve(&set.packages(|_| ()), &["hello"]);
        assert_eq!(found.unwrap_or_else(|e| panic!("{text}: {e:?}")).packages.len(), 1);
    }
    fs::write(set.folder.join("default.nix"), "syntax error").unwrap();
    let error = resolve(&set.packages(|_| ()), &["hello"]).unwrap_err();
    assert_eq!(error.kind, Failed);
    assert!(error.message.starts_with("hello cannot be evaluated: "), "{error}");
    assert_no_path(&set, &error);
}

/// A `nix-instantiate` that writes its arguments into a file.
#[test]
fn what_clients_write_reaches_nix_only_as_a_value_in_json() {
    let nix = Nix::new(Version::System);
    let set = Set::new(&nix);
    let programs = nix.folder().join("programs");
    fs::create_dir(&programs).unwrap();
    let calls = nix.folder().join("calls");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\0' \"$@\" >> {0}\nprintf '\\n\\n\\0' >> {0}\nexec nix-instantiate \"$@\"\n",
        calls.display()
    );
    fs::write(programs.join("nix-instantiate"), script).unwrap();
    fs::set_permissions(programs.join("nix-instantiate"), fs::Permissions::from_mode(0o755))
        .unwrap();
    let packages = set.packages(|options| options.programs = Some(programs.clone()));
    let names = Names::new(NameOptions::default()).unwrap();

    let mut corpus: Vec<String> = [
        "${builtins.readFile /etc/passwd}",
        "a${x}",
        "\"",
        "\\\"",
        "''",
        "''${x}",
        "a'b",
        "a\"b",
        "a;b",
        "a b",
        "a\nb",
        "a\0b",
        "%2f",
        "a%2fb",
        "..",
        "a/../b",
        ".",
        "./a",
        "/etc/passwd",
        "--expr",
        "-A",
        "--option",
        "<nixpkgs>",
        "a.b.c.d.e",
        "a..b",
        ".a",
        "a.",
        "(import ./.)",
        "builtins.exec",
        "__functor",
        "_type",
        "}:{",
        "$(id)",
        "`id`",
        "a|b",
        "hello!out",
        "*",
        "{\"a\":1}",
        "]}",
        "hello.drvAttrs",
        "hello.override",
        "\u{202e}a",
        "é",
        "hello?x=1",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    corpus.push("a".repeat(300));
    corpus.extend((0..=255_u8).map(|byte| format!("a{}", byte as char)));

    let stop = Stop::default();
    let revision = packages.revision("latest", &stop).unwrap();
    let mut refused = 0;
    // A question mark is for operators: no registry's name has one.
    for name in corpus.iter().filter(|name| !name.ends_with('?')) {
        // As a registry's name, and as a name of a package that no parser looked at.
        if let Ok(contents) = names.contents(name) {
            let _ = packages.resolve(&revision, system(), &contents.packages, &stop);
        } else {
            refused += 1;
        }
        match packages.resolve(&revision, system(), std::slice::from_ref(name), &stop) {
            Ok(_) => panic!("{name:?} is a package"),
            Err(error) => {
                assert!([NameInvalid, NameUnknown].contains(&error.kind), "{name:?}: {error:?}");
                // It may quote what the client wrote.
                if !error.message.contains(name) {
                    assert_no_path(&set, &error);
                }
            }
        }
    }
    assert!(refused > 200, "{refused}");
    assert_only_values(&calls);
}

/// Every call has the same arguments, except for the JSON text.
fn assert_only_values(calls: &Path) {
    let text = fs::read_to_string(calls).unwrap();
    let calls: Vec<Vec<&str>> = text
        .split("\n\n\0")
        .filter(|call| !call.is_empty())
        .map(|call| call.strip_suffix('\0').unwrap().split('\0').collect())
        .collect();
    assert!(calls.len() > 30, "{}", calls.len());
    let at = calls[0].iter().position(|argument| *argument == "request").unwrap() + 1;
    for call in &calls {
        let request: Value = serde_json::from_str(call[at]).unwrap();
        let members: Vec<&str> = request.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["catch", "kind", "names", "place", "system"]);
        assert!(
            request["names"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|name| name.as_array().unwrap())
                .all(Value::is_string)
        );
        let others = |call: &[&str]| -> Vec<String> {
            let others = call.iter().enumerate().filter(|(index, _)| *index != at);
            others.map(|(_, argument)| (*argument).to_owned()).collect()
        };
        assert_eq!(others(call), others(&calls[0]));
    }
    // The script is run by a shell, which must not be a part of the test.
    assert!(tool("nix-instantiate").arg("--version").output().unwrap().status.success());
}
