//! Checks how a layer that was made without a base affects one.

use std::{collections::BTreeSet, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use crate::{
    basics::{Result, Warning},
    blob::Blob,
    layer::base::{cache::index_of, place::Places, stack::Lower},
    pool::Pool,
    recipe::{BaseDirectory, BaseEntry, BaseFiles},
    tarfile::LayerPath,
};

impl BaseFiles {
    /// Finds changes that this layer makes above these layers, and that it would not make if it had
    /// been made with them as the base: it replaces a symbolic link by a directory, or a directory
    /// by a file, or it resets the attributes of a directory.
    ///
    /// Reads the layer once, or not at all if its index is in the cache.
    ///
    /// ```
    /// use oci_layout::{BaseFiles, FileMapping, LayerOptions, Warning, layer_tar};
    /// let root = [FileMapping::directory("/usr/bin"), FileMapping::symlink("usr/bin", "/bin")];
    /// let base = BaseFiles::new([layer_tar(root, LayerOptions::default())?]);
    ///
    /// let app = layer_tar([FileMapping::text("", "/bin/app")], LayerOptions::default())?;
    /// let found = base.check(&app)?;
    /// assert!(matches!(&found[..], [Warning::LinkReplaced { path, .. }] if path.to_str() == Some("/bin")));
    /// # Ok::<_, oci_layout::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of reading the layer and the layers below.
    pub fn check(&self, layer: &dyn Blob) -> Result<Vec<Warning>> {
        let index = index_of(layer, self.cache.as_deref())?;
        let mut places = Places::new(self, false, BTreeSet::new(), &Pool::available())?;
        for (path, _) in index.entries().iter().filter(|(path, _)| path.is_whiteout()) {
            places.hide(path);
        }
        let entries = index.entries().iter().filter(|(path, _)| !path.is_whiteout());
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for (path, entry) in entries {
            // An implied parent is also a directory.
            for above in path.ancestors().filter(|above| index.get(above).is_none()) {
                if seen.insert(above.clone()) {
                    found.extend(places.replaced(&above, None));
                }
            }
            let directory = match entry {
                BaseEntry::Directory(directory) => Some(directory),
                BaseEntry::ImpliedDirectory => None,
                BaseEntry::Symlink(_) | BaseEntry::File => {
                    found.extend(places.hidden_by_file(path));
                    continue;
                }
            };
            found.extend(places.replaced(path, directory));
        }
        Ok(found)
    }
}

impl Places {
    /// What a directory at this path replaces or resets.
    fn replaced(&mut self, path: &LayerPath, directory: Option<&BaseDirectory>) -> Option<Warning> {
        let path_in_image = path.to_path();
        match self.find(path)? {
            Lower::Symlink(target) => {
                let target = PathBuf::from(OsStr::from_bytes(&target));
                Some(Warning::LinkReplaced { path: path_in_image, target })
            }
            Lower::File => Some(Warning::FileReplaced { path: path_in_image }),
            Lower::Directory(Some(base)) => {
                let layer = directory?;
                let is_default = (layer.mode, layer.uid, layer.gid) == (0o755, 0, 0);
                let differs = (base.mode, base.uid, base.gid) != (layer.mode, layer.uid, layer.gid);
                (is_default && differs).then_some(Warning::DirectoryReset {
                    path: path_in_image,
                    mode: base.mode,
                    owner: (base.uid, base.gid),
                })
            }
            Lower::Directory(None) => None,
        }
    }

    /// The directory that a file at this path replaces.
    fn hidden_by_file(&mut self, path: &LayerPath) -> Option<Warning> {
        let is_directory = matches!(self.find(path)?, Lower::Directory(_));
        is_directory.then(|| Warning::DirectoryReplaced { path: path.to_path() })
    }
}
