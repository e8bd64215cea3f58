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

/// Some globs. `*` and `?` do not cross a slash, `**` does. A glob is cleaned as Docker cleans the
/// patterns of `.dockerignore`: `./a`, `/a`, `a/`, `a//b` and `x/../a` are `a` and `a/b`.
pub(crate) struct Globs {
    set: GlobSet,
    globs: Vec<Glob>,
    /// For each pattern of the set, the place of its glob, and whether brackets stand for
    /// themselves in it.
    patterns: Vec<(usize, bool)>,
    /// How many globs matched nothing yet.
    unused: AtomicUsize,
    has_brackets: bool,
    has_exceptions: bool,
}

/// One glob, and what became of it.
pub(crate) struct Glob {
    text: String,
    /// Whether it takes back what those before it exclude.
    takes_back: bool,
    parts: Vec<Part>,
    used: AtomicBool,
    /// A path matched in which brackets stand for themselves.
    literally: AtomicBool,
    /// Another path matched.
    otherwise: AtomicBool,
}

/// What a glob says of one name of a path.
enum Part {
    Name(Vec<GlobMatcher>),
    /// Of this and all that follows, nothing can be said name by name.
    Anything,
}

/// What globs are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// What is taken; a folder with all that is in it.
    Include,
    /// What is left out; with `!` in front, what is not, as in `.dockerignore`.
    Exclude,
    /// What a permission rule is for.
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
            let (takes_back, glob) = match text.strip_prefix('!') {
                None => (false, text),
                Some(rest) if used_as == Use::Exclude => (true, rest.trim_start()),
                Some(_) => {
                    let reason = "`!` takes back in exclude alone; a name that begins with it is \
                        written `\\!`";
                    return Err(refuse(reason.into()));
                }
            };
            let glob = clean(glob).map_err(|reason| refuse(reason.into()))?;
            match used_as {
                Use::Include if glob.is_empty() => whole = true,
                Use::Exclude if glob.is_empty() => {
                    return Err(refuse(
                        "it is the folder itself: leave the mapping out, or write ** for all in it"
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
        // Who asks for the whole folder asks for all else in it too.
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

    /// Whether more is to be learned of the globs by paths that need not be matched otherwise.
    pub(crate) fn is_learning(&self) -> bool {
        self.has_brackets || self.unused.load(Ordering::Relaxed) > 0
    }

    /// Whether a glob matches this path, which has no slash in front.
    pub(crate) fn is_match(&self, path: &Path) -> bool {
        if !self.is_learning() {
            return self.set.is_match(path);
        }
        self.last_match(path).is_some()
    }

    /// The place of the last glob that matches this path.
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

    /// Whether a glob matches this path or something above it.
    pub(crate) fn matches_with_parents(&self, path: &Path) -> bool {
        let mut matches = parents(path).map(|path| self.is_match(path));
        if self.is_learning() {
            matches.fold(false, |any, matches| any | matches)
        } else {
            matches.any(|matches| matches)
        }
    }

    /// Whether this path, which is in nothing that is excluded unless something is taken back
    /// there, is excluded. The last glob that matches it, or something above it, decides:
    /// <https://docs.docker.com/build/concepts/context/#negating-matches>.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        if !self.has_exceptions {
            return self.is_match(path);
        }
        let last = parents(path).filter_map(|path| self.last_match(path)).max();
        last.is_some_and(|last| !self.globs[last].takes_back)
    }

    /// The same of a path that may be in whatever is excluded.
    fn excludes_with_parents(&self, path: &Path) -> bool {
        if self.has_exceptions { self.excludes(path) } else { self.matches_with_parents(path) }
    }

    /// Whether something in this directory, which is excluded, may be taken back.
    pub(crate) fn takes_back_below(&self, directory: &Path) -> bool {
        self.globs.iter().any(|glob| glob.takes_back && glob.may_match_below(directory))
    }

    /// Takes note of a directory that is passed over: nobody knows what would match in it.
    pub(crate) fn pass_over(&self, directory: &Path) {
        if self.unused.load(Ordering::Relaxed) > 0 {
            let unknown = |glob: &&Glob| !glob.is_used() && glob.may_match_below(directory);
            self.globs.iter().filter(unknown).for_each(|glob| self.note_used(glob));
        }
    }
}

impl Glob {
    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matched something, or may have.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether it matched a path that is spelled like it, brackets included, and another one by the
    /// set that the brackets are.
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

/// The path and all above it, but for the root.
fn parents(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().filter(|path| !path.as_os_str().is_empty())
}

/// The glob without what means nothing in a path, as by Go's `filepath.Clean`; empty if it is the
/// folder itself.
fn clean(glob: &str) -> Result<String, &'static str> {
    if glob.is_empty() {
        return Err("it is empty: leave it out");
    }
    let mut names: Vec<&str> = Vec::new();
    for name in glob.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|name| *name != "..") => drop(names.pop()),
            // Above the folder there is nothing, but for odd members of tars.
            ".." if glob.starts_with('/') => {}
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

/// The glob with brackets that stand for themselves, as in the folders `[slug]` of some frameworks;
/// `None` if there are none.
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

/// The globs that say what a mapping takes of its source.
pub(crate) struct Wanted {
    pub(crate) include: Globs,
    pub(crate) exclude: Globs,
}

impl Wanted {
    /// Those of the options, and behind them those of the mapping.
    pub(crate) fn new(mapping: &FileMapping, options: &LayerOptions) -> Result<Self> {
        let both = |shared: &[String], own: &[String]| [shared, own].concat();
        Ok(Self {
            include: Globs::new(both(&options.include, &mapping.include), Use::Include)?,
            exclude: Globs::new(both(&options.exclude, &mapping.exclude), Use::Exclude)?,
        })
    }

    /// Whether what lies at this path is taken, by itself or with what it is in.
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
            assert!(message("!a", used_as).contains("takes back in exclude alone"));
        }
    }

    /// As Go's `filepath.Clean`, which Docker uses, and without the slash in front.
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
    fn brackets_are_a_set_and_themselves() {
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

    /// As Docker's documentation of `.dockerignore` has it, with its examples.
    #[test]
    fn an_exclamation_mark_takes_back() {
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
    fn what_is_passed_over_may_have_matched() {
        let globs = globs(&["target", "target/debug", "**/*.o", "tests"], Use::Exclude);
        assert!(globs.excludes(Path::new("target")));
        globs.pass_over(Path::new("target"));
        let unused: Vec<_> = globs.iter().filter(|glob| !glob.is_used()).map(Glob::text).collect();
        assert_eq!(unused, ["tests"]);
    }
}
