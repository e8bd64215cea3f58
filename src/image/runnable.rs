//! Checks that a container of an image can start: its program, interpreters and shared libraries
//! are in the image.

pub(crate) mod built_files;
pub(crate) mod elf;
pub(crate) mod files;
pub(crate) mod libraries;
pub(crate) mod needs;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use self::{
    built_files::BuiltFiles,
    elf::Elf,
    files::{Broken, Files},
    libraries::Libraries,
    needs::Needs,
};
use crate::{
    basics::{Result, Warning},
    document::Configuration,
    image::config::ImageConfig,
    layer::layer_tar::TarLayer,
    pool::Pool,
    recipe::BaseFiles,
    tarfile::LayerPath,
};

/// Where programs are without `PATH`, as [runc](https://github.com/opencontainers/runc) has it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Finds what keeps a container of this image from starting. The layers are those above the base,
/// lowest first.
///
/// Reads the beginning of every executable file of the layers and the names of their users, and
/// nothing of the base but its list of files: a program of the base counts as complete, and its
/// users are not known. In an image without an entry point
/// or command, only programs are checked, and no scripts. An image for another system than Linux
/// has no warnings.
///
/// # Errors
///
/// Those of reading the sources of the layers, and of listing the base.
pub fn check_runnable(
    config: &ImageConfig,
    layers: &[TarLayer],
    base: Option<&BaseFiles>,
) -> Result<Vec<Warning>> {
    check(config.document(), &BuiltFiles::new(layers, base, &Pool::available())?)
}

/// Finds what keeps a container with these files from starting.
pub(crate) fn check(document: &Configuration, files: &dyn Files) -> Result<Vec<Warning>> {
    if document.os != "linux" {
        return Ok(Vec::new());
    }
    let mut check = Check::new(document, files);
    check.user()?;
    check.program()?;
    check.executables()?;
    Ok(check.warnings())
}

/// Finds the shared libraries and loaders that the image lacks and this machine has, with the
/// libraries that these need. Each belongs at its own path.
///
/// # Errors
///
/// As [`check_runnable`].
pub fn missing_libraries(
    config: &ImageConfig,
    layers: &[TarLayer],
    base: Option<&BaseFiles>,
) -> Result<Vec<PathBuf>> {
    let files = BuiltFiles::new(layers, base, &Pool::available())?;
    let mut check = Check::new(config.document(), &files);
    check.libraries = Some(Libraries::new());
    check.program()?;
    check.executables()?;
    Ok(check.libraries.map(Libraries::into_paths).unwrap_or_default())
}

struct Check<'a> {
    files: &'a dyn Files,
    document: &'a Configuration,
    env: BTreeMap<&'a str, &'a str>,
    warnings: Vec<Warning>,
    /// What is missing, with the files that need it.
    missing: BTreeMap<(Missing, String), BTreeSet<LayerPath>>,
    seen: BTreeSet<LayerPath>,
    /// Where to look for libraries that the image lacks.
    libraries: Option<Libraries>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Interpreter,
    Library,
}

impl<'a> Check<'a> {
    fn new(document: &'a Configuration, files: &'a dyn Files) -> Self {
        let env = document.config.iter().flat_map(|config| &config.env);
        let env = env.filter_map(|variable| variable.split_once('=')).collect();
        let (warnings, missing, seen) = Default::default();
        Self { files, document, env, warnings, missing, seen, libraries: None }
    }

    /// Checks the user and the group that a container has, if they are names.
    fn user(&mut self) -> Result<()> {
        let user = self.document.config.as_ref().and_then(|config| config.user.as_deref());
        let mut names = user.unwrap_or_default().splitn(2, ':');
        for (kind, file) in [("user", "/etc/passwd"), ("group", "/etc/group")] {
            let name = names.next().unwrap_or_default();
            if name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let is_known = match self.files.resolve(file.as_ref()) {
                Ok(path) => match self.files.text(&path)? {
                    Some(text) => text.lines().any(|line| line.split(':').next() == Some(name)),
                    None => true,
                },
                Err(_) => false,
            };
            if !is_known {
                let (name, file) = (name.to_owned(), file.into());
                self.warnings.push(Warning::NameMissing { kind, name, file });
            }
        }
        Ok(())
    }

    /// Checks the program that a container starts.
    fn program(&mut self) -> Result<()> {
        let Some(config) = &self.document.config else { return Ok(()) };
        let words = config.entrypoint.iter().flatten().chain(config.cmd.iter().flatten());
        let Some(program) = words.into_iter().next() else { return Ok(()) };
        let dir = config.working_dir.as_deref().unwrap_or("/");
        match self.find(program, dir) {
            Ok(path) => {
                if let Some(mode) = self.files.mode(&path)
                    && mode & 0o111 == 0
                {
                    let path = path.to_path();
                    self.warnings.push(Warning::ProgramNotExecutable { path, mode });
                    return Ok(());
                }
                self.file(&path)
            }
            Err(broken) => {
                let program = program.clone();
                self.warnings.push(match broken {
                    Some(target) => Warning::ProgramLinkBroken { program, target },
                    None => Warning::ProgramMissing { program },
                });
                Ok(())
            }
        }
    }

