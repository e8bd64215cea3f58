//! The files of an image and of each of its layers, read once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Component, Path},
};

use crate::{
    basics::{Digest, Result},
    check::{
        ambiguous::{LinkHeader, below_link},
        private_key::KeySearch,
        violation::Hidden,
    },
    image::PlatformImage,
    layer::{
        layer_files::{
            File, Is, Kind, LayerFiles, LayerTar, Member, ReadFiles, has_contents, name_of,
        },
        merge::Placed,
    },
    pool::Pool,
    rootfs::{
        ImageFiles,
        contents::copy_contents,
        unpack::{Skipped, skipped::SkippedList},
    },
    tarfile::{
        LayerPath, LinkFault, follow,
        reader::{TarEntry, TarError},
    },
};

/// The largest file whose contents are matched.
pub(crate) const MOST_CONTENTS: u64 = 16 << 20;

/// What an image contains.
pub(crate) struct ImageContents {
    pub(crate) files: ImageFiles,
    pub(crate) layers: Vec<LayerContents>,
    /// Entries that container runtimes may apply in another way.
    pub(crate) ambiguous: Vec<Skipped>,
}

/// What a layer contains, whether a container sees it or not.
#[derive(Default)]
pub(crate) struct LayerContents {
    pub(crate) digest: Option<Digest>,
    /// All but directories, in the order of the tar.
    pub(crate) files: Vec<LayerPath>,
    pub(crate) keys: Vec<FoundKey>,
    /// The sum of the sizes of all files.
    pub(crate) size: u64,
}

/// A file with a private key.
pub(crate) struct FoundKey {
    pub(crate) path: LayerPath,
    pub(crate) offset: u64,
    pub(crate) label: String,
    /// The hard links to it, also those that later layers delete.
    pub(crate) links: Vec<LayerPath>,
}

/// Where a file is in the layers.
pub(crate) type Place = (usize, u64);

