//! Who may pull what: a file of users and tokens, each with the names that it may pull.
//!
//! ```text
//! # WHO                                    NAMES
//! user  ci                                 *
//! user  me                                 team tools/curl
//! token sha256:HEX-OF-THE-TOKEN            team/app
//! ```
//!
//! Each line has the kind, the user's name or the SHA-256 of the token, and at least one name. A
//! name allows itself and all names below it: `team` allows `team/app`, and not `teams`. `*` allows
//! every name. A token is random, so that a fast hash protects it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::name::is_repository,
    registry::serve::watched::Watched,
};

/// What a client may pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    All,
    /// These names, and those below them.
    Below(Arc<[String]>),
}

impl Rights {
    pub(crate) fn none() -> Self {
        Self::Below(Arc::default())
    }

    /// Whether they include the repository with this name.
    pub(crate) fn allow(&self, name: &str) -> bool {
        let is_below = |prefix: &String| {
            name.strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Self::All => true,
            Self::Below(prefixes) => prefixes.iter().any(is_below),
        }
    }
}

/// The contents of the file.
#[derive(Default)]
pub(crate) struct Access {
    users: HashMap<Vec<u8>, Rights>,
    /// By the digests of the tokens.
    tokens: HashMap<Digest, Rights>,
}

impl Access {
    /// # Errors
    ///
    /// The errors of reading the file, and [`Error::Invalid`] that names the line.
    pub(crate) fn watch(file: &Path) -> Result<Watched<Self>> {
        Watched::new(vec![file.to_owned()], Self::read)
    }

    /// What a user may pull whose password is right. A user who is not in the file may pull nothing.
    pub(crate) fn of_user(&self, user: &[u8]) -> Rights {
        self.users.get(user).cloned().unwrap_or_else(Rights::none)
    }

    pub(crate) fn of_token(&self, token: &[u8]) -> Option<Rights> {
        self.tokens.get(&Digest::of(token)).cloned()
    }

    fn read(files: &[PathBuf]) -> Result<Self> {
        let [file] = files else { return Err(Error::invalid("the rights", "expected one file")) };
        let text = fs::read_to_string(file).map_err(Error::read(file))?;
        let mut access = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let refuse = |why| Error::invalid(format!("{file:?}, line {number}"), why);
                access.add(line).map_err(refuse)?;
            }
        }
        Ok(access)
    }

    fn add(&mut self, line: &str) -> std::result::Result<(), &'static str> {
        let mut words = line.split_whitespace();
        let (Some(kind), Some(who)) = (words.next(), words.next()) else {
            return Err("expected `user NAME NAMES…` or `token sha256:HEX NAMES…`");
        };
        let names: Vec<&str> = words.collect();
        if names.is_empty() {
            return Err("name what may be pulled: repository names, or * for all");
        }
        if !names.iter().all(|name| *name == "*" || is_repository(name)) {
            return Err("expected repository names without a tag and without a final /, or *");
        }
        let rights = match names.contains(&"*") {
            true => Rights::All,
            false => Rights::Below(names.into_iter().map(str::to_owned).collect()),
        };
        let former = match kind {
            "user" => self.users.insert(who.as_bytes().to_owned(), rights),
            "token" => {
                let digest = who.parse().map_err(|_| {
                    "expected the SHA-256 of the token as sha256:HEX, as in `printf %s TOKEN | \
                     sha256sum`"
                })?;
                self.tokens.insert(digest, rights)
            }
            _ => return Err("a line starts with `user` or `token`"),
        };
        match former {
            Some(_) => Err("this user or token occurs twice"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(lines: &[&str]) -> std::result::Result<Access, &'static str> {
        let mut access = Access::default();
        lines.iter().try_for_each(|line| access.add(line)).map(|()| access)
    }

    #[test]
    fn names_allow_what_is_below_them() {
        let access = access(&["user me team tools/curl", "user ci *"]).unwrap();
        let me = access.of_user(b"me");
        for (name, is_allowed) in [
            ("team", true),
            ("team/app", true),
            ("team/app/x", true),
            ("teams", false),
            ("tea", false),
            ("x/team", false),
            ("tools", false),
            ("tools/curl", true),
            ("tools/curl2", false),
        ] {
            assert_eq!(me.allow(name), is_allowed, "{name}");
            assert!(access.of_user(b"ci").allow(name));
            assert!(!access.of_user(b"other").allow(name));
        }
    }

    #[test]
    fn tokens_are_found_by_their_digest() {
        let line = format!("token {} team", Digest::of(b"secret"));
        let access = access(&[&line]).unwrap();
        assert!(access.of_token(b"secret").unwrap().allow("team"));
        assert_eq!(access.of_token(b"other"), None);
        assert_eq!(access.of_token(Digest::of(b"secret").to_string().as_bytes()), None);
    }

    #[test]
    fn each_mistake_has_a_reason() {
        for (lines, part) in [
            (&["user"][..], "expected `user"),
            (&["user me"], "name what may be pulled"),
            (&["user me Team"], "expected repository names"),
            (&["user me team/"], "expected repository names"),
            (&["user me team:v1"], "expected repository names"),
            (&["group me team"], "starts with `user` or `token`"),
            (&["token secret team"], "sha256sum"),
            (&["user me a", "user me b"], "occurs twice"),
        ] {
            let reason = access(lines).err().unwrap();
            assert!(reason.contains(part), "{lines:?}: {reason}");
        }
    }
}