    /// The path of a program: a path, or a name that `PATH` leads to. The error has the target of
    /// a broken link, if that is the reason.
    fn find(&mut self, program: &str, dir: &str) -> Result<LayerPath, Option<PathBuf>> {
        if program.contains('/') {
            let path = PathBuf::from("/").join(dir).join(program);
            return self.files.resolve(&path).map_err(Broken::target);
        }
        let path = self.env.get("PATH").copied().unwrap_or(PATH);
        let mut broken = None;
        for dir in path.split(':') {
            match self.files.resolve(&PathBuf::from("/").join(dir).join(program)) {
                Ok(found) => return Ok(found),
                Err(why) => broken = broken.or(why.target()),
            }
        }
        Err(broken)
    }

    /// Checks all executable files whose contents are known.
    fn executables(&mut self) -> Result<()> {
        let config = self.document.config.iter();
        let words = config.flat_map(|config| [&config.entrypoint, &config.cmd]).flatten().flatten();
        let has_program = words.count() > 0;
        for path in self.files.executables() {
            // An image of files alone may have scripts for another image.
            let is_program =
                |needs: &Needs| matches!(needs, Needs::Elf(elf) if elf.loader.is_some());
            if has_program || self.files.needs(&path)?.as_ref().is_some_and(is_program) {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    /// Checks a script, program or library.
    fn file(&mut self, path: &LayerPath) -> Result<()> {
        if !self.seen.insert(path.clone()) {
            return Ok(());
        }
        match self.files.needs(path)? {
            Some(Needs::Interpreters(interpreters)) => self.script(path, &interpreters),
            Some(Needs::Elf(elf)) => self.elf(path, &elf),
            None => Ok(()),
        }
    }

    /// Checks the interpreters of a script.
    fn script(&mut self, path: &LayerPath, interpreters: &[String]) -> Result<()> {
        for name in interpreters {
            match self.find(name, "/") {
                Ok(found) => self.file(&found)?,
                Err(_) => self.add_missing(Missing::Interpreter, name, path),
            }
        }
        Ok(())
    }

    /// Checks the architecture, the loader and the libraries of a program or library.
    fn elf(&mut self, path: &LayerPath, elf: &Elf) -> Result<()> {
        let expected = &self.document.architecture;
        if let Some(found) = &elf.architecture
            && found != expected
        {
            let (found, expected) = (found.to_owned(), expected.clone());
            let path = path.to_path();
            self.warnings.push(Warning::OtherArchitecture { path, found, expected });
            return Ok(());
        }
        if let Some(loader) = &elf.loader {
            match self.find(loader, "/") {
                Ok(found) => self.file(&found)?,
                Err(_) => self.lacks(loader, path, elf)?,
            }
        }
        for library in &elf.needed {
            match self.library(library, path, elf) {
                Some(found) => self.file(&found)?,
                // The loader's cache may have any folder.
                None if self.has_loader_cache() && self.files.may_have(library) => {}
                None => self.lacks(library, path, elf)?,
            }
        }
        Ok(())
    }

    /// Takes a library that the image lacks from this machine, or records that it is missing.
    fn lacks(&mut self, library: &str, path: &LayerPath, elf: &Elf) -> Result<()> {
        let found = self.libraries.as_mut().and_then(|libraries| libraries.find(library, elf));
        let Some((found, is_new)) = found else {
            self.add_missing(Missing::Library, library, path);
            return Ok(());
        };
        if !is_new {
            return Ok(());
        }
        let needs = self.libraries.as_ref().and_then(|libraries| libraries.elf(&found).cloned());
        match (LayerPath::parse(&found), needs) {
            (Ok(path), Some(needs)) => self.elf(&path, &needs),
            _ => Ok(()),
        }
    }

    /// The path of a library that this file needs.
    fn library(&self, library: &str, path: &LayerPath, elf: &Elf) -> Option<LayerPath> {
        let env = self.env.get("LD_LIBRARY_PATH").into_iter().flat_map(|dirs| dirs.split(':'));
        let origin = path.parent().to_path();
        let dirs: Vec<_> =
            elf.run_path(&origin).chain(env.map(PathBuf::from)).chain(elf.default_dirs()).collect();
        let at = |dir: PathBuf| {
            self.files.resolve(&dir.join(OsStr::from_bytes(library.as_bytes()))).ok()
        };
        match library.contains('/') {
            true => at("/".into()),
            false => dirs.into_iter().find_map(at),
        }
    }

    fn has_loader_cache(&self) -> bool {
        self.files.resolve("/etc/ld.so.cache".as_ref()).is_ok()
    }

    fn add_missing(&mut self, kind: Missing, name: &str, path: &LayerPath) {
        self.missing.entry((kind, name.to_owned())).or_default().insert(path.clone());
    }

    fn warnings(self) -> Vec<Warning> {
        let missing = self.missing.into_iter().filter_map(|((kind, name), paths)| {
            let (path, count) = (paths.first()?.to_path(), paths.len() as u64);
            Some(match kind {
                Missing::Interpreter => {
                    Warning::InterpreterMissing { interpreter: name, path, count }
                }
                Missing::Library => Warning::LibraryMissing { library: name, path, count },
            })
        });
        self.warnings.into_iter().chain(missing).collect()
    }
}
