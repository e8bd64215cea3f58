//! What an ELF file needs to start: its loader and its shared libraries.

use std::{
    io::{Read, Seek},
    ops::Range,
    path::{Path, PathBuf},
};

use object::{
    Endianness, FileKind, ReadCache, ReadRef, StringTable, elf,
    read::elf::{Dyn, FileHeader, ProgramHeader},
};
use serde::{Deserialize, Serialize};

/// A program or a shared library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Elf {
    /// The name that images use, if it is a known one.
    pub(crate) architecture: Option<String>,
    /// The path of the loader.
    pub(crate) loader: Option<String>,
    /// The names of the libraries.
    pub(crate) needed: Vec<String>,
    /// Folders of libraries, which may contain `$ORIGIN`.
    run_paths: Vec<String>,
}

impl Elf {
    /// Reads the contents of a file. `None` if they are damaged.
    pub(crate) fn read(file: impl Read + Seek) -> Option<Self> {
        let data = ReadCache::new(file);
        match FileKind::parse(&data).ok()? {
            FileKind::Elf32 => parse::<elf::FileHeader32<Endianness>>(&data),
            FileKind::Elf64 => parse::<elf::FileHeader64<Endianness>>(&data),
            _ => None,
        }
    }

    /// The folders that the file names itself. `origin` is the folder of the file.
    pub(crate) fn run_path(&self, origin: &Path) -> impl Iterator<Item = PathBuf> {
        let origin = origin.to_string_lossy();
        self.run_paths.iter().flat_map(|paths| paths.split(':')).map(move |path| {
            PathBuf::from(path.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
        })
    }

    /// The folders in which loaders look without being told to, of glibc
    /// ([ld.so(8)](https://man7.org/linux/man-pages/man8/ld.so.8.html)), of Debian's glibc, and of
    /// musl.
    pub(crate) fn default_dirs(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let debian = self.architecture.as_deref().and_then(|architecture| {
            Some(match architecture {
                "amd64" => "x86_64-linux-gnu",
                "386" => "i386-linux-gnu",
                "arm64" => "aarch64-linux-gnu",
                "arm" => "arm-linux-gnueabihf",
                "ppc64le" => "powerpc64le-linux-gnu",
                "riscv64" => "riscv64-linux-gnu",
                "s390x" => "s390x-linux-gnu",
                _ => return None,
            })
        });
        let debian = debian.into_iter().flat_map(|triplet| {
            ["/lib", "/usr/lib", "/usr/local/lib"].map(|dir| Path::new(dir).join(triplet))
        });
        debian.chain(
            ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"].map(PathBuf::from),
        )
    }
}

fn parse<'a, H: FileHeader<Endian = Endianness>>(data: impl ReadRef<'a>) -> Option<Elf> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let mut found = Elf {
        architecture: architecture::<H>(header, endian).map(str::to_owned),
        ..Elf::default()
    };
    for segment in segments {
        if let Ok(Some(loader)) = segment.interpreter(endian, data) {
            found.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
    }
    let dynamic = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok()?);
    let entries: Vec<(elf::DynamicTag, u64)> = dynamic
        .into_iter()
        .flatten()
        .map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()))
        .take_while(|(tag, _)| *tag != elf::DT_NULL)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let Some((table, size)) = value(elf::DT_STRTAB).zip(value(elf::DT_STRSZ)) else {
        return Some(found);
    };
    // The table is given by its address in memory.
    let start = segments.iter().find_map(|segment| {
        let (address, length) = (segment.p_vaddr(endian).into(), segment.p_filesz(endian).into());
        let offset = table.checked_sub(address).filter(|offset| *offset < length)?;
        (segment.p_type(endian) == elf::PT_LOAD)
            .then(|| offset.checked_add(segment.p_offset(endian).into()))?
    })?;
    let strings = StringTable::new(data, start, start.checked_add(size)?);
    for (tag, value) in entries {
        let text = || {
            let text = strings.get(u32::try_from(value).ok()?).ok()?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        if tag == elf::DT_NEEDED {
            found.needed.extend(text());
        } else if tag == elf::DT_RPATH || tag == elf::DT_RUNPATH {
            found.run_paths.extend(text());
        }
    }
    Some(found)
}

/// Where the beginning of a program says that its dynamic table is.
pub(crate) fn dynamic_segment(head: &[u8]) -> Option<Range<u64>> {
    fn find<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Range<u64>> {
        let header = H::parse(head).ok()?;
        let endian = header.endian().ok()?;
        let mut segments = header.program_headers(endian, head).ok()?.iter();
        let segment = segments.find(|segment| segment.p_type(endian) == elf::PT_DYNAMIC)?;
        let start = segment.p_offset(endian).into();
        Some(start..start.saturating_add(segment.p_filesz(endian).into()))
    }
    match FileKind::parse(head).ok()? {
        FileKind::Elf32 => find::<elf::FileHeader32<Endianness>>(head),
        FileKind::Elf64 => find::<elf::FileHeader64<Endianness>>(head),
        _ => None,
    }
}

/// The architecture of a program by the name that images use.
fn architecture<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
) -> Option<&'static str> {
    let is_little = header.is_little_endian();
    Some(match (header.e_machine(endian), is_little) {
        (elf::EM_X86_64, _) => "amd64",
        (elf::EM_386, _) => "386",
        (elf::EM_AARCH64, true) => "arm64",
        (elf::EM_ARM, true) => "arm",
        (elf::EM_PPC64, true) => "ppc64le",
        (elf::EM_PPC64, false) => "ppc64",
        (elf::EM_RISCV, _) if header.is_type_64() => "riscv64",
        (elf::EM_S390, _) => "s390x",
        (elf::EM_LOONGARCH, _) => "loong64",
        _ => return None,
    })
}
