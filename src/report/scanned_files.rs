//! The files of layers that were read, for the check whether a container can start.

use std::{
    collections::{BTreeSet, HashSet},
    os::unix::ffi::OsStrExt,
    sync::OnceLock,
};

use crate::{
    basics::Result,
    image::runnable::{
        files::{At, Files},
        needs::Needs,
    },
    layer::layer_files::Kind,
    report::{image_report::Fate, scan::Scan},
    tarfile::LayerPath,
};

pub(crate) struct ScannedFiles<'a> {
    scan: &'a Scan,
    /// The last components of all paths, which few images need.
    names: OnceLock<HashSet<Vec<u8>>>,
}

impl Files for ScannedFiles<'_> {
    fn at(&self, path: &LayerPath) -> Option<At> {
        let file = &self.scan.merge.get(path)?.file;
        Some(match &file.kind {
            Kind::Directory => At::Directory,
            Kind::Symlink(target) => At::Symlink(target.to_vec()),
            _ => At::File { path: self.first_name(path), mode: Some(file.mode.into()) },
        })
    }

    fn needs(&self, path: &LayerPath) -> Result<Option<Needs>> {
        let number = self.scan.names.get(path);
        Ok(number.and_then(|number| self.scan.needs.get(number).cloned()))
    }

    fn text(&self, _: &LayerPath) -> Result<Option<String>> {
        Ok(None)
    }

    fn executables(&self) -> BTreeSet<LayerPath> {
        let executables = self.scan.files.iter().filter(|file| file.mode & 0o111 != 0);
        let visible = executables.filter(|file| file.fate == Fate::Visible);
        visible.filter_map(|file| LayerPath::parse(&file.path).ok()).collect()
    }

    fn may_have(&self, name: &str) -> bool {
        let last = |path: &LayerPath| Some(path.to_path().file_name()?.as_bytes().to_vec());
        let names = || self.scan.names.keys().filter_map(last).collect();
        self.names.get_or_init(names).contains(name.as_bytes())
    }
}

impl<'a> ScannedFiles<'a> {
    pub(crate) fn new(scan: &'a Scan) -> Self {
        Self { scan, names: OnceLock::new() }
    }

    /// The name under which a file with several names is reported.
    fn first_name(&self, path: &LayerPath) -> LayerPath {
        let file = self.scan.names.get(path).map(|number| &self.scan.files[*number].path);
        file.and_then(|first| LayerPath::parse(first).ok()).unwrap_or_else(|| path.clone())
    }
}
