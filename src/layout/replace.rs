//! Replaces a layout by another one.

use std::path::Path;

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::{
    basics::{Error, Result},
    layout::read::ImageLayout,
    store::Lock,
};

impl ImageLayout {
    /// Exchanges the folder of this layout with another folder on the same file system. Every
    /// reader finds either the one or the other. Waits until no other program uses the layout, and
    /// calls `begin` then, immediately before the exchange.
    ///
    /// Use it to replace a layout by a new one: afterwards, the other path has the old layout.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnlyArchive`], [`Error::Layout`] if a layer of this process is stored in the
    /// layout, and [`Error::Write`] if the file system cannot exchange folders.
    pub fn exchange(&self, other: impl AsRef<Path>, begin: impl FnOnce()) -> Result<()> {
        let (dir, other) = (self.folder()?, other.as_ref());
        let _lock = Lock::exclusive(dir, self.write)?;
        begin();
        match renameat_with(CWD, dir, CWD, other, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                let reason = "cannot be replaced, because its file system cannot exchange folders: \
                              remove it first";
                return Err(Error::layout(dir, reason));
            }
            Err(errno) => return Err(Error::write(dir)(errno.into())),
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        self.write.sync_folder(parent.unwrap_or(Path::new(".")))
    }
}
