//! Lists the contents of a layer in parts, while other threads read the entries that are already
//! known.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use walkdir::DirEntry;

use crate::{
    basics::{Error, Result},
    layer::{
        attributes::Rules,
        base::Places,
        entry::Entry,
        pipe,
        source_folder::{Folder, Walk},
        stream::TarStream,
        target::{self, Target},
        tree::{
            Finished, Tree,
            node::{Node, nodes_in},
        },
        warnings::Noticed,
    },
    pool::{
        Claim, Job, May, Pool, lock,
        parts::{PartTask, Parts},
    },
    recipe::{BaseFiles, FileMapping, LayerOptions},
    tarfile::LayerPath,
};

/// Makes the tar of the mappings, with all entries known.
pub(crate) fn list(
    files: &[FileMapping],
    options: &LayerOptions,
    pool: &Pool,
    noticed: &Arc<Noticed>,
) -> Result<TarStream> {
    let stream = TarStream::default();
    let Plan { finding, look, .. } = plan(files, options, pool, &stream, noticed)?;
    for entries in pool.map_parts(finding, |found| look.at(found?)) {
        stream.push(entries?)?;
    }
    stream.complete();
    Ok(stream)
}

/// A tar whose entries are being listed.
pub(crate) struct Listing<'a> {
    look: Look<'a>,
    parts: Parts<Finding<'a>>,
    order: Mutex<Order>,
    base: Option<BaseFiles>,
}

/// Parts that must be put in order.
#[derive(Default)]
struct Order {
    /// The entries of parts that wait for earlier parts. The error that counts is that of the first
    /// part.
    waiting: BTreeMap<usize, Result<Vec<Entry>>>,
    /// The number of the next part.
    next: usize,
}

pub(crate) type ListTask<'a> = PartTask<Result<FoundPart<'a>>>;

impl<'a> Listing<'a> {
    /// Fails if conflicts or other faults are evident without listing folders. A listing of at most
    /// one part completes immediately.
    pub(crate) fn new(
        files: &'a [FileMapping],
        options: &'a LayerOptions,
        pool: &'a Pool,
        stream: &TarStream,
        noticed: &Arc<Noticed>,
    ) -> Result<Self> {
        let Plan { finding, look, base } = plan(files, options, pool, stream, noticed)?;
        let new = Self { look, parts: Parts::new(finding), order: Mutex::default(), base };
        if new.parts.count().is_some() {
            while let Claim::Work(task) = new.parts.claim(May { work: true, buffers: 0 }) {
                new.run(task, stream)?;
            }
            new.pass_on(stream)?;
        }
        Ok(new)
    }

    /// The parts of the base on which the layer depends.
    pub(crate) fn base(&self) -> Option<BaseFiles> {
        self.base.clone()
    }

    /// Lists everything that is left.
    pub(crate) fn finish(&self, stream: &TarStream, pool: &Pool) -> Result<()> {
        let job = Finish { listing: self, stream, failed: Mutex::default() };
        pool.run(&job, usize::MAX);
        job.failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// The next task. `Done` if there is nothing left to claim.
    pub(crate) fn claim(&self, may: May) -> Claim<ListTask<'a>> {
        self.parts.claim(may)
    }

    /// Finds or inspects a part, and adds to the tar all entries that are next in order.
    pub(crate) fn run(&self, task: ListTask<'a>, stream: &TarStream) -> Result<()> {
        match task {
            PartTask::Find => self.parts.find(),
            PartTask::Apply(index, found) => {
                let entries = found.and_then(|found| self.look.at(found));
                lock(&self.order).waiting.insert(index, entries);
            }
        }
        self.pass_on(stream)
    }

    fn pass_on(&self, stream: &TarStream) -> Result<()> {
        let order = &mut *lock(&self.order);
        while let Some(entries) = order.waiting.remove(&order.next) {
            stream.push(entries?)?;
            order.next += 1;
        }
        if self.parts.count() == Some(order.next) {
            stream.complete();
        }
        Ok(())
    }
}

/// A listing without anything else to do.
struct Finish<'a, 'l> {
    listing: &'a Listing<'l>,
    stream: &'a TarStream,
    failed: Mutex<Option<Error>>,
}

impl<'l> Job for Finish<'_, 'l> {
    type Task = ListTask<'l>;

    fn claim(&self, may: May) -> Claim<Self::Task> {
        self.listing.claim(may)
    }

    fn run(&self, task: Self::Task) {
        if let Err(error) = self.listing.run(task, self.stream) {
            lock(&self.failed).get_or_insert(error);
            self.abort();
        }
    }

    fn abort(&self) {
        self.listing.parts.abort();
    }
}

/// How to list the contents of a layer.
struct Plan<'a> {
    finding: Finding<'a>,
    look: Look<'a>,
    /// The parts of the base on which the layer depends.
    base: Option<BaseFiles>,
}

