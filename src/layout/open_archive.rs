//! Opens an archive of any tool in any supported compression.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::BufReader,
    path::Path,
    sync::Arc,
};

use crate::{
    basics::{Error, Result},
    document::MARKER,
    layout::{
        archive::{Archive, ArchiveKind},
        compressed, docker_archive,
    },
    tarfile::{Ending, TarReader},
};

/// Opens an archive. A compressed archive is unpacked into an unnamed file in the scratch folder.
pub(crate) fn open(path: &Path, scratch: Option<&Path>) -> Result<Archive> {
    let mut archive = Archive {
        tar: Arc::new(File::open(path).map_err(Error::read(path))?),
        members: BTreeMap::new(),
        twice: BTreeSet::new(),
        ending: Ending::default(),
        damage: None,
        is_opaque: false,
        kind: ArchiveKind { is_docker: false, was_compressed: false },
    };
    match compressed::unpack(path, &archive.tar, scratch)? {
        compressed::Tar::Plain => {}
        compressed::Tar::Unpacked(tar) => {
            archive.tar = Arc::new(tar);
            archive.kind.was_compressed = true;
        }
        compressed::Tar::Refused(reason) => {
            (archive.damage, archive.is_opaque) = (Some(reason), true);
            return Ok(archive);
        }
    }
    let reader = BufReader::new(archive.tar.try_clone().map_err(Error::read(path))?);
    let mut tar = TarReader::seekable(reader).map_err(Error::read(path))?;
    if let Err(error) = archive.list(&mut tar) {
        archive.damage = Some(if archive.members.is_empty() {
            format!(
                "is neither the folder of an image layout, an oci-archive nor a docker-archive \
                 ({error}): give one of these"
            )
        } else {
            format!("is a damaged archive ({error}): make or fetch it again")
        });
    } else if archive.lacks(MARKER) && !archive.lacks(docker_archive::MANIFEST) {
        match docker_archive::layout(&archive) {
            Ok(members) => {
                archive.members = members;
                archive.kind.is_docker = true;
            }
            Err(reason) => (archive.damage, archive.is_opaque) = (Some(reason), true),
        }
    } else if archive.lacks(MARKER) && !archive.lacks(docker_archive::REPOSITORIES) {
        let reason = "is a docker-archive of a Docker before 1.10, which this program does not \
            read: load it with docker, and save it again";
        (archive.damage, archive.is_opaque) = (Some(reason.to_owned()), true);
    }
    Ok(archive)
}