impl ImageContents {
    /// Reads each layer once, and looks for private keys if they are wanted.
    pub(crate) fn read(image: &PlatformImage, wants_keys: bool, pool: &Pool) -> Result<Self> {
        let read = LayerFiles::read_with(
            image.layers(),
            pool,
            ReadFiles::default(),
            |gathered: &mut Gathered, tar, entry| {
                gathered.links.extend(LinkHeader::new(entry));
                if wants_keys { find_key(&mut gathered.keys, tar, entry) } else { Ok(()) }
            },
        )?;
        let (mut layers, mut links, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for ((files, gathered), layer) in read.into_iter().zip(image.layers()) {
            let digest = Some(layer.descriptor().digest);
            layers.push(LayerContents { digest, keys: gathered.keys, ..Default::default() });
            links.push(gathered.links);
            members.push(files);
        }
        let ambiguous = SkippedList::default();
        let files = ImageFiles::of_files_with(image, members, |merge, number, member| {
            let mut found: Vec<_> = below_link(merge, &member.path).into_iter().collect();
            let mut exists = true;
            if let Is::HardLink(target) = &member.is {
                let header = links[number].pop_front();
                let target = merge.get(target);
                found.extend(header.zip(target).and_then(|(header, it)| header.differs(&it.file)));
                exists = target.is_some();
                if let Some(key) =
                    target.and_then(Placed::place).and_then(|at| key(&mut layers, at))
                {
                    key.links.push(member.path.clone());
                }
            }
            found.into_iter().for_each(|reason| ambiguous.add(&name_of(&member.path), reason));
            if exists {
                layers[number].add(member);
            }
        });
        Ok(Self { files, layers, ambiguous: ambiguous.into_list() })
    }

    /// The digest of the layer that has a file.
    pub(crate) fn layer_of(&self, placed: &Placed) -> Option<Digest> {
        self.layers.get(placed.layer())?.digest
    }

    /// What later layers do with a file of a layer that a container does not see at its path.
    pub(crate) fn hidden(&self, path: &LayerPath) -> Hidden {
        let by = self.files.merge.get(path).and_then(|placed| self.layers[placed.by()].digest);
        by.map_or(Hidden::Deleted, |by| Hidden::Replaced { by })
    }

    /// What is at a path. Links in its parents are followed, and a link at the path is not. The
    /// error is a sentence that follows the path.
    pub(crate) fn at(&self, path: &str) -> Result<Option<Placed>, String> {
        let path = self.parse(path)?;
        let parent = match self.follow(&path.parent()) {
            Ok(parent) => parent,
            // Nothing is below what does not exist.
            Err(LinkFault::TooMany) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        Ok(self.files.merge.get(&path.moved_to(&parent)).cloned())
    }

    /// The file that a path leads to through links.
    pub(crate) fn resolve(&self, path: &str) -> Result<&Placed, String> {
        let found = self.follow(&self.parse(path)?).map_err(String::from)?;
        self.files.merge.get(&found).ok_or_else(|| "does not exist in the image".to_owned())
    }

    /// Whether a path is that of the root, which exists without an entry.
    pub(crate) fn is_root(&self, path: &str) -> bool {
        self.parse(path).is_ok_and(|path| path.is_root())
    }

    fn parse(&self, path: &str) -> Result<LayerPath, String> {
        if Path::new(path).components().any(|component| component == Component::ParentDir) {
            return Err("has `..`: write the path without it".to_owned());
        }
        LayerPath::parse_member(path.as_bytes()).map_err(str::to_owned)
    }

    /// Where a path leads when its links are followed. As in Linux, `..` in the root is the root.
    pub(crate) fn follow(&self, path: &LayerPath) -> Result<LayerPath, LinkFault> {
        follow(path, &LayerPath::root(), |path| {
            let target = self.files.merge.get(path).and_then(|placed| placed.file.target());
            Ok(target.map(|target| within_root(path, target)))
        })
    }

    /// Calls `found` with the contents of each of these files, one after the other.
    pub(crate) fn read_files(
        &self,
        places: &BTreeSet<Place>,
        mut found: impl FnMut(Place, &[u8]),
    ) -> Result<()> {
        let is_wanted = |placed: &Placed| placed.place().is_some_and(|it| places.contains(&it));
        self.files.each_entry(is_wanted, |names, tar, entry| {
            let mut bytes = Vec::new();
            copy_contents(tar, entry, &mut bytes)?;
            if let Some(place) = names.first().and_then(|placed| placed.place()) {
                found(place, &bytes);
            }
            Ok(())
        })
    }

    /// The names of these files that a container sees.
    pub(crate) fn names(&self, places: &BTreeSet<Place>) -> BTreeMap<Place, Vec<&Placed>> {
        let mut names = BTreeMap::<_, Vec<_>>::new();
        if places.is_empty() {
            return names;
        }
        for placed in self.files.merge.iter() {
            if let Some(place) = placed.place().filter(|place| places.contains(place)) {
                names.entry(place).or_default().push(placed);
            }
        }
        names
    }
}

/// What is read of a layer, apart from its files.
#[derive(Default)]
struct Gathered {
    keys: Vec<FoundKey>,
    /// The headers of its hard links, in the order of the tar.
    links: VecDeque<LinkHeader>,
}

impl LayerContents {
    fn add(&mut self, Member { path, is }: &Member) {
        match is {
            Is::Whiteout | Is::File(File { kind: Kind::Directory, .. }) => return,
            Is::File(File { kind: Kind::File(size), .. }) => {
                self.size = self.size.saturating_add(*size);
            }
            Is::File(_) | Is::HardLink(_) => {}
        }
        self.files.push(path.clone());
    }
}

/// The key in the file at this place.
fn key(layers: &mut [LayerContents], (layer, offset): Place) -> Option<&mut FoundKey> {
    let keys = &mut layers[layer].keys;
    // Keys come in the order of their offsets.
    let at = keys.binary_search_by_key(&offset, |key| key.offset).ok()?;
    Some(&mut keys[at])
}

/// Adds the key in the contents of an entry, if there is one.
fn find_key(
    keys: &mut Vec<FoundKey>,
    tar: &mut LayerTar<'_>,
    entry: &TarEntry,
) -> Result<(), TarError> {
    if !has_contents(entry) {
        return Ok(());
    }
    let mut search = KeySearch::default();
    tar.contents(entry, |at, bytes| {
        search.add(at, bytes);
        Ok::<_, TarError>(())
    })?;
    if let (Some(label), Ok(Member { path, .. })) = (search.label, Member::new(entry)) {
        keys.push(FoundKey { path, offset: entry.offset, label, links: Vec::new() });
    }
    Ok(())
}

/// The target of a link, without `..` at its beginning that would lead out of the root.
fn within_root(link: &LayerPath, target: &[u8]) -> Vec<u8> {
    let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let up = names.clone().take_while(|name| *name == b"..").count();
    let depth = match target.starts_with(b"/") {
        true => 0,
        false => link.ancestors().count(),
    };
    if up <= depth {
        return target.to_vec();
    }
    let names: Vec<_> = names.skip(up).collect();
    [b"/", &names.join(&b'/')[..]].concat()
}

/// The path of a file, for messages.
pub(crate) fn shown(path: &LayerPath) -> String {
    path.to_path().to_string_lossy().into_owned()
}
