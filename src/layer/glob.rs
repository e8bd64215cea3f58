//! Globs on paths in a source or a layer.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::{
    basics::{Error, Result},
    recipe::{FileMapping, LayerOptions},
};

/// A list of globs. `*` and `?` do not match a slash, but `**` does. Globs are cleaned in the same
/// way as Docker cleans patterns in `.dockerignore`: `./a`, `/a`, `a/` and `x/../a` become `a`, and
/// `a//b` becomes `a/b`.
pub(crate) struct Globs {
    set: GlobSet,
    globs: Vec<Glob>,
    /// For each pattern of the set, the index of its glob, and whether brackets are literal in it.
    patterns: Vec<(usize, bool)>,
    /// The number of globs that have not matched anything yet.
    unused: AtomicUsize,
    has_brackets: bool,
    has_exceptions: bool,
}

/// The longest glob, which is some times longer than the longest path. globset panics on one that
/// takes too much memory when it is compiled.
const MAX_GLOB: usize = 16 << 10;

/// A glob, with records of its matches.
pub(crate) struct Glob {
    text: String,
    /// Whether it includes again what earlier globs exclude.
    takes_back: bool,
    parts: Vec<Part>,
    used: AtomicBool,
    /// Whether it matched a path with literal brackets.
    literally: AtomicBool,
    /// Whether it matched another path.
    otherwise: AtomicBool,
}

/// What a glob requires of one component of a path.
enum Part {
    Name(Vec<GlobMatcher>),
    /// This component and all that follow cannot be matched one by one.
    Anything,
}

/// The purpose of globs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Include these paths. A folder includes everything in it.
    Include,
    /// Exclude these paths. After `!`, include them again, as in `.dockerignore`.
    Exclude,
    /// Select paths for a permission rule.
    Rule,
}

