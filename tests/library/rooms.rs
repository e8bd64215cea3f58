//! The modules of the library are in rooms, and each imports only rooms below it. No two files
//! import each other, directly or through others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use walkdir::WalkDir;

/// The lowest room first. `docs/architecture.md` describes each.
const ROOMS: [&str; 24] = [
    "basics",
    "pool",
    "signature",
    "closure",
    "split",
    "document",
    "tarfile",
    "store",
    "recipe",
    "blob",
    "layer",
    "image",
    "rootfs",
    "report",
    "sbom",
    "layout",
    "verify",
    "check",
    "archive",
    "folder",
    "registry",
    "on_demand",
    "nix",
    "serve_config",
];

/// An import: the line, and the module.
type Import = (usize, String);

/// The imports of each module, except for those of tests.
fn imports() -> BTreeMap<String, Vec<Import>> {
    let files = WalkDir::new("src").into_iter().map(|entry| entry.unwrap().into_path());
    let module = |path: &std::path::Path| {
        Some(path.to_str()?.strip_prefix("src/")?.strip_suffix(".rs")?.replace('/', "::"))
    };
    let is_tested = |module: &str| {
        let is_for_tests =
            |part| ["lib", "bin", "tests", "model", "modelled", "fuzzing"].contains(&part);
        !module.split("::").any(is_for_tests)
    };
    let texts: BTreeMap<String, String> = files
        .filter_map(|path| Some((module(&path)?, fs::read_to_string(path).ok()?)))
        .filter(|(module, _)| is_tested(module))
        .collect();
    let of = |module: &String, text: &String| {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code: String =
            code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
        let mut imports = Vec::new();
        for (at, _) in code.match_indices("crate::") {
            let line = code[..at].lines().count();
            for path in paths(&code[at + "crate::".len()..]) {
                let imported = file(path.clone(), &texts);
                let imported = imported.unwrap_or_else(|| {
                    panic!("{}:{line} imports {path} by the root", place(module))
                });
                imports.push((line, imported));
            }
        }
        // A declared module needs no import.
        for child in code.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';')) {
            let used = code.match_indices(&format!("{child}::")).find(|(at, _)| {
                !code[..*at].ends_with(|before: char| {
                    before.is_alphanumeric() || before == '_' || before == ':'
                })
            });
            imports.extend(used.and_then(|(at, _)| {
                Some((code[..at].lines().count(), file(format!("{module}::{child}"), &texts)?))
            }));
        }
        imports.retain(|(_, imported)| imported != module);
        imports
    };
    texts.iter().map(|(module, text)| (module.clone(), of(module, text))).collect()
}

/// The paths of a tree as in `a::{b, c::{self, d}}`, at the beginning of this text.
fn paths(text: &str) -> Vec<String> {
    let (mut paths, mut above, mut path) = (Vec::new(), Vec::new(), String::new());
    for character in text.chars() {
        match character {
            '{' => above.push(path.clone()),
            ',' | '}' if !above.is_empty() => {
                let prefix = above.last().unwrap().clone();
                // Nothing follows a group.
                if path != prefix {
                    paths.push(path);
                }
                if character == '}' {
                    above.pop();
                }
                match above.last() {
                    Some(prefix) => path = prefix.clone(),
                    None => return paths,
                }
            }
            ':' | '_' => path.push(character),
            character if character.is_alphanumeric() => path.push(character),
            character if character.is_whitespace() && !above.is_empty() => {}
            _ => break,
        }
    }
    paths.push(path);
    paths
}

/// The module whose file has what this path names.
fn file(path: String, files: &BTreeMap<String, String>) -> Option<String> {
    let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]);
    ends.map(|end| &path[..end])
        .filter(|module| files.contains_key(*module))
        .last()
        .map(str::to_owned)
}

fn place(module: &str) -> String {
    format!("src/{}.rs", module.replace("::", "/"))
}

#[test]
fn imports_lead_down() {
    let imports = imports();
    let room = |module: &str| {
        let name = module.split("::").next().unwrap();
        let found = ROOMS.iter().position(|room| *room == name);
        found.unwrap_or_else(|| panic!("{} is in no room of tests/library/rooms.rs", place(module)))
    };
    let mut count = 0;
    for (module, imports) in &imports {
        for (line, imported) in imports {
            let leads_down = room(imported) <= room(module);
            assert!(
                leads_down,
                "{}:{line} imports {imported}, which is in a room above",
                place(module)
            );
            count += 1;
        }
    }
    assert!(count > 1000, "only {count} imports found");
}

#[test]
fn imports_make_no_circle() {
    fn visit(
        module: &str,
        imports: &BTreeMap<String, Vec<Import>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) {
        if done.contains(module) {
            return;
        }
        for (line, imported) in &imports[module] {
            way.push(format!("{}:{line} imports {imported}", place(module)));
            let first = way.iter().position(|step| step.starts_with(&(place(imported) + ":")));
            assert!(first.is_none(), "a circle:\n{}", way[first.unwrap()..].join("\n"));
            visit(imported, imports, way, done);
            way.pop();
        }
        done.insert(module.to_owned());
    }
    let (imports, mut done) = (imports(), BTreeSet::new());
    for module in imports.keys() {
        visit(module, &imports, &mut Vec::new(), &mut done);
    }
}

#[test]
fn trees_of_imports_are_read() {
    let read = paths("a::{b, c::{self, D}, e}; crate::f");
    assert_eq!(read, ["a::b", "a::c::self", "a::c::D", "a::e"]);
    assert_eq!(paths("a::b::C, x"), ["a::b::C"]);
    assert_eq!(paths("a::{b::{c, d}};"), ["a::b::c", "a::b::d"]);
}
