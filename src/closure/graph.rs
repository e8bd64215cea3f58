//! The references between store paths, as Nix writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::basics::error::{Error, Result};

/// The store paths of a closure, their sizes, and the references between them.
///
/// Nix provides this to derivations with the attribute
/// [`exportReferencesGraph`](https://nix.dev/manual/nix/2.24/language/advanced-attributes#adv-attr-exportReferencesGraph).
///
/// ```
/// use std::path::Path;
///
/// use oci_layout::ReferenceGraph;
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

/// The properties of a store path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorePath {
    /// The size of its Nix archive in bytes.
    pub(crate) size: u64,
    /// The paths to which it refers, including itself if it does.
    pub(crate) references: BTreeSet<PathBuf>,
}

impl ReferenceGraph {
    /// Reads the list that Nix writes, or an object with this list as the member `graph`.
    ///
    /// Each path of the list is an object with the members `path`, `narSize` (a number of bytes)
    /// and `references` (a list of paths, which may include the path itself). Other members are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], which names the path, for a member that is missing or has the wrong
    /// type, a path that is not absolute, a path that is in the list twice, and a reference to a
    /// path that is not in the list.
    pub fn from_value(graph: Value) -> Result<Self> {
        let list = match graph {
            Value::Object(mut members) => members.remove("graph"),
            list => Some(list),
        };
        let Some(Value::Array(list)) = list else {
            return Err(Error::invalid(
                "reference graph",
                "expected a list of paths, or an object with such a list as \"graph\": pass \
                 what Nix writes for exportReferencesGraph in a derivation with structured \
                 attributes",
            ));
        };
        let mut paths = BTreeMap::new();
        for (index, value) in list.into_iter().enumerate() {
            let (path, known) = store_path(index, value)?;
            let what = subject(&path);
            if paths.insert(path, known).is_some() {
                return Err(Error::invalid(what, "it is listed twice: keep one"));
            }
        }
        let graph = Self { paths };
        graph.check_references()?;
        Ok(graph)
    }

    /// All paths, sorted by their bytes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.keys().map(PathBuf::as_path)
    }

    /// The paths to which this one refers, including itself if it does.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a path that is not in the graph.
    pub fn references(&self, path: impl AsRef<Path>) -> Result<&BTreeSet<PathBuf>> {
        Ok(&self.get(path.as_ref())?.references)
    }

    /// The size of the path's Nix archive in bytes, which is about the size of its files.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a path that is not in the graph.
    pub fn nar_size(&self, path: impl AsRef<Path>) -> Result<u64> {
        Ok(self.get(path.as_ref())?.size)
    }

    /// These paths and all paths to which they refer, directly or indirectly.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a root that is not in the graph.
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

    /// The subgraph of the given paths. References to other paths are removed.
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
                "it is not in the reference graph: correct it, or add it to the graph's roots",
            )
        })
    }

    fn check_references(&self) -> Result<()> {
        for (path, known) in &self.paths {
            if let Some(missing) =
                known.references.iter().find(|path| !self.paths.contains_key(*path))
            {
                let reason = format!(
                    "it refers to {missing:?}, which is not in the reference graph: pass the \
                     complete closure"
                );
                return Err(Error::invalid(subject(path), reason));
            }
        }
        Ok(())
    }
}

/// The name of a path in messages.
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
            format!("\"narSize\" must be a number of bytes, not {size}"),
        ));
    };
    let references = take(&what, &mut members, "references")?;
    let Value::Array(references) = references else {
        return Err(Error::invalid(
            what,
            format!("\"references\" must be a list of paths, not {references}"),
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
            format!("it lacks the member {name:?}, which Nix writes for every path: add it"),
        )
    })
}

fn absolute(what: &str, member: &str, value: &Value) -> Result<PathBuf> {
    match value.as_str().map(Path::new) {
        Some(path) if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(Error::invalid(what, format!("{member:?} must be an absolute path, not {value}"))),
    }
}
