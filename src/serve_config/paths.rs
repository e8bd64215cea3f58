//! Paths of a configuration, which are relative to the folder of its file.

use std::path::{Path, PathBuf};

use crate::serve_config::config::{ServeConfig, TlsSection};
#[cfg(feature = "on-demand")]
use crate::{on_demand::SourceKind, serve_config::packages::PackageSection};

impl ServeConfig {
    /// Makes relative paths relative to this folder.
    pub(crate) fn relative_to(&mut self, folder: &Path) {
        let TlsSection { cert, key } = &mut self.tls;
        let files = [cert, key, &mut self.htpasswd, &mut self.access];
        let mut paths: Vec<&mut PathBuf> = files.into_iter().flatten().collect();
        paths.extend(self.layouts.values_mut());
        #[cfg(feature = "on-demand")]
        {
            let PackageSection { source, images, state, plan, tags, .. } = &mut self.packages;
            paths.extend([images, state, plan, &mut self.storage.folder].into_iter().flatten());
            if let Some(SourceKind::Path(set)) = source.as_mut().map(|source| &mut source.0) {
                paths.push(set);
                for tag in tags.values_mut() {
                    // The text came from a text file.
                    *tag = folder.join(&*tag).to_string_lossy().into_owned();
                }
            }
        }
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}
