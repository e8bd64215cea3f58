//! The references between store paths, parsed from the format that Nix writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::basics::error::{Error, Result};

/// The store paths of a closure, with their sizes and references.
///
/// Nix writes this graph for a derivation with the attribute
/// [`exportReferencesGraph`](https://nix.dev/manual/nix/2.24/language/advanced-attributes#adv-attr-exportReferencesGraph).
///
/// ```
/// use std::path::Path;
///
/// use oci_layout::closure::ReferenceGraph;
/// use serde_json::json;
///
/// let (app, library) = ("/nix/store/3ykr…-app-1.0", "/nix/store/57fh…-library-2.1");
/// let graph = ReferenceGraph::from_value(json!([
///     { "path": app, "narSize": 4096, "references": [library, app] },
///     { "path": library, "narSize": 65536, "references": [] },
/// ]))?;
/// assert_eq!(graph.closure([library])?.len(), 1);
/// assert!(graph.references(app)?.contains(Path::new(library)));
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceGraph {
    /// Every reference is also a key.
    pub(crate) paths: BTreeMap<PathBuf, StorePath>,
}

/// The size and the references of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorePath {
    /// The size of its Nix archive in bytes.
    pub(crate) size: u64,
    /// The paths that it refers to, possibly including itself.
    pub(crate) references: BTreeSet<PathBuf>,
}

impl ReferenceGraph {
    /// Parses the list that Nix writes, or an object whose member `graph` is this list.
    ///
    /// Each element of the list is an object with the members `path`, `narSize` (in bytes) and
    /// `references` (a list of paths, which may include the path itself). Other members are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], with the path, for a member that is missing or has the wrong type, a
    /// path that is not absolute or occurs twice, or a reference to a path that is not in the list.
    pub fn from_value(graph: Value) -> Result<Self> {
        let list = match graph {
            Value::Object(mut members) => members.remove("graph"),
            list => Some(list),
        };
        let Some(Value::Array(list)) = list else {
            return Err(Error::invalid(
                "reference graph",
                "expected a list of paths, or an object whose member \"graph\" is one: use the \
                 file that Nix writes for exportReferencesGraph in a derivation with structured \
                 attributes",
            ));
        };
        let mut paths = BTreeMap::new();
        for (index, value) in list.into_iter().enumerate() {
            let (path, known) = store_path(index, value)?;
            let what = subject(&path);
            if paths.insert(path, known).is_some() {
                return Err(Error::invalid(what, "it is in the list twice: remove one"));
            }
        }
        let graph = Self { paths };
        graph.check_references()?;
        Ok(graph)
    }

    /// Returns all paths, in the order of their bytes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.keys().map(PathBuf::as_path)
    }

    /// Returns the paths that this path refers to, including itself if it refers to itself.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the path is not in the graph.
    pub fn references(&self, path: impl AsRef<Path>) -> Result<&BTreeSet<PathBuf>> {
        Ok(&self.get(path.as_ref())?.references)
    }

    /// Returns the size of the path's Nix archive in bytes, which is about the size of its files.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the path is not in the graph.
    pub fn nar_size(&self, path: impl AsRef<Path>) -> Result<u64> {
        Ok(self.get(path.as_ref())?.size)
    }

    /// Returns these paths and everything that they refer to, directly or not.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a root is not in the graph.
    pub fn closure(
        &self,
        roots: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> Result<BTreeSet<PathBuf>> {
        let mut closure = BTreeSet::new();
        let mut waiting = Vec::new();
        for root in roots {
            self.get(root.as_ref())?;
            waiting.push(root.as_ref().to_owned());
        }
        while let Some(path) = waiting.pop() {
            if !closure.contains(&path) {
                waiting.extend(self.paths[&path].references.difference(&closure).cloned());
                closure.insert(path);
            }
        }
        Ok(closure)
    }

    /// Returns the graph with only the given paths, without references to other paths.
    #[must_use]
    pub fn subgraph(&self, paths: &BTreeSet<PathBuf>) -> Self {
        let kept = self.paths.iter().filter(|(path, _)| paths.contains(*path));
        let without_others = |known: &StorePath| StorePath {
            size: known.size,
            references: known.references.intersection(paths).cloned().collect(),
        };
        Self { paths: kept.map(|(path, known)| (path.clone(), without_others(known))).collect() }
    }

    fn get(&self, path: &Path) -> Result<&StorePath> {
        self.paths.get(path).ok_or_else(|| {
            Error::invalid(
                subject(path),
                "it is not in the reference graph: correct it, or add it to the roots of the graph",
            )
        })
    }

    fn check_references(&self) -> Result<()> {
        for (path, known) in &self.paths {
            if let Some(missing) =
                known.references.iter().find(|path| !self.paths.contains_key(*path))
            {
                let reason = format!(
                    "it refers to {missing:?}, which is not in the reference graph: use the graph \
                     of the whole closure"
                );
                return Err(Error::invalid(subject(path), reason));
            }
        }
        Ok(())
    }
}

/// Returns the name of a path for messages.
pub(crate) fn subject(path: &Path) -> String {
    format!("store path {path:?}")
}

fn store_path(index: usize, value: Value) -> Result<(PathBuf, StorePath)> {
    let what = format!("reference graph, path {index} of the list");
    let Value::Object(mut members) = value else {
        return Err(Error::invalid(what, format!("expected a JSON object, found {value}")));
    };
    let path = take(&what, &mut members, "path")?;
    let path = absolute(&what, "path", &path)?;
    let what = subject(&path);
    let size = take(&what, &mut members, "narSize")?;
    let Some(size) = size.as_u64() else {
        return Err(Error::invalid(
            what,
            format!("expected a number of bytes in \"narSize\", found {size}"),
        ));
    };
    let references = take(&what, &mut members, "references")?;
    let Value::Array(references) = references else {
        return Err(Error::invalid(
            what,
            format!("expected a list of paths in \"references\", found {references}"),
        ));
    };
    let references =
        references.iter().map(|path| absolute(&what, "references", path)).collect::<Result<_>>()?;
    Ok((path, StorePath { size, references }))
}

fn take(what: &str, members: &mut Map<String, Value>, name: &str) -> Result<Value> {
    members.remove(name).ok_or_else(|| {
        Error::invalid(
            what,
            format!("the member {name:?} is missing, which Nix writes for every path"),
        )
    })
}

fn absolute(what: &str, member: &str, value: &Value) -> Result<PathBuf> {
    match value.as_str().map(Path::new) {
        Some(path) if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(Error::invalid(
            what,
            format!("expected an absolute path in {member:?}, found {value}"),
        )),
    }
}
