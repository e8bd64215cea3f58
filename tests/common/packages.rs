//! A package set in a folder, which stands for Nix: packages of files that refer to each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use oci_layout::{
    Digest,
    on_demand::{
        ClosurePath, ImageContents, ImageNames, Package, PackageImages, PackageImagesOptions,
        PackageSource, Resolved,
    },
    registry::{NamedImageError, NamedImageErrorKind, Stop},
};
use serde_json::json;
use walkdir::WalkDir;

/// Packages, and what was asked of them. All clones share one state.
#[derive(Clone)]
pub struct Packages(Arc<Mutex<Inner>>);

struct Inner {
    store: PathBuf,
    revision: String,
    packages: BTreeMap<String, Made>,
    calls: Vec<String>,
    roots: Vec<PathBuf>,
    /// The packages that count as built on this machine.
    built: BTreeSet<String>,
    /// Whether the closure is what it was before, whatever the store has.
    remembered: Option<Vec<ClosurePath>>,
    remembers: bool,
}

#[derive(Clone, Default)]
struct Made {
    version: String,
    /// Files that are executable, or links if the text begins with `->`.
    files: Vec<(String, Vec<u8>)>,
    needs: Vec<String>,
    main_program: Option<String>,
}

impl Packages {
    /// An empty set, whose store is this folder.
    pub fn new(store: impl Into<PathBuf>) -> Self {
        let store = store.into();
        fs::create_dir_all(&store).unwrap();
        Self(Arc::new(Mutex::new(Inner {
            store,
            revision: "r1".to_owned(),
            packages: BTreeMap::new(),
            calls: Vec::new(),
            roots: Vec::new(),
            built: BTreeSet::new(),
            remembered: None,
            remembers: false,
        })))
    }

    /// `libc`, which `hello` and `shell` need; `hello` has one program, and `shell` several.
    pub fn usual(store: impl Into<PathBuf>) -> Self {
        let packages = Self::new(store);
        let large = super::text(300_000, 1);
        packages.add("libc", "2.40", &[("lib/libc.so", &large)], &[]);
        packages.add("hello", "1.0", &[("bin/hello", b"hello")], &["libc"]);
        let shell: &[(&str, &[u8])] =
            &[("bin/bash", b"bash"), ("bin/env", b"env"), ("bin/.hidden", b""), ("bin/x", b"s")];
        packages.add("shell", "5.2", shell, &["libc"]);
        packages
    }

    /// Adds a package, or replaces it.
    pub fn add(&self, name: &str, version: &str, files: &[(&str, &[u8])], needs: &[&str]) {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.to_vec())).collect();
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        let made = Made { version: version.to_owned(), files, needs, main_program: None };
        self.inner().packages.insert(name.to_owned(), made);
    }

    pub fn main_program(&self, package: &str, program: &str) {
        self.inner().packages.get_mut(package).unwrap().main_program = Some(program.to_owned());
    }

    /// Changes what a build of a package gives, and not its path.
    pub fn rebuild_otherwise(&self, package: &str) {
        let mut inner = self.inner();
        for (_, bytes) in &mut inner.packages.get_mut(package).unwrap().files {
            bytes.reverse();
            bytes.push(b'!');
        }
    }

    /// Makes a package count as built on this machine.
    pub fn builds(&self, package: &str) {
        self.inner().built.insert(package.to_owned());
    }

    pub fn set_revision(&self, revision: &str) {
        self.inner().revision = revision.to_owned();
    }

    /// Makes the closure stay as it is now, whatever happens to the store.
    pub fn remember_closures(&self) {
        self.inner().remembers = true;
    }

    /// The store path of a package.
    pub fn path(&self, name: &str) -> PathBuf {
        self.inner().path(name)
    }

    /// Takes the calls since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().calls)
    }

    /// Removes the store paths that no root keeps. Returns how many there were.
    pub fn collect_garbage(&self) -> usize {
        let inner = self.inner();
        let mut live = BTreeSet::new();
        for root in inner.roots.iter().filter_map(|root| fs::read_link(root).ok()) {
            for name in inner.packages.keys() {
                if inner.path(name) == root {
                    live.extend(inner.closure(name).into_iter().map(|name| inner.path(&name)));
                }
            }
        }
        let all = fs::read_dir(&inner.store).unwrap().map(|entry| entry.unwrap().path());
        let dead: Vec<_> = all.filter(|path| !live.contains(path)).collect();
        dead.iter().for_each(|path| fs::remove_dir_all(path).unwrap());
        dead.len()
    }

    /// Images of these packages, with the state in this folder.
    pub fn images(&self, folder: &Path) -> PackageImages {
        self.images_with(PackageImagesOptions::new(folder))
    }

    pub fn images_with(&self, options: PackageImagesOptions) -> PackageImages {
        self.images_named(contents, options)
    }

    pub fn images_named(
        &self,
        names: impl ImageNames + 'static,
        options: PackageImagesOptions,
    ) -> PackageImages {
        let options = options.store(&self.inner().store);
        PackageImages::open(self.clone(), names, options).unwrap()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

/// Parses a name: packages with slashes between them, and `root` for the user.
pub fn contents(name: &str) -> Result<ImageContents, NamedImageError> {
    let mut packages: BTreeSet<_> = name.split('/').collect();
    let user = packages.remove("as-root").then_some("root");
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let contents = json!({ "platform": platform, "packages": packages, "user": user });
    Ok(serde_json::from_value(contents).unwrap())
}

impl Inner {
    fn path(&self, name: &str) -> PathBuf {
        let version = &self.packages[name].version;
        // Nix's digits lack `e`.
        let hash = Digest::of(format!("{name} {version}")).hex()[..32].replace('e', "z");
        self.store.join(format!("{hash}-{name}-{version}"))
    }

    fn closure(&self, name: &str) -> BTreeSet<String> {
        let needs = self.packages[name].needs.iter().flat_map(|name| self.closure(name));
        needs.chain([name.to_owned()]).collect()
    }

    fn build(&self, name: &str) {
        let path = self.path(name);
        if path.exists() {
            return;
        }
        for (file, bytes) in &self.packages[name].files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            if let Some(target) = bytes.strip_prefix(b"->") {
                symlink(str::from_utf8(target).unwrap(), &file).unwrap();
            } else {
                fs::write(&file, bytes).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).unwrap();
            }
        }
    }
}