impl Globs {
    pub(crate) fn new<G: AsRef<str>>(
        globs: impl IntoIterator<Item = G>,
        used_as: Use,
    ) -> Result<Self> {
        let mut new = Self {
            set: GlobSet::empty(),
            globs: Vec::new(),
            patterns: Vec::new(),
            unused: AtomicUsize::new(0),
            has_brackets: false,
            has_exceptions: false,
        };
        let mut set = GlobSetBuilder::new();
        let mut whole = false;
        for text in globs {
            let text = text.as_ref();
            let refuse = |reason: String| Error::Glob { glob: text.to_owned(), reason };
            if text.len() > MAX_GLOB {
                let begin = text.chars().take(80).chain(['…']).collect();
                let reason = format!("it has more than {MAX_GLOB} bytes: write several short ones");
                return Err(Error::Glob { glob: begin, reason });
            }
            let (takes_back, glob) = match text.strip_prefix('!') {
                None => (false, text),
                Some(rest) if used_as == Use::Exclude => (true, rest.trim_start()),
                Some(_) => {
                    let reason = "`!` is only supported in exclude; for a name that starts with \
                        it, write `\\!`";
                    return Err(refuse(reason.into()));
                }
            };
            let glob = clean(glob).map_err(|reason| refuse(reason.into()))?;
            match used_as {
                Use::Include if glob.is_empty() => whole = true,
                Use::Exclude if glob.is_empty() => {
                    return Err(refuse(
                        "it is the folder itself: remove the mapping, or write ** for its contents"
                            .into(),
                    ));
                }
                _ => {}
            }
            let at = new.globs.len();
            let brackets = with_plain_brackets(&glob);
            set.add(compile(&glob).map_err(refuse)?);
            new.patterns.push((at, false));
            if let Some(plain) = &brackets {
                set.add(compile(plain).map_err(refuse)?);
                new.patterns.push((at, true));
                new.has_brackets = true;
            }
            new.has_exceptions |= takes_back;
            new.globs.push(Glob {
                text: text.to_owned(),
                takes_back,
                parts: glob.split('/').map(Part::new).collect(),
                used: AtomicBool::new(false),
                literally: AtomicBool::new(false),
                otherwise: AtomicBool::new(false),
            });
        }
        // Including the whole folder also includes everything that the other globs match.
        if whole {
            return Self::new(Vec::<String>::new(), used_as);
        }
        let refuse = |error: globset::Error| Error::Glob {
            glob: String::new(),
            reason: error.kind().to_string(),
        };
        new.unused = AtomicUsize::new(new.globs.len());
        Ok(Self { set: set.build().map_err(refuse)?, ..new })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Glob> {
        self.globs.iter()
    }

    /// Whether matching further paths would reveal more unused globs.
    pub(crate) fn is_learning(&self) -> bool {
        self.has_brackets || self.unused.load(Ordering::Relaxed) > 0
    }

    /// Whether a glob matches this path, which has no leading slash.
    pub(crate) fn is_match(&self, path: &Path) -> bool {
        if !self.is_learning() {
            return self.set.is_match(path);
        }
        self.last_match(path).is_some()
    }

    /// The index of the last glob that matches this path.
    fn last_match(&self, path: &Path) -> Option<usize> {
        let matches = self.set.matches(path);
        for &pattern in &matches {
            let (at, plain) = self.patterns[pattern];
            let glob = &self.globs[at];
            self.note_used(glob);
            if plain {
                glob.literally.store(true, Ordering::Relaxed);
            } else if !matches.contains(&(pattern + 1))
                || self.patterns.get(pattern + 1) != Some(&(at, true))
            {
                glob.otherwise.store(true, Ordering::Relaxed);
            }
        }
        matches.iter().map(|&pattern| self.patterns[pattern].0).max()
    }

    fn note_used(&self, glob: &Glob) {
        if !glob.used.swap(true, Ordering::Relaxed) {
            self.unused.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a glob matches this path or one of its parents.
    pub(crate) fn matches_with_parents(&self, path: &Path) -> bool {
        let mut matches = parents(path).map(|path| self.is_match(path));
        if self.is_learning() {
            matches.fold(false, |any, matches| any | matches)
        } else {
            matches.any(|matches| matches)
        }
    }

    /// Whether this path is excluded. Its parents must not be excluded, unless paths in them may be
    /// included again. The last glob that matches the path or one of its parents decides:
    /// <https://docs.docker.com/build/concepts/context/#negating-matches>.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        if !self.has_exceptions {
            return self.is_match(path);
        }
        let last = parents(path).filter_map(|path| self.last_match(path)).max();
        last.is_some_and(|last| !self.globs[last].takes_back)
    }

    /// Whether this path or one of its parents is excluded.
    fn excludes_with_parents(&self, path: &Path) -> bool {
        if self.has_exceptions { self.excludes(path) } else { self.matches_with_parents(path) }
    }

    /// Whether a path in this directory, which is excluded, may be included again.
    pub(crate) fn takes_back_below(&self, directory: &Path) -> bool {
        self.globs.iter().any(|glob| glob.takes_back && glob.may_match_below(directory))
    }

    /// Records a directory that is skipped. What would match in it is not known.
    pub(crate) fn pass_over(&self, directory: &Path) {
        if self.unused.load(Ordering::Relaxed) > 0 {
            let unknown = |glob: &&Glob| !glob.is_used() && glob.may_match_below(directory);
            self.globs.iter().filter(unknown).for_each(|glob| self.note_used(glob));
        }
    }
}

impl Glob {
    /// The glob as given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matched a path, or may have.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether it matched a path with literal brackets, and also another path through the set of
    /// characters.
    pub(crate) fn has_two_meanings(&self) -> bool {
        self.literally.load(Ordering::Relaxed) && self.otherwise.load(Ordering::Relaxed)
    }