/// Plans how to list and inspect the mappings. Entries before the first part that must be listed
/// are already in the tar.
fn plan<'a>(
    files: &'a [FileMapping],
    options: &'a LayerOptions,
    pool: &'a Pool,
    stream: &TarStream,
    noticed: &Arc<Noticed>,
) -> Result<Plan<'a>> {
    let rules = Arc::new(Rules::new(&options.permissions)?);
    noticed.rules(&rules);
    let mut targets: Vec<_> = files.iter().map(Target::of).collect::<Result<_>>()?;
    pipe::refuse_twice(files, &targets)?;
    let mut places = match &options.base {
        Some(base) => {
            let places = Places::new(base, options.replace, target::provided(&targets), pool)?;
            noticed.of_base(places.warnings(&base.digests()));
            Some(places)
        }
        None => None,
    };
    if let Some(places) = &mut places {
        target::settle(&mut targets, files, places)?;
    }
    let mut tree = Tree::new(files, options, pool, places, Arc::clone(noticed));
    let places: Vec<_> = targets.iter().map(|target| target.place.clone()).collect();
    let targets = targets.into_iter().enumerate().zip(apart(&places));
    // Above a base, a whiteout below another one in a tar has nothing to remove. The tar is added
    // first, so that this is known.
    let is_late = |((_, target), _): &((usize, Target), bool)| {
        options.base.is_some() && target.path.is_whiteout()
    };
    let (late, first): (Vec<_>, Vec<_>) = targets.partition(is_late);
    for ((index, target), apart) in first.into_iter().chain(late) {
        tree.add_mapping(index, target, apart)?;
    }
    let Finished { entries, folders, used } = tree.finish(&rules)?;
    let base = options
        .base
        .as_ref()
        .zip(used)
        .map(|(base, used)| BaseFiles::recorded(base.digests(), used));
    let mut finding = Finding { entries: entries.into(), folders: folders.into() };
    while let Some(entries) = finding.entries_before_folder() {
        stream.push(entries)?;
    }
    Ok(Plan { finding, look: Look { options, rules }, base })
}

/// For each of these paths, whether none of the others is equal to it, above or below.
fn apart(places: &[LayerPath]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|&index| &places[index]);
    let mut apart = vec![true; places.len()];
    let mut above: Option<usize> = None;
    for index in order {
        // Paths below a path follow it.
        match above {
            Some(above)
                if places[index] == places[above] || places[index].is_below(&places[above]) =>
            {
                (apart[index], apart[above]) = (false, false);
            }
            _ => above = Some(index),
        }
    }
    apart
}

/// Finds the entries of a layer, in order.
struct Finding<'a> {
    /// All entries outside of the folders, in parts.
    entries: VecDeque<Vec<Entry>>,
    /// The first folder is the next one in order.
    folders: VecDeque<Walk<'a>>,
}

pub(crate) enum FoundPart<'a> {
    Entries(Vec<Entry>),
    InFolder(Folder<'a>, Vec<DirEntry>),
}

impl<'a> Iterator for Finding<'a> {
    type Item = Result<FoundPart<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entries) = self.entries_before_folder() {
                return Some(Ok(FoundPart::Entries(entries)));
            }
            let walk = self.folders.front_mut()?;
            match walk.next() {
                Some(Ok(found)) => {
                    return Some(Ok(FoundPart::InFolder(walk.folder.clone(), found)));
                }
                Some(Err(error)) => {
                    // After an error, the rest does not matter.
                    (self.entries, self.folders) = Default::default();
                    return Some(Err(error));
                }
                None => drop(self.folders.pop_front()),
            }
        }
    }
}

impl Finding<'_> {
    /// The next part of the entries before the next folder, or before the end.
    fn entries_before_folder(&mut self) -> Option<Vec<Entry>> {
        let entries = self.entries.front_mut()?;
        let before = match self.folders.front() {
            Some(walk) => entries.partition_point(|entry| entry.path < walk.folder.place),
            None => entries.len(),
        };
        if before == entries.len() {
            return self.entries.pop_front();
        }
        (before > 0).then(|| entries.drain(..before).collect())
    }
}

/// Inspects the files that were found.
struct Look<'a> {
    options: &'a LayerOptions,
    rules: Arc<Rules>,
}

impl Look<'_> {
    fn at(&self, found: FoundPart) -> Result<Vec<Entry>> {
        match found {
            FoundPart::Entries(entries) => Ok(entries),
            FoundPart::InFolder(folder, found) => {
                let nodes =
                    nodes_in(&folder, found, self.options)?.into_iter().filter(Node::is_in_layer);
                let mut entries: Vec<_> = nodes.map(|node| node.entry).collect();
                entries.iter_mut().for_each(|entry| self.rules.apply(entry, None));
                Ok(entries)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener, path::Path};

    use super::*;
    use crate::basics::error::Error;

    #[test]
    fn the_error_of_the_first_path_in_the_layer_is_returned() {
        let dir = tempfile::TempDir::new().unwrap();
        for n in 100..700 {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        let sockets = ["200-socket", "400-socket"].map(|name| dir.path().join(name));
        let _listening = sockets.each_ref().map(|path| UnixListener::bind(path).unwrap());
        let files = [FileMapping::new(dir.path(), "/")];
        let (options, pool, stream) = (LayerOptions::default(), Pool::new(1), TarStream::default());
        let listing = Listing::new(&files, &options, &pool, &stream, &Arc::default()).unwrap();
        let may = May { work: true, buffers: 0 };
        let (Claim::Work(first), Claim::Work(second)) = (listing.claim(may), listing.claim(may))
        else {
            panic!("there are two parts")
        };
        listing.run(second, &stream).unwrap();
        let said = listing.run(first, &stream);
        assert!(matches!(said, Err(Error::SourceKind { path, .. }) if path == sockets[0]));
    }

    #[test]
    fn independent_destinations_are_detected() {
        let names =
            ["/b/c", "/a", "/b-c", "/d/e/f", "/b", "/d/e", "/f", "/g/h", "/f", "/g/i", "/d/g"];
        let places = names.map(|name| LayerPath::parse(Path::new(name)).unwrap());
        let apart: Vec<_> = names
            .iter()
            .zip(apart(&places))
            .filter(|(_, apart)| *apart)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(apart, ["/a", "/b-c", "/g/h", "/g/i", "/d/g"]);
        let with_root = [&places[..], &[LayerPath::root()]].concat();
        assert!(super::apart(&with_root).iter().all(|apart| !apart));
        assert_eq!(super::apart(&[LayerPath::root()]), [true]);
    }
}
