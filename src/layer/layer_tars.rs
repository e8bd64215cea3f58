//! `layer_tars` makes several layers from mappings.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use crate::{
    basics::{Error, Progress, Result},
    layer::{
        entry::{Content, Entry, Kind},
        layer_tar::{Packing, TarLayer, created_by, named},
        listing::list,
        stream::TarStream,
        warnings::Noticed,
    },
    pool::Pool,
    recipe::{FileMapping, LayerOptions},
    split::{MOST_IN_RECORDS, SplitFile, SplitGroup, SplitOptions, is_record, split_files},
};

/// Makes layers from these files, lowest first, so that files which change at different times are
/// in different layers. [`split_files`](crate::split::split_files()) decides which.
///
/// Merged, the layers have exactly the entries of the one layer that
/// [`layer_tar`](crate::layer_tar()) makes. A directory is in each layer that has something in it,
/// everywhere with the same attributes. Files that are hard links of each other share a layer.
///
/// The layers are stored or described like those of `layer_tar`, and are above the same base. They
/// have no [`Recipe`](crate::Recipe). All entries are listed before the first is read. The warnings
/// about all files are those of the first layer.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, layer_tars, split::SplitOptions};
/// let files = [
///     FileMapping::text("import 'zod'", "/app/main.js"),
///     FileMapping::text("export {}", "/app/node_modules/zod/index.js"),
/// ];
/// let layers = layer_tars(files, LayerOptions::default(), &SplitOptions::default())?;
/// assert_eq!(layers.len(), 2);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`layer_tar`](crate::layer_tar()), and [`Error::Invalid`] if the limit of the split
/// is 0.
pub fn layer_tars(
    files: impl IntoIterator<Item = FileMapping>,
    options: impl Into<LayerOptions>,
    split: &SplitOptions,
) -> Result<Vec<TarLayer>> {
    let options = options.into();
    let files: Vec<FileMapping> = files.into_iter().collect();
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let noticed = Arc::new(Noticed::new(&options));
    let begun = SystemTime::now();
    let entries = list(&files, &options, &pool, &noticed)?.into_entries();
    let mut warnings = noticed.warnings();
    Error::refuse_warnings(&warnings, options.strict)?;
    let mut groups = split_files(split_input(&entries)?, split)?;
    if groups.is_empty() {
        groups.push(SplitGroup::default());
    }
    let streams: Vec<_> =
        parts(entries, &groups).into_iter().map(stream_of).collect::<Result<_>>()?;
    let total = streams.iter().map(|stream| stream.size()).sum();
    let mut layers = Vec::new();
    let mut before = 0;
    for (stream, group) in streams.iter().zip(groups) {
        let progress = |done: u64| {
            if let Some(Progress(report)) = &options.progress {
                report(before + done, total);
            }
        };
        let created_by = match group.units.is_empty() {
            true => created_by(&files),
            false => named(group.units.iter().map(Into::into)),
        };
        let packing =
            Packing { stream, listing: None, options: &options, pool: &pool, record: false, begun };
        layers.push(packing.pack(created_by, &progress, || std::mem::take(&mut warnings))?);
        before += stream.size();
    }
    Ok(layers)
}

/// The entries as a split sees them: all but whiteouts, and directories that contain something.
fn split_input(entries: &[Entry]) -> Result<Vec<SplitFile>> {
    let mut room = MOST_IN_RECORDS;
    let mut input = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.kind == Kind::Whiteout || is_parent(entries, index) {
            continue;
        }
        let path = entry.path.to_path();
        let file = SplitFile::new(&path, entry.content_size());
        input.push(match &entry.kind {
            Kind::HardLink(target) => file.link_to(target.to_path()),
            Kind::File(content) if is_record(&path) && content.size() <= room => {
                room -= content.size();
                file.contents(bytes_of(content)?)
            }
            _ => file,
        });
    }
    Ok(input)
}

fn bytes_of(content: &Content) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.for_each_part(|part| {
        bytes.extend_from_slice(part);
        true
    })?;
    Ok(bytes)
}

/// Whether this entry is a directory with something in it.
fn is_parent(entries: &[Entry], index: usize) -> bool {
    let entry = &entries[index];
    entry.kind == Kind::Directory
        && entries.get(index + 1).is_some_and(|next| next.path.is_below(&entry.path))
}

/// Divides the entries. Every part has the directories that contain its entries. Whiteouts are in
/// the lowest layer, so that they hide nothing of the others.
fn parts(entries: Vec<Entry>, groups: &[SplitGroup]) -> Vec<Vec<Entry>> {
    let group_of: HashMap<&PathBuf, usize> = groups
        .iter()
        .enumerate()
        .flat_map(|(at, group)| group.files.iter().map(move |path| (path, at)))
        .collect();
    let mut parts = vec![Vec::new(); groups.len()];
    // The directories above the next entry, and the parts that have them.
    let mut above: Vec<(Entry, BTreeSet<usize>)> = Vec::new();
    let parents: Vec<bool> = (0..entries.len()).map(|index| is_parent(&entries, index)).collect();
    for (entry, is_parent) in entries.into_iter().zip(parents) {
        while above.last().is_some_and(|(above, _)| !entry.path.is_below(&above.path)) {
            above.pop();
        }
        if is_parent {
            above.push((entry, BTreeSet::new()));
            continue;
        }
        let group = group_of.get(&entry.path.to_path()).copied().unwrap_or_default();
        for (directory, have) in &mut above {
            if have.insert(group) {
                parts[group].push(directory.clone());
            }
        }
        parts[group].push(entry);
    }
    parts
}

fn stream_of(entries: Vec<Entry>) -> Result<Arc<TarStream>> {
    let stream = TarStream::default();
    stream.push(entries)?;
    stream.complete();
    Ok(Arc::new(stream))
}
