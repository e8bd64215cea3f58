//! Entries of layers that container runtimes may apply in another way than this program, so that the
//! files of a container are not those that are checked.

use crate::{
    layer::{
        layer_files::{File, Kind, Member},
        merge::Merge,
    },
    tarfile::{LayerPath, reader::TarEntry},
};

/// The mode and the owner in the header of a hard link. Runtimes apply them to the file.
pub(crate) struct LinkHeader {
    mode: u32,
    owner: (u64, u64),
}

impl LinkHeader {
    /// `None` for anything but a hard link that can be applied.
    pub(crate) fn new(entry: &TarEntry) -> Option<Self> {
        let is_link = entry.kind.is_hard_link();
        let is_applied = is_link && Member::new(entry).is_ok_and(|it| !it.path.is_whiteout());
        is_applied.then_some(Self { mode: entry.mode & 0o7777, owner: (entry.uid, entry.gid) })
    }

    /// How the header differs from what it links to, in words that follow the name of the link.
    pub(crate) fn differs(&self, target: &File) -> Option<String> {
        let advice =
            "and runtimes apply the header of the link to the file: write the same to both";
        let mode = u32::from(target.mode);
        // A symbolic link has no mode of its own.
        if self.mode != mode && !matches!(target.kind, Kind::Symlink(_)) {
            let link = self.mode;
            return Some(format!(
                "is a hard link with the mode {link:04o} to a file with the mode {mode:04o}, {advice}"
            ));
        }
        let ((user, group), (uid, gid)) = (self.owner, target.owner());
        (self.owner != target.owner()).then(|| {
            format!(
                "is a hard link with the owner {user}:{group} to a file of {uid}:{gid}, {advice}"
            )
        })
    }
}

/// Why a path has no certain place: one of its parents is a symbolic link now. In words that follow
/// the path.
pub(crate) fn below_link(merge: &Merge, path: &LayerPath) -> Option<String> {
    // The parents of a file are directories.
    let parent = path.ancestors().find_map(|parent| merge.get(&parent))?;
    parent.file.target()?;
    Some(format!(
        "lies below {:?}, which is a symbolic link that some runtimes follow and others replace: \
         write the path that the link leads to",
        parent.path.to_path()
    ))
}