impl PackageSource for Packages {
    fn revision(&self, tag: &str, _: &Stop) -> Result<String, NamedImageError> {
        let mut inner = self.inner();
        inner.calls.push(format!("revision {tag}"));
        match tag {
            "latest" => Ok(inner.revision.clone()),
            "old" => Ok("r0".to_owned()),
            _ => Err(NamedImageError::new(NamedImageErrorKind::TagUnknown, "no such tag")),
        }
    }

    fn tags(&self) -> Vec<String> {
        vec!["latest".to_owned()]
    }

    fn resolve(
        &self,
        revision: &str,
        system: &str,
        names: &[String],
        _: &Stop,
    ) -> Result<Resolved, NamedImageError> {
        assert_eq!(system, "x86_64-linux");
        let mut inner = self.inner();
        inner.calls.push(format!("resolve {}", names.join(" ")));
        let package = |name: &String| {
            let Some(made) = inner.packages.get(name) else {
                let message = format!("there is no package {name}");
                return Err(NamedImageError::new(NamedImageErrorKind::NameUnknown, message));
            };
            Ok(Package {
                attribute: name.clone(),
                name: name.clone(),
                version: Some(made.version.clone()),
                derivation: format!("/nowhere/{name}.drv").into(),
                outputs: vec![("out".to_owned(), inner.path(name))],
                main_program: made.main_program.clone(),
            })
        };
        let packages = names.iter().map(package).collect::<Result<_, _>>()?;
        Ok(Resolved { revision: revision.to_owned(), system: system.to_owned(), packages })
    }

    fn realise(&self, resolved: &Resolved, root: &Path, _: &Stop) -> Result<(), NamedImageError> {
        let mut inner = self.inner();
        inner.calls.push("realise".to_owned());
        for (number, package) in resolved.packages.iter().enumerate() {
            let mut link = root.as_os_str().to_owned();
            if number > 0 {
                link.push(format!("-{}", number + 1));
            }
            let link = PathBuf::from(link);
            // Another process may do the same.
            let new = link.with_extension(std::process::id().to_string());
            symlink(inner.path(&package.name), &new).unwrap();
            fs::rename(&new, &link).unwrap();
            inner.roots.push(link);
            if inner.remembered.is_none() {
                inner.closure(&package.name).iter().for_each(|name| inner.build(name));
            } else {
                inner.build(&package.name);
            }
        }
        Ok(())
    }

    fn closure(&self, paths: &[PathBuf], _: &Stop) -> Result<Vec<ClosurePath>, NamedImageError> {
        let mut inner = self.inner();
        inner.calls.push("closure".to_owned());
        let roots = inner.packages.keys().filter(|name| paths.contains(&inner.path(name)));
        let names: BTreeSet<_> = roots.flat_map(|name| inner.closure(name)).collect();
        let known = inner.remembered.clone().unwrap_or_default();
        let mut closure = Vec::new();
        for name in names {
            let path = inner.path(&name);
            if let Some(known) = known.iter().find(|known| known.path == path) {
                closure.push(known.clone());
                continue;
            }
            if !path.exists() {
                let message = format!("{name} does not exist");
                return Err(NamedImageError::new(NamedImageErrorKind::Failed, message));
            }
            let needs = &inner.packages[&name].needs;
            closure.push(ClosurePath {
                nar_hash: hash(&path),
                // So large that each path has a layer of its own.
                nar_size: fs::read_dir(path.join("bin")).map_or(30_000_000, |_| 2_000_000),
                references: needs.iter().map(|name| inner.path(name)).collect(),
                path,
            });
        }
        closure.sort_by(|a, b| a.path.cmp(&b.path));
        if inner.remembers {
            inner.remembered.get_or_insert_default().extend(closure.clone());
        }
        Ok(closure)
    }
    fn built(&self, paths: &[PathBuf], _: &Stop) -> Result<BTreeSet<PathBuf>, NamedImageError> {
        let inner = self.inner();
        let built = inner.built.iter().map(|name| inner.path(name));
        Ok(built.filter(|path| paths.contains(path)).collect())
    }
}

/// What stands for the hash of the archive of a path.
fn hash(path: &Path) -> String {
    let mut all = Vec::new();
    for entry in WalkDir::new(path).sort_by_file_name() {
        let entry = entry.unwrap();
        all.extend(entry.path().to_str().unwrap().bytes());
        if entry.file_type().is_file() {
            all.extend(fs::read(entry.path()).unwrap());
        }
    }
    Digest::of(all).hex()
}
