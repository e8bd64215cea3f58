//! Reads layers on top of each other, and follows what becomes of each file.

use std::{collections::HashMap, io::Read, sync::Arc};

use crate::{
    basics::Result,
    blob::{Blob, Layer},
    image::runnable::needs::Needs,
    layer::{
        layer_files::{File, Is, Kind, Member, name},
        merge::{Change, Merge, Put},
    },
    report::{
        contents::Contents,
        image_report::{Fate, LayerReport, ReportedFile, total},
    },
    rootfs::{
        layer_stream::{Fault, read_layer},
        unpack::skipped::{Skipped, SkippedList},
    },
    tarfile::{LayerPath, TarEntry, TarReader},
};

/// The files of layers.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) files: Vec<ReportedFile>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) merge: Merge,
    /// The numbers of the files that are visible, by each of their names.
    pub(crate) names: HashMap<LayerPath, usize>,
    /// How many names each file has.
    links: Vec<usize>,
    /// What scripts and programs need, by the number of the file.
    pub(crate) needs: HashMap<usize, Needs>,
}

impl Scan {
    pub(crate) fn new(layers: &[Arc<dyn Layer>]) -> Result<Self> {
        let (mut scan, skipped) = (Self::default(), SkippedList::default());
        for layer in layers {
            scan.layer(layer, &skipped)?;
        }
        scan.skipped = skipped.into_list();
        scan.name_survivors();
        Ok(scan)
    }

    fn layer(&mut self, layer: &impl Blob, skipped: &SkippedList) -> Result<()> {
        let first = self.files.len();
        self.merge.begin(self.layers.len());
        let (mut entries, mut whiteouts) = (0, 0);
        read_layer(layer, |tar| {
            while let Some(entry) = tar.next_entry()? {
                entries += 1;
                let member = Member::new(&entry);
                let is_whiteout = member.as_ref().is_ok_and(|member| member.is == Is::Whiteout);
                whiteouts += u64::from(is_whiteout);
                match member.and_then(|member| self.merge.apply(member)) {
                    Ok(change) => self.follow(change, is_whiteout, tar, &entry)?,
                    Err(why) => skipped.add(&name(&entry), why),
                }
            }
            Ok(true)
        })?;
        let size = total(self.files[first..].iter().map(|file| file.size));
        let (digest, blob_size) = (layer.descriptor().digest, layer.descriptor().size);
        self.layers.push(LayerReport { digest, blob_size, size, entries, whiteouts });
        Ok(())
    }

    /// Records what an entry changes.
    fn follow<R: Read>(
        &mut self,
        change: Change,
        is_whiteout: bool,
        tar: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        let by = self.layers.len();
        for (path, _) in change.removed {
            let Some(number) = self.names.remove(&path) else { continue };
            self.links[number] -= 1;
            if self.links[number] == 0 {
                self.files[number].fate = match is_whiteout {
                    true => Fate::Deleted { by },
                    false => Fate::Overwritten { by },
                };
            }
        }
        match change.put {
            Some(Put::HardLink { path, target }) => {
                if let Some(&number) = self.names.get(&target) {
                    self.links[number] += 1;
                    self.names.insert(path, number);
                }
                Ok(())
            }
            Some(Put::File(path)) => match self.merge.get(&path).map(|placed| &placed.file) {
                Some(&File { kind: Kind::File(size), mode, .. }) => {
                    self.file(path, size, mode.into(), tar, entry)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn file<R: Read>(
        &mut self,
        path: LayerPath,
        size: u64,
        mode: u32,
        tar: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        let mut contents = Contents::new(size);
        tar.contents(entry, |at, bytes| {
            contents.add(at, bytes);
            Ok::<_, Fault>(())
        })?;
        let (number, layer) = (self.files.len(), self.layers.len());
        if let Some(needs) = contents.needs() {
            self.needs.insert(number, needs);
        }
        let (digest, fate) = (contents.digest(), Fate::Visible);
        let report = ReportedFile { path: path.to_path(), layer, size, mode, digest, fate };
        self.files.push(report);
        self.links.push(1);
        self.names.insert(path, number);
        Ok(())
    }

    /// A file whose first name was removed gets the first of its other names.
    fn name_survivors(&mut self) {
        let has_own_name = |number: &usize| {
            let path = LayerPath::parse(&self.files[*number].path);
            path.is_ok_and(|path| self.names.get(&path) == Some(number))
        };
        let names = self.names.iter().filter(|(_, number)| !has_own_name(number));
        let mut names: Vec<_> = names.map(|(path, number)| (path.clone(), *number)).collect();
        names.sort();
        for (path, number) in names.into_iter().rev() {
            self.files[number].path = path.to_path();
        }
    }
}
