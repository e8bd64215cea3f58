//! Probable mistakes that show while a layer is listed, collected from all threads.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rustix::fs::Stat;

use crate::{
    basics::Warning,
    layer::{
        attributes::Rules,
        entry::{Entry, Kind, identity},
        glob::{Globs, Wanted},
    },
    pool::lock,
    recipe::LayerOptions,
    tarfile::LayerPath,
};

/// What was noticed. The warnings that come of it do not depend on the order in which it was.
#[derive(Default)]
pub(crate) struct Noticed {
    /// Whether hard links of folders that become copies are worth a word.
    count_hard_links: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the index of the mapping.
    warnings: Vec<(usize, Warning)>,
    rules: Option<Arc<Rules>>,
    /// The globs of the options, and whether each matched in any source: the list, and the place in
    /// it.
    shared: BTreeMap<(&'static str, usize), (String, bool)>,
    /// The names of each file with several, by mapping, device and inode.
    hard_links: HashMap<(usize, (u64, u64)), Names>,
    /// The first path that has a mark of an overlay file system, by mapping and attribute.
    overlay_marks: BTreeMap<(usize, Vec<u8>), PathBuf>,
    /// By the place that a conflict policy gave to something else.
    lost_below: BTreeMap<LayerPath, Lost>,
}

struct Names {
    source: PathBuf,
    first: PathBuf,
    count: u64,
    size: u64,
}

struct Lost {
    kept: &'static str,
    first: PathBuf,
    count: u64,
}

/// The place of warnings that belong to no mapping: after all others.
const NO_MAPPING: usize = usize::MAX;

impl Noticed {
    pub(crate) fn new(options: &LayerOptions) -> Self {
        let globs = |list, globs: &[String]| -> Vec<_> {
            globs.iter().enumerate().map(|(at, glob)| ((list, at), (glob.clone(), false))).collect()
        };
        let shared =
            [globs("include", &options.include), globs("exclude", &options.exclude)].concat();
        let state = State { shared: shared.into_iter().collect(), ..State::default() };
        Self { count_hard_links: options.hard_links.is_none(), state: Mutex::new(state) }
    }

    /// Notes a warning about the mapping of this index.
    pub(crate) fn add(&self, mapping: usize, warning: Warning) {
        lock(&self.state).warnings.push((mapping, warning));
    }

    /// Notes warnings about the layers below.
    pub(crate) fn of_base(&self, warnings: Vec<Warning>) {
        warnings.into_iter().for_each(|warning| self.add(NO_MAPPING, warning));
    }

    /// Notes what is to say of the globs that decided what is wanted of a source, when all of it
    /// was seen.
    pub(crate) fn wanted(&self, mapping: usize, source: &Path, wanted: &Wanted) {
        self.globs(mapping, source, "include", &wanted.include);
        self.globs(mapping, source, "exclude", &wanted.exclude);
    }

    /// Notes what is to say of the globs of a list (`include` or `exclude`), of which the first
    /// ones are the options', when all of a source was seen.
    fn globs(&self, mapping: usize, source: &Path, list: &'static str, globs: &Globs) {
        let state = &mut *lock(&self.state);
        let shared = state.shared.range((list, 0)..=(list, usize::MAX)).count();
        for (at, glob) in globs.iter().enumerate() {
            let of = format!("{list} of {source:?}");
            if glob.has_two_meanings() {
                let warning =
                    Warning::GlobBrackets { of: of.clone(), glob: glob.text().to_owned() };
                state.warnings.push((mapping, warning));
            }
            match state.shared.get_mut(&(list, at)) {
                Some((_, matched)) if at < shared => *matched |= glob.is_used(),
                _ if glob.is_used() => {}
                _ => state
                    .warnings
                    .push((mapping, Warning::GlobUnmatched { of, glob: glob.text().to_owned() })),
            }
        }
    }

    /// Notes the permission rules, which go over entries until all were seen.
    pub(crate) fn rules(&self, rules: &Arc<Rules>) {
        lock(&self.state).rules = Some(Arc::clone(rules));
    }

