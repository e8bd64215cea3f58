//! Collects warnings from all threads while a layer is listed.

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
    recipe::{Attribute, FileMapping, LayerOptions},
    tarfile::LayerPath,
};

/// The observations so far. The resulting warnings do not depend on their order.
#[derive(Default)]
pub(crate) struct Noticed {
    /// Whether to warn about hard links of folders that become copies.
    count_hard_links: bool,
    optional_globs: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With the index of the mapping.
    warnings: Vec<(usize, Warning)>,
    rules: Option<Arc<Rules>>,
    /// The globs of the options, and whether each matched in any source, by list and index.
    shared: BTreeMap<(&'static str, usize), (String, bool)>,
    /// The names of each file with several names, by mapping, device and inode.
    hard_links: HashMap<(usize, (u64, u64)), Names>,
    /// The first path with a mark of an overlay file system, by mapping and attribute.
    overlay_marks: BTreeMap<(usize, Vec<u8>), PathBuf>,
    /// Omitted paths, by the path that the conflict policy chose above them.
    lost_below: BTreeMap<LayerPath, Lost>,
    /// Files that lose setuid or setgid, and files that others could not read in the source.
    lost_modes: BTreeMap<LostMode, (PathBuf, u32, u64)>,
}

/// What of a mode gets lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LostMode {
    SetId,
    Private,
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

/// The index for warnings that belong to no mapping, which come last.
const NO_MAPPING: usize = usize::MAX;

impl Noticed {
    pub(crate) fn new(options: &LayerOptions) -> Self {
        let globs = |list, globs: &[String]| -> Vec<_> {
            let is_quiet = |glob: &String| options.optional_globs.contains(glob);
            let glob = |(at, glob): (_, &String)| ((list, at), (glob.clone(), is_quiet(glob)));
            globs.iter().enumerate().map(glob).collect()
        };
        let shared =
            [globs("include", &options.include), globs("exclude", &options.exclude)].concat();
        let state = State { shared: shared.into_iter().collect(), ..State::default() };
        Self {
            count_hard_links: options.hard_links.is_none(),
            optional_globs: options.optional_globs.clone(),
            state: Mutex::new(state),
        }
    }

    /// Adds a warning about the mapping with this index.
    pub(crate) fn add(&self, mapping: usize, warning: Warning) {
        lock(&self.state).warnings.push((mapping, warning));
    }

    /// Adds warnings about the layers below.
    pub(crate) fn of_base(&self, warnings: Vec<Warning>) {
        warnings.into_iter().for_each(|warning| self.add(NO_MAPPING, warning));
    }

    /// Records the matches of the globs that select paths of a source, after the whole source was
    /// listed.
    pub(crate) fn wanted(&self, mapping: usize, source: &Path, wanted: &Wanted) {
        self.globs(mapping, source, "include", &wanted.include);
        self.globs(mapping, source, "exclude", &wanted.exclude);
    }

    /// Records the matches of a list of globs (`include` or `exclude`), after the whole source was
    /// listed. The first globs are those of the options.
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
                _ if glob.is_used() || self.optional_globs.iter().any(|g| g == glob.text()) => {}
                _ => state
                    .warnings
                    .push((mapping, Warning::GlobUnmatched { of, glob: glob.text().to_owned() })),
            }
        }
    }

    /// Sets the permission rules, which match entries until all are known.
    pub(crate) fn rules(&self, rules: &Arc<Rules>) {
        lock(&self.state).rules = Some(Arc::clone(rules));
    }

    /// Records a regular file of a folder.
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

    /// Records a regular file, whose mode in the layer is the default unless a rule sets it.
    pub(crate) fn mode(&self, mapping: &FileMapping, path: &Path, place: &LayerPath, mode: u32) {
        let lost = match mode {
            _ if mapping.attributes.mode != Attribute::Normal => return,
            mode if mode & 0o6000 != 0 => LostMode::SetId,
            mode if mode & 0o077 == 0 => LostMode::Private,
            _ => return,
        };
        let mut state = lock(&self.state);
        if state.rules.as_ref().is_some_and(|rules| rules.sets_mode(place)) {
            return;
        }
        let new = || (path.to_owned(), mode, 0);
        let (first, first_mode, count) = state.lost_modes.entry(lost).or_insert_with(new);
        *count += 1;
        if path < first.as_path() {
            (*first, *first_mode) = (path.to_owned(), mode);
        }
    }

    /// Records an omitted attribute that is a mark of an overlay file system.
    pub(crate) fn overlay_mark(&self, mapping: usize, path: &Path, name: Vec<u8>) {
        let mut state = lock(&self.state);
        let first = state.overlay_marks.entry((mapping, name)).or_insert_with(|| path.to_owned());
        if path < first.as_path() {
            *first = path.to_owned();
        }
    }

    /// Records an entry that was omitted because the policy chose a file or link above it.
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

    /// Records a file or link that was omitted because the policy chose a directory.
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

    /// The resulting warnings, sorted by mapping.
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
        for (rule, globs) in state.rules.iter().flat_map(|rules| rules.iter()) {
            let of = match (rule.mode, rule.uid.or(rule.gid)) {
                (Some(_), None) => "rule for modes",
                (None, _) => "rule for owners",
                (Some(_), Some(_)) => "rule for modes and owners",
            };
            for glob in globs.iter() {
                let (of, text) = (of.to_owned(), glob.text().to_owned());
                if glob.has_two_meanings() {
                    warnings.push((NO_MAPPING, Warning::GlobBrackets { of, glob: text }));
                } else if !glob.is_used() && !self.optional_globs.contains(&text) {
                    warnings.push((NO_MAPPING, Warning::GlobUnmatched { of, glob: text }));
                }
            }
        }
        for (lost, (path, mode, count)) in state.lost_modes {
            let lost = match lost {
                LostMode::SetId => "runs with the rights of its owner or group",
                LostMode::Private => "can only be read by its owner",
            };
            warnings.push((NO_MAPPING, Warning::ModeLost { path, mode, lost, count }));
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
