//! Authentication: users and passwords of [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617), from
//! a file that `htpasswd -B` writes.
//!
//! Verifying a password is expensive by design: its hash takes milliseconds to seconds of CPU time.
//! The endpoint therefore verifies a limited number at a time, and remembers a correct password for
//! a while. An unknown user takes as long as a known one, so that response times do not reveal
//! which users exist.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use bcrypt::HashParts;
use hyper::header;
use rustls::crypto::ring;
use tokio::sync::Semaphore;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    pool::lock,
    registry::serve::{blocking::Blocking, refusal::Refusal, watched::Watched},
};

/// How long a correct password is accepted without verifying it again.
const MEMORY: Duration = Duration::from_secs(300);

/// The maximum number of remembered passwords.
const REMEMBERED: usize = 256;

/// The users of an endpoint.
pub(crate) struct Login {
    users: Watched<Users>,
    /// One permit for each password that may be verified at the same time.
    verifying: Arc<Semaphore>,
    /// Keeps the digests of remembered passwords unpredictable.
    secret: [u8; 32],
    verified: Mutex<HashMap<Digest, Verified>>,
}

/// Password hashes by user name.
struct Users(HashMap<Vec<u8>, String>);

struct Verified {
    when: Instant,
    /// The contents of the file against which it was verified.
    users: Weak<Users>,
}

impl Login {
    /// # Errors
    ///
    /// The errors of reading the file, and [`Error::Invalid`] if a line is not a user with a bcrypt
    /// hash, or if the file contains no user.
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let users = Watched::new(vec![file.to_owned()], Users::read)?;
        if users.last().0.is_empty() {
            return Err(Error::invalid(
                format!("{file:?}"),
                "the file contains no user: add one with `htpasswd -B`",
            ));
        }
        let mut secret = [0; 32];
        let filled = ring::default_provider().secure_random.fill(&mut secret);
        filled.map_err(|_| Error::invalid("the login", "the system provides no random numbers"))?;
        Ok(Self {
            users,
            verifying: Arc::new(Semaphore::new(1)),
            secret,
            verified: Mutex::default(),
        })
    }

    /// Reads the file again.
    pub(crate) fn again(&self, trouble: impl FnOnce(Error)) {
        self.users.again(trouble);
    }

    /// Sets how many passwords are verified at the same time.
    pub(crate) fn verifying(self, count: usize) -> Self {
        Self { verifying: Arc::new(Semaphore::new(count)), ..self }
    }

    /// Refuses a user whose password is wrong. `trouble` receives the reason if a changed file is
    /// unusable.
    pub(crate) async fn check(
        &self,
        user: Vec<u8>,
        password: Vec<u8>,
        blocking: &Blocking,
        trouble: impl FnOnce(Error),
    ) -> Result<(), Refusal> {
        let users = self.users.now(trouble);
        let digest = self.digest(&user, &password);
        if self.remembers(digest, &users) {
            return Ok(());
        }
        let permit = Arc::clone(&self.verifying).acquire_owned().await.expect("it is never closed");
        // Clients log in on several connections at once.
        if self.remembers(digest, &users) {
            return Ok(());
        }
        let verifying = Arc::clone(&users);
        let verified = blocking.run(move || {
            // Held until the work is done, even if the client disconnects.
            let _permit = permit;
            verifying.verify(&user, &password)
        });
        match verified.await {
            Ok(true) => {
                self.remember(digest, &users);
                Ok(())
            }
            _ => Err(refuse("the user name or the password is wrong")),
        }
    }

    fn digest(&self, user: &[u8], password: &[u8]) -> Digest {
        // A user name contains no colon.
        Digest::of([&self.secret, user, b":", password].concat())
    }

    fn remembers(&self, digest: Digest, users: &Arc<Users>) -> bool {
        lock(&self.verified).get(&digest).is_some_and(|verified| verified.holds(users))
    }

    fn remember(&self, digest: Digest, users: &Arc<Users>) {
        let mut verified = lock(&self.verified);
        verified.retain(|_, verified| verified.holds(users));
        if verified.len() < REMEMBERED {
            verified
                .insert(digest, Verified { when: Instant::now(), users: Arc::downgrade(users) });
        }
    }
}

impl Verified {
    fn holds(&self, users: &Arc<Users>) -> bool {
        self.when.elapsed() < MEMORY && std::ptr::eq(self.users.as_ptr(), Arc::as_ptr(users))
    }
}

/// A refusal that tells clients to log in.
pub(crate) fn refuse(reason: &str) -> Refusal {
    Refusal::unauthorized(reason).with(header::WWW_AUTHENTICATE, "Basic realm=\"oci-layout\"")
}

impl Users {
    fn read(files: &[PathBuf]) -> Result<Self> {
        let [file] = files else { return Err(Error::invalid("the login", "expected one file")) };
        let bytes = fs::read(file).map_err(Error::read(file))?;
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let refuse = |reason| Error::invalid(format!("{file:?}, line {number}"), reason);
            let colon = line
                .iter()
                .position(|byte| *byte == b':')
                .ok_or_else(|| refuse("expected USER:HASH"))?;
            let hash = str::from_utf8(&line[colon + 1..])
                .ok()
                .filter(|hash| hash.parse::<HashParts>().is_ok());
            let hash = hash.ok_or_else(|| {
                refuse("the password is not hashed with bcrypt: create the line with `htpasswd -B`")
            })?;
            if users.insert(line[..colon].to_owned(), hash.to_owned()).is_some() {
                return Err(refuse("this user occurs twice"));
            }
        }
        Ok(Self(users))
    }

    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        let hash = self.0.get(user);
        let Some(hash_or_any) = hash.or_else(|| self.0.values().next()) else { return false };
        let is_right = bcrypt::verify(password, hash_or_any).unwrap_or(false);
        is_right && hash.is_some()
    }
}