    fn may_match_below(&self, directory: &Path) -> bool {
        let mut names = directory.iter();
        for part in &self.parts {
            match (part, names.next()) {
                (_, None) | (Part::Anything, _) => return true,
                (Part::Name(globs), Some(name)) if globs.iter().any(|glob| glob.is_match(name)) => {
                }
                _ => return false,
            }
        }
        false
    }
}

impl Part {
    fn new(name: &str) -> Self {
        let plain = with_plain_brackets(name);
        let globs = [Some(name), plain.as_deref()].into_iter().flatten().map(compile);
        match globs.collect::<Result<Vec<_>, _>>() {
            Ok(globs) if name != "**" => {
                Self::Name(globs.iter().map(globset::Glob::compile_matcher).collect())
            }
            // Half of what stands in braces, for one.
            _ => Self::Anything,
        }
    }
}

fn compile(glob: &str) -> Result<globset::Glob, String> {
    let glob = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
    glob.map_err(|error| error.kind().to_string())
}

/// The path and its parents, without the root.
fn parents(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().filter(|path| !path.as_os_str().is_empty())
}

/// Removes redundant parts from the glob, as Go's `filepath.Clean` does. Returns an empty string
/// for the folder itself.
fn clean(glob: &str) -> Result<String, &'static str> {
    if glob.is_empty() {
        return Err("it is empty: remove it");
    }
    let mut names: Vec<&str> = Vec::new();
    for name in glob.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|name| *name != "..") => drop(names.pop()),
            // Nothing is above the folder, except for unusual members of tars.
            ".." if glob.starts_with('/') => {}
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

/// The glob with literal brackets, for folders such as `[slug]` of some frameworks. `None` if there
/// are no brackets.
fn with_plain_brackets(glob: &str) -> Option<String> {
    let mut plain = String::new();
    let mut has_brackets = false;
    let mut chars = glob.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                plain.push(char);
                plain.extend(chars.next());
            }
            '[' | ']' => {
                has_brackets = true;
                plain.extend(['\\', char]);
            }
            char => plain.push(char),
        }
    }
    has_brackets.then_some(plain)
}

/// The globs that select the paths of a mapping.
pub(crate) struct Wanted {
    pub(crate) include: Globs,
    pub(crate) exclude: Globs,
}

impl Wanted {
    /// The globs of the options, followed by those of the mapping.
    pub(crate) fn new(mapping: &FileMapping, options: &LayerOptions) -> Result<Self> {
        let both = |shared: &[String], own: &[String]| [shared, own].concat();
        Ok(Self {
            include: Globs::new(both(&options.include, &mapping.include), Use::Include)?,
            exclude: Globs::new(both(&options.exclude, &mapping.exclude), Use::Exclude)?,
        })
    }

