//! Packages that are folders: those in `node_modules` and `vendor`.

use std::collections::BTreeSet;

use crate::split::{
    file::{Files, join},
    owners::{Key, Kind, Owners},
};

/// Hosts whose modules have two more components.
const HOSTS: [&[u8]; 4] = [b"github.com", b"gitlab.com", b"bitbucket.org", b"codeberg.org"];

/// Gives each package the files in its folder. The outermost folder decides.
pub(crate) fn claim<'a>(files: &Files<'a>, owners: &mut Owners<'a>) {
    let composer: BTreeSet<&[u8]> = files
        .keys()
        .filter_map(|path| path.strip_suffix(b"/autoload.php"))
        .filter(|folder| *folder == b"vendor" || folder.ends_with(b"/vendor"))
        .collect();
    for path in files.keys() {
        if let Some(key) = package(path, &composer) {
            owners.claim(path, &key);
        }
    }
}

fn package(path: &[u8], composer: &BTreeSet<&[u8]>) -> Option<Key> {
    let mut start = 0;
    for name in path.split(|&byte| byte == b'/') {
        let (folder, end) = (&path[..start + name.len()], start + name.len() + 1);
        let rest = || -> Vec<&[u8]> {
            path.get(end..).unwrap_or_default().split(|&byte| byte == b'/').collect()
        };
        let found = match name {
            b"node_modules" => node_package(&rest()).map(|name| (Kind::Node, name)),
            b"vendor" => {
                vendored(&rest(), composer.contains(folder)).map(|name| (Kind::Vendor, name))
            }
            _ => None,
        };
        if let Some((kind, name)) = found {
            return Some(Key { kind, name: join(folder, &name) });
        }
        start = end;
    }
    None
}

/// The package of a path in `node_modules`: `NAME` or `@SCOPE/NAME`. pnpm keeps packages in
/// `.pnpm/NAME@VERSION` and `.pnpm/@SCOPE+NAME@VERSION`, with links to them beside.
fn node_package(path: &[&[u8]]) -> Option<Vec<u8>> {
    match path {
        [b".pnpm", folder, _, ..] => {
            let version = folder.iter().skip(1).position(|&byte| byte == b'@')? + 1;
            let name = &folder[..version];
            let slash = |&byte: &u8| if byte == b'+' { b'/' } else { byte };
            Some(name.iter().map(slash).collect())
        }
        [scope, name, ..] if scope.starts_with(b"@") => Some(join(scope, name)),
        [name, ..] if is_plain(name) && !name.starts_with(b"@") => Some(name.to_vec()),
        _ => None,
    }
}

/// The package of a path in `vendor`.
fn vendored(path: &[&[u8]], has_composer: bool) -> Option<Vec<u8>> {
    if let [b"bundle", b"ruby", _, rest @ ..] = path {
        return gem(rest).map(|name| join(&path[..3].join(&b'/'), name));
    }
    let (&first, folders) = (path.first().filter(|name| is_plain(name))?, path.len() - 1);
    let depth = match first {
        host if HOSTS.contains(&host) => 3,
        b"golang.org" if path.get(1) == Some(&&b"x"[..]) => 3,
        host if host[1..].contains(&b'.') => 2,
        _ if has_composer && folders < 2 => return None,
        _ if has_composer => 2,
        _ => 1,
    };
    let depth = depth.min(folders);
    (depth > 0).then(|| path[..depth].join(&b'/'))
}

/// The name of the gem of a path in `vendor/bundle/ruby/VERSION`.
fn gem<'a>(path: &[&'a [u8]]) -> Option<&'a [u8]> {
    let folder = match path {
        [b"gems" | b"specifications" | b"cache" | b"doc" | b"build_info", folder, ..] => folder,
        [b"extensions", _, _, folder, ..] => folder,
        _ => return None,
    };
    let is_version =
        |at: &usize| folder[*at] == b'-' && folder.get(at + 1).is_some_and(u8::is_ascii_digit);
    (1..folder.len()).find(is_version).map(|end| &folder[..end])
}

/// Whether the name is neither hidden nor empty. Hidden folders have caches and links of a package
/// manager.
fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Option<String> {
        let composer = BTreeSet::from([&b"php/vendor"[..]]);
        package(path.as_bytes(), &composer).map(|key| String::from_utf8(key.name).unwrap())
    }

    #[test]
    fn packages_are_folders_by_convention() {
        for (path, expected) in [
            ("app/node_modules/react/index.js", "app/node_modules/react"),
            ("node_modules/@types/node/index.d.ts", "node_modules/@types/node"),
            ("node_modules/a/node_modules/b/x.js", "node_modules/a"),
            ("node_modules/a/vendor/b/x.js", "node_modules/a"),
            ("node_modules/.pnpm/zod@3.1.0/node_modules/zod/x.js", "node_modules/zod"),
            ("node_modules/.pnpm/@a+b@1.0_c@2/node_modules/@a/b/x.js", "node_modules/@a/b"),
            ("node_modules/zod", "node_modules/zod"),
            ("vendor/github.com/a/b/c/x.go", "vendor/github.com/a/b"),
            ("vendor/golang.org/x/net/html/x.go", "vendor/golang.org/x/net"),
            ("vendor/gopkg.in/yaml.v3/x.go", "vendor/gopkg.in/yaml.v3"),
            ("vendor/go.uber.org/zap/zapcore/x.go", "vendor/go.uber.org/zap"),
            ("php/vendor/symfony/console/src/x.php", "php/vendor/symfony/console"),
            ("php/vendor/composer/semver/src/x.php", "php/vendor/composer/semver"),
            ("vendor/serde/src/lib.rs", "vendor/serde"),
            (
                "vendor/bundle/ruby/3.3.0/gems/rack-test-2.1/x.rb",
                "vendor/bundle/ruby/3.3.0/rack-test",
            ),
            (
                "vendor/bundle/ruby/3.3.0/specifications/nokogiri-1.16-x86_64-linux.gemspec",
                "vendor/bundle/ruby/3.3.0/nokogiri",
            ),
            (
                "vendor/bundle/ruby/3.3.0/extensions/x86_64-linux/3.3.0/bcrypt-3.1/x.so",
                "vendor/bundle/ruby/3.3.0/bcrypt",
            ),
        ] {
            assert_eq!(name(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn other_files_belong_to_no_package() {
        for path in [
            "app/main.js",
            "node_modules/.bin/tsc",
            "node_modules/.package-lock.json",
            "node_modules/@types",
            "node_modules/.pnpm/lock.yaml",
            "my_node_modules/a/x.js",
            "vendor/modules.txt",
            "php/vendor/autoload.php",
            "php/vendor/bin/phpunit",
            "php/vendor/composer/installed.json",
            "vendor/bundle/ruby/3.3.0/bin/rackup",
            "vendor/.cache/a/b",
            "vendor/",
            "node_modules//x",
            "vendor",
            "",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }
}