    /// Notes a regular file of a folder.
    #[allow(clippy::unnecessary_cast, reason = "these types are not the same on every system")]
    pub(crate) fn file(&self, mapping: usize, source: &Path, path: &Path, stat: &Stat) {
        if !self.count_hard_links || stat.st_nlink as u64 <= 1 {
            return;
        }
        let mut state = lock(&self.state);
        let names = state.hard_links.entry((mapping, identity(stat))).or_insert_with(|| Names {
            source: source.to_owned(),
            first: path.to_owned(),
            count: 0,
            size: stat.st_size as u64,
        });
        names.count += 1;
        if path < names.first {
            names.first = path.to_owned();
        }
    }

    /// Notes an attribute that is a mark of an overlay file system and was left out.
    pub(crate) fn overlay_mark(&self, mapping: usize, path: &Path, name: Vec<u8>) {
        let mut state = lock(&self.state);
        let first = state.overlay_marks.entry((mapping, name)).or_insert_with(|| path.to_owned());
        if path < first.as_path() {
            *first = path.to_owned();
        }
    }

    /// Notes an entry that was left out because the policy gave the place above it to what is no
    /// directory.
    pub(crate) fn lost_below(&self, winner: &LayerPath, kept: &'static str, path: &LayerPath) {
        let mut state = lock(&self.state);
        let path = path.to_path();
        let lost = state.lost_below.entry(winner.clone()).or_insert_with(|| Lost {
            kept,
            first: path.clone(),
            count: 0,
        });
        lost.count += 1;
        if path < lost.first {
            lost.first = path;
        }
    }

    /// Notes what is no directory, and whose place the policy gave to a directory.
    pub(crate) fn lost_to_directory(&self, entry: &Entry) {
        let destination = entry.path.to_path();
        let warning = match &entry.kind {
            Kind::Symlink(target) => Warning::LinkLost {
                destination,
                target: String::from_utf8_lossy(target).into_owned(),
            },
            _ => Warning::FileLost { destination, lost: entry.origin() },
        };
        self.add(NO_MAPPING, warning);
    }

    /// The warnings that come of it, those about the first mapping first.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let state = std::mem::take(&mut *lock(&self.state));
        let mut warnings = state.warnings;
        for ((list, _), (glob, matched)) in state.shared {
            if !matched {
                warnings.push((NO_MAPPING, Warning::GlobUnmatched { of: list.to_owned(), glob }));
            }
        }
        for ((mapping, name), path) in state.overlay_marks {
            let name = String::from_utf8_lossy(&name).into_owned();
            warnings.push((mapping, Warning::OverlayMark { path, name }));
        }
        for (index, globs) in state.rules.iter().flat_map(|rules| rules.globs()).enumerate() {
            let of = format!("perms[{index}]");
            for glob in globs.iter() {
                let (of, text) = (of.clone(), glob.text().to_owned());
                if glob.has_two_meanings() {
                    warnings.push((NO_MAPPING, Warning::GlobBrackets { of, glob: text }));
                } else if !glob.is_used() {
                    warnings.push((NO_MAPPING, Warning::GlobUnmatched { of, glob: text }));
                }
            }
        }
        // One warning for each mapping, about its first file.
        let mut copied: BTreeMap<usize, (Names, u64)> = BTreeMap::new();
        for ((mapping, _), names) in
            state.hard_links.into_iter().filter(|(_, names)| names.count > 1)
        {
            let bytes = (names.count - 1).saturating_mul(names.size);
            match copied.get_mut(&mapping) {
                None => drop(copied.insert(mapping, (names, bytes))),
                Some((first, all)) => {
                    *all = all.saturating_add(bytes);
                    if names.first < first.first {
                        *first = names;
                    }
                }
            }
        }
        for (mapping, (Names { source, first, count, .. }, bytes)) in copied {
            warnings.push((
                mapping,
                Warning::HardLinksCopied { folder: source, first, names: count, bytes },
            ));
        }
        for (path, Lost { kept, first, count }) in state.lost_below {
            warnings.push((
                NO_MAPPING,
                Warning::LostBelow { destination: path.to_path(), kept, lost: first, count },
            ));
        }
        warnings.sort_by_cached_key(|(mapping, warning)| (*mapping, warning.to_string()));
        let mut warnings: Vec<_> = warnings.into_iter().map(|(_, warning)| warning).collect();
        warnings.dedup();
        warnings
    }
}