    /// Whether this path is included, by itself or by one of its parents.
    pub(crate) fn takes(&self, path: &Path) -> bool {
        !self.exclude.excludes_with_parents(path)
            && (self.include.is_empty() || self.include.matches_with_parents(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str], used_as: Use) -> Globs {
        Globs::new(globs, used_as).unwrap()
    }

    #[test]
    fn a_star_stays_in_its_directory() {
        let globs = globs(&["*.rs", "/docs/**", "a?c/"], Use::Include);
        let matched = |path: &str| globs.is_match(Path::new(path));
        assert!(matched("x.rs") && matched("docs/a/b") && matched("abc"));
        assert!(!matched("src/x.rs") && !matched("a/c") && !matched("docs"));
        assert!(globs.matches_with_parents(Path::new("abc/d/e")));
    }

    #[test]
    fn a_long_glob_is_refused() {
        for part in ["x", "[!a]", "?", "**/", "{a,b}", "é"] {
            let matches = part == "**/";
            let longest = part.repeat(MAX_GLOB / part.len());
            assert_eq!(globs(&[&longest], Use::Rule).is_match(Path::new("y")), matches);
            let error = Globs::new([longest + part + "xxx"], Use::Rule).err().unwrap();
            assert!(error.to_string().ends_with("bytes: write several short ones"), "{error}");
            assert!(error.to_string().len() < 400);
        }
    }

    #[test]
    fn a_bad_glob_is_named() {
        let message =
            |glob: &str, used_as| Globs::new([glob], used_as).map(|_| ()).unwrap_err().to_string();
        let said = message("a[b", Use::Exclude);
        assert!(said.starts_with("glob \"a[b\" is not valid: "), "{said}");
        for glob in ["", "!"] {
            assert!(
                message(glob, Use::Exclude).starts_with(&format!("glob {glob:?} is not valid: ")),
                "{glob}"
            );
        }
        for glob in [".", "/", "./", "a/..", "/..", "!."] {
            assert!(message(glob, Use::Exclude).contains("it is the folder itself"), "{glob}");
        }
        for used_as in [Use::Include, Use::Rule] {
            assert!(message("!a", used_as).contains("is only supported in exclude"));
        }
    }

    /// The same as Go's `filepath.Clean`, which Docker uses, but without the leading slash.
    #[test]
    fn spellings_of_one_glob() {
        for (glob, cleaned) in [
            ("./a", "a"),
            ("/a", "a"),
            ("a/", "a"),
            ("a//b", "a/b"),
            ("a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/b/../../c/", "c"),
            (".//./a", "a"),
            ("...", "..."),
            (".a/..b", ".a/..b"),
            ("**/./*.rs", "**/*.rs"),
            ("a/../../b", "../b"),
            ("../../b", "../../b"),
            ("/../b", "b"),
        ] {
            assert_eq!(clean(glob).as_deref(), Ok(cleaned), "{glob}");
        }
        assert!(globs(&[".", "a"], Use::Include).is_empty(), "the whole folder");
    }

    #[test]
    fn brackets_match_a_set_and_themselves() {
        let globs = globs(&["app/[slug]", "x/[[...rest]]/*.js", r"y/\[z\]"], Use::Exclude);
        for (path, matched) in [
            ("app/[slug]", true),
            ("app/s", true),
            ("app/x", false),
            ("x/[[...rest]]/a.js", true),
            ("y/[z]", true),
            ("y/z", false),
        ] {
            assert_eq!(globs.is_match(Path::new(path)), matched, "{path}");
        }
        let two: Vec<_> = globs.iter().map(Glob::has_two_meanings).collect();
        assert_eq!(two, [true, false, false]);
    }

    /// The examples in Docker's documentation of `.dockerignore`.
    #[test]
    fn an_exclamation_mark_includes_again() {
        let rows: [(&[&str], &[&str], &[&str]); 4] = [
            (&["*.md", "!README.md"], &["a.md"], &["README.md", "x.rs"]),
            (
                &["*.md", "!README*.md", "README-secret.md"],
                &["README-secret.md"],
                &["README.md", "README-a.md"],
            ),
            (&["*.md", "README-secret.md", "!README*.md"], &["a.md"], &["README-secret.md"]),
            (&["*", "!src/lib"], &["a", "src", "src/bin", "src/bin/x"], &["src/lib", "src/lib/x"]),
        ];
        for (list, excluded, kept) in rows {
            let globs = globs(list, Use::Exclude);
            let excludes = |path: &&str| globs.excludes(Path::new(path));
            assert!(excluded.iter().all(excludes) && !kept.iter().any(excludes), "{list:?}");
        }
        let globs = globs(&["*", "!src/lib", "!**/*.md"], Use::Exclude);
        assert!(
            globs.takes_back_below(Path::new("src"))
                && globs.takes_back_below(Path::new("deep/down"))
        );
        let globs = Globs::new(["*", "!src/lib"], Use::Exclude).unwrap();
        assert!(
            !globs.takes_back_below(Path::new("src/bin"))
                && !globs.takes_back_below(Path::new("target"))
        );
    }

    #[test]
    fn globs_below_an_excluded_folder_count_as_used() {
        let globs = globs(&["target", "target/debug", "**/*.o", "tests"], Use::Exclude);
        assert!(globs.excludes(Path::new("target")));
        globs.pass_over(Path::new("target"));
        let unused: Vec<_> = globs.iter().filter(|glob| !glob.is_used()).map(Glob::text).collect();
        assert_eq!(unused, ["tests"]);
    }
}
