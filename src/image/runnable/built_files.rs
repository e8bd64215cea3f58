//! The files of layers that were just made, and of the base below them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Seek, SeekFrom},
    sync::Mutex,
};

use crate::{
    basics::{Error, Result},
    image::runnable::{
        files::{At, Files},
        needs::Needs,
    },
    layer::{
        base::stack::{Lookup, Lower, Stack},
        entry::{Content, Kind},
        layer_tar::TarLayer,
        stream::EntryAt,
    },
    pool::{Pool, lock},
    recipe::BaseFiles,
    tarfile::LayerPath,
};

/// Layers, whose contents are read from their sources, above a base, of which only the list of
/// files is known.
pub(crate) struct BuiltFiles<'a> {
    /// Topmost first.
    layers: Vec<&'a TarLayer>,
    base: Stack,
    lookup: Mutex<Lookup>,
    /// What is known of the files of each layer.
    known: Mutex<Vec<KnownNeeds>>,
}

/// What files of a layer need.
#[derive(Default)]
struct KnownNeeds {
    needs: BTreeMap<Vec<u8>, Option<Needs>>,
    /// Whether some of them are not recorded yet.
    is_new: bool,
}

/// The name under which the needs of a layer's files are recorded, if their times are trusted.
const NEEDS: &str = "needs";

/// A file of the image.
enum Found {
    /// Of the layer with this index.
    Layer(usize, EntryAt),
    Base(Lower),
}

impl<'a> BuiltFiles<'a> {
    pub(crate) fn new(
        layers: &'a [TarLayer],
        base: Option<&BaseFiles>,
        pool: &Pool,
    ) -> Result<Self> {
        let base = match base {
            Some(base) => base.stack(pool)?,
            None => Stack::new(Vec::new()),
        };
        let layers: Vec<_> = layers.iter().rev().collect();
        let known = |layer: &&TarLayer| {
            let needs = layer.states().and_then(|states| states.find_facts(NEEDS));
            KnownNeeds { needs: needs.unwrap_or_default(), is_new: false }
        };
        let known = layers.iter().map(known).collect();
        Ok(Self { layers, base, lookup: Mutex::default(), known: Mutex::new(known) })
    }

    fn find(&self, path: &LayerPath) -> Option<Found> {
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(at) = layer.stream().find(path) {
                return Some(Found::Layer(index, at));
            }
            // A whiteout, or something that is not a directory, hides what is below.
            let is_hidden = |above: &LayerPath| {
                layer.stream().find(&above.whiteout()).is_some()
                    || layer.stream().find(&above.parent().opaque_whiteout()).is_some()
                    || (above != path
                        && layer
                            .stream()
                            .find(above)
                            .is_some_and(|at| at.entry().kind != Kind::Directory))
            };
            let mut above = path.ancestors().filter(|above| !above.is_root());
            if !path.is_root() && (is_hidden(path) || above.any(|above| is_hidden(&above))) {
                return None;
            }
        }
        lock(&self.lookup).find(&self.base, path).map(Found::Base)
    }
}

impl Files for BuiltFiles<'_> {
    fn at(&self, path: &LayerPath) -> Option<At> {
        let file = |path: &LayerPath, mode| At::File { path: path.clone(), mode };
        Some(match self.find(path)? {
            Found::Layer(_, at) => match &at.entry().kind {
                Kind::Directory => At::Directory,
                Kind::Symlink(target) => At::Symlink(target.clone()),
                Kind::HardLink(target) => file(target, Some(at.entry().mode)),
                _ => file(path, Some(at.entry().mode)),
            },
            Found::Base(Lower::Directory(_)) => At::Directory,
            Found::Base(Lower::Symlink(target)) => At::Symlink(target),
            Found::Base(Lower::File) => file(path, None),
        })
    }

    fn needs(&self, path: &LayerPath) -> Result<Option<Needs>> {
        let Some(Found::Layer(layer, at)) = self.find(path) else { return Ok(None) };
        let Kind::File(content) = &at.entry().kind else { return Ok(None) };
        if let Some(needs) = lock(&self.known)[layer].needs.get(&path.to_bytes()) {
            return Ok(needs.clone());
        }
        let failed = |cause: io::Error| cause.downcast().unwrap_or_else(Error::sink);
        let needs = Needs::read(ContentReader { content, at: 0 }).map_err(failed)?;
        let known = &mut lock(&self.known)[layer];
        known.needs.insert(path.to_bytes(), needs.clone());
        known.is_new = true;
        Ok(needs)
    }

    fn text(&self, path: &LayerPath) -> Result<Option<String>> {
        const MOST: u64 = 1 << 20;
        let Some(Found::Layer(_, at)) = self.find(path) else { return Ok(None) };
        let Kind::File(content) = &at.entry().kind else { return Ok(None) };
        if content.size() > MOST {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = ContentReader { content, at: 0 }.read_to_end(&mut bytes);
        read.map_err(|cause| cause.downcast().unwrap_or_else(Error::sink))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn executables(&self) -> BTreeSet<LayerPath> {
        let mut paths = BTreeSet::new();
        for layer in &self.layers {
            layer.stream().first_with(|entry| {
                if matches!(entry.kind, Kind::File(_)) && entry.mode & 0o111 != 0 {
                    paths.insert(entry.path.clone());
                }
                None::<()>
            });
        }
        paths.retain(|path| matches!(self.find(path), Some(Found::Layer(..))));
        paths
    }

    /// The base may have any.
    fn may_have(&self, _: &str) -> bool {
        true
    }
}

/// Records what was read, for the next build of the same files.
impl Drop for BuiltFiles<'_> {
    fn drop(&mut self) {
        for (layer, known) in self.layers.iter().zip(&*lock(&self.known)) {
            if let Some(states) = layer.states().filter(|_| known.is_new) {
                states.record_facts(NEEDS, &known.needs);
            }
        }
    }
}

/// The contents of a file of a layer.
struct ContentReader<'a> {
    content: &'a Content,
    at: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.content.size().saturating_sub(self.at);
        let length = (buffer.len() as u64).min(rest) as usize;
        self.content.read_at(self.at, &mut buffer[..length]).map_err(io::Error::other)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for ContentReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.content.size(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let at = from.checked_add_signed(by);
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
