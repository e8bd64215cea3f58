//! Pushing: an image, under any number of names.
//!
//! This implements
//! [pushing](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#push) with as
//! few requests as possible. For each repository, it asks
//!
//! 1. for the manifest of each tag: if all are the image, nothing is left to do;
//! 2. for the manifest by its digest: if it exists, only the tags are written;
//! 3. for each manifest in an index: if one exists, so does everything below it;
//! 4. for each remaining blob: a missing one is mounted or sent.
//!
//! Manifests are sent last, each after everything that it refers to, and tags at the very end.

pub(crate) mod contents;
pub(crate) mod head;
pub(crate) mod manner;
pub(crate) mod upload;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::Blob,
    document::{
        descriptor::{Descriptor, MediaType},
        layout_paths::MAX_DOCUMENT,
    },
    image::graph::Image,
    pool::{Pool, lock},
    registry::{
        byte_counter::ByteCounter,
        client::Client,
        failure::{Failure, Refusal},
        http::Http,
        message::{Access, blob_name, is_foreign},
        push::{
            contents::{Contents, Document},
            head::{Head, check_digest, has_blob, head, said_digest},
            manner::Manner,
            upload::Mount,
        },
        reference::Reference,
        referrers,
        session::{Session, accept},
    },
};

/// The number of simultaneous requests, and so of simultaneous uploads.
const CONNECTIONS: usize = 4;

impl Client {
    /// Pushes an image to the repositories of these references, under their tags (`latest` if a
    /// reference has neither tag nor digest). Returns the image's reference by digest in each
    /// repository, in the order of first occurrence.
    ///
    /// Blobs that a repository already has are neither sent nor read. Blobs that another repository
    /// of the same registry may have are mounted from there: the first one that was pushed to,
    /// those in [`Client::mount_from`], and the one in the annotation
    /// `org.opencontainers.image.base.name`. Other blobs are read from [`Blob::open`] while they
    /// are sent, several at a time, and verified: the last bytes of a blob are sent only if its
    /// size and digest are correct. Non-distributable layers (by their media type, or because they
    /// have `urls`) are not sent. Bytes and media types of the image do not change.
    ///
    /// An interrupted upload resumes where the registry says that it ended, or restarts, up to
    /// [`Client::retries`] times. If the push fails, what was sent stays in the registry, and only
    /// the tags that were written already have changed.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] if the registry cannot be reached, denies access, refuses the image, or
    /// sends an invalid response. [`Error::Invalid`] for a reference with the digest of another
    /// image, for an invalid document in the image, and for credentials. [`Error::BlobDamaged`],
    /// and the errors of reading them, for blobs.
    pub fn push(&self, image: &Image, references: &[Reference]) -> Result<Vec<Reference>> {
        let contents = Contents::read(image)?;
        let targets = targets(references, image.digest())?;
        let counter = Arc::new(ByteCounter::new(self.progress.clone()));
        // Connections are per registry, because each registry may use other certificates.
        let mut connections: HashMap<&str, Arc<Http>> = HashMap::new();
        for (index, target) in targets.iter().enumerate() {
            let mounts = self.mounts(&contents, target, &targets[..index])?;
            let scopes = vec![format!("repository:{}:pull,push", target.repository.repository)];
            let http = match connections.entry(&target.repository.registry) {
                Entry::Occupied(entry) => Arc::clone(entry.get()),
                Entry::Vacant(entry) => {
                    Arc::clone(entry.insert(Arc::new(Http::new(self, &target.repository)?)))
                }
            };
            let session =
                Session::over(&http, &counter, self, &target.repository, Access::Push, scopes)?;
            let mounts = mounts.iter().map(|repository| Mount::new(&session, repository)).collect();
            Push { session, contents: &contents, mounts, manner: Manner::new() }
                .run(&target.tags)?;
        }
        Ok(targets.into_iter().map(|target| target.repository.at(image.digest())).collect())
    }

    /// Repositories of the target's registry that may have its blobs, the most likely one first.
    fn mounts(
        &self,
        contents: &Contents,
        target: &Target,
        before: &[Target],
    ) -> Result<Vec<String>> {
        let Reference { registry, repository, .. } = &target.repository;
        let given =
            self.mount_from.iter().map(|path| format!("{registry}/{path}").parse::<Reference>());
        let given = given.collect::<Result<Vec<_>>>()?;
        let before = before.iter().map(|target| &target.repository);
        let mut mounts: Vec<String> = Vec::new();
        for other in before.take(1).chain(&given).chain(contents.bases()) {
            let is_new = other.repository != *repository && !mounts.contains(&other.repository);
            if other.registry == *registry && is_new {
                mounts.push(other.repository.clone());
            }
        }
        Ok(mounts)
    }
}

/// A repository, and the tags to write in it.
struct Target {
    /// A reference without tag and digest.
    repository: Reference,
    tags: Vec<String>,
}

/// Groups the references by repository.
fn targets(references: &[Reference], digest: Digest) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for reference in references {
        if reference.digest.is_some_and(|other| other != digest) {
            let reason = format!(
                "the digest of the image is {digest}: remove the digest from the name, or push the \
                 other image"
            );
            return Err(Error::invalid(format!("image {reference}"), reason));
        }
        let repository = Reference { tag: None, digest: None, ..reference.clone() };
        let tag = match (&reference.tag, reference.digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.clone(),
        };
        let at = targets.iter().position(|target| target.repository == repository).unwrap_or_else(
            || {
                targets.push(Target { repository, tags: Vec::new() });
                targets.len() - 1
            },
        );
        let tags = &mut targets[at].tags;
        tags.extend(tag.filter(|tag| !tags.contains(tag)));
    }
    Ok(targets)
}

/// A push to one repository.
struct Push<'a> {
    session: Session,
    contents: &'a Contents,
    mounts: Vec<Mount>,
    manner: Manner,
}

impl Push<'_> {
    fn run(&self, tags: &[String]) -> Result<()> {
        let root = self.contents.root();
        let digest = root.digest();
        let tagged = self.each(tags, |tag| self.has_manifest(tag, digest))?;
        let is_there = tagged.contains(&true) || self.has_manifest(&digest.to_string(), digest)?;
        let missing = if is_there { HashSet::new() } else { self.missing()? };
        self.send_blobs(&missing)?;

        // Only the response to a manifest with a subject says whether the registry lists referrers.
        let is_due = |document: &&Document| {
            missing.contains(&document.digest()) || document.referrer.is_some()
        };
        for document in self
            .contents
            .documents
            .iter()
            .filter(is_due)
            .filter(|document| document.digest() != digest)
        {
            self.put(&document.digest().to_string(), document)?;
        }
        let untagged: Vec<&String> =
            tags.iter().zip(tagged).filter(|(_, is_there)| !is_there).map(|(tag, _)| tag).collect();
        if untagged.is_empty() && is_due(&root) {
            self.put(&digest.to_string(), root)?;
        }
        for tag in untagged {
            self.put(tag, root)?;
        }
        Ok(())
    }

    /// The manifests and indexes that the repository lacks. The root is one of them.
    fn missing(&self) -> Result<HashSet<Digest>> {
        let root = self.contents.root();
        let (mut missing, mut level) = (HashSet::from([root.digest()]), vec![root]);
        while !level.is_empty() {
            let mut below: Vec<Digest> =
                level.iter().flat_map(|document| document.below.iter().copied()).collect();
            below.sort();
            below.dedup();
            below.retain(|digest| !missing.contains(digest));
            let are_there =
                self.each(&below, |digest| self.has_manifest(&digest.to_string(), *digest))?;
            let lacking = below
                .iter()
                .zip(are_there)
                .filter(|(_, is_there)| !is_there)
                .map(|(digest, _)| *digest);
            let lacking: HashSet<Digest> = lacking.collect();
            level = self
                .contents
                .documents
                .iter()
                .filter(|document| lacking.contains(&document.digest()))
                .collect();
            missing.extend(lacking);
        }
        Ok(missing)
    }

    /// Whether a tag or digest names this manifest in the repository.
    fn has_manifest(&self, name: &str, digest: Digest) -> Result<bool> {
        self.session.attempt(&what(name), || self.means(name, digest))
    }

    /// Like [`Push::has_manifest`], without retries.
    fn means(&self, name: &str, digest: Digest) -> Result<bool, Failure> {
        let (path, accept) = (format!("manifests/{name}"), accept());
        match head(&self.session, &path, &accept)? {
            Head::There(headers) => match said_digest(&headers) {
                Some(said) => Ok(said == digest),
                // An HTML page is not a manifest.
                None if !names_document(&headers) => Ok(false),
                // Only the bytes tell the digest, unless the request was by digest.
                None => Ok(name == digest.to_string() || self.reads(&path, &accept, digest)?),
            },
            Head::Unknown => self.reads(&path, &accept, digest),
            Head::Missing => Ok(false),
        }
    }

    /// Whether the bytes of a manifest have this digest.
    fn reads(&self, path: &str, accept: &str, digest: Digest) -> Result<bool, Failure> {
        let response = self
            .session
            .exchange(|| self.session.request(Method::GET, path).header(ACCEPT, accept))?;
        if response.status() != StatusCode::OK {
            return Ok(false);
        }
        let bytes = self.session.http.body(response, MAX_DOCUMENT)?;
        Ok(bytes.is_some_and(|bytes| Digest::of(&bytes) == digest))
    }

    /// Sends every blob that these documents refer to and the repository lacks.
    fn send_blobs(&self, missing: &HashSet<Digest>) -> Result<()> {
        let named =
            self.contents.documents.iter().filter(|document| missing.contains(&document.digest()));
        let mut seen = HashSet::new();
        let blobs: Vec<&Descriptor> = named
            .flat_map(|document| &document.blobs)
            .filter(|blob| !is_foreign(blob) && seen.insert(blob.digest))
            .collect();
        let are_there = self.each(&blobs, |blob| self.has_blob(blob))?;
        let lacking = blobs.iter().zip(are_there).filter(|(_, is_there)| !is_there);
        let lacking = lacking.map(|(blob, _)| self.contents.blob(blob.digest));
        let mut lacking: Vec<&Arc<dyn Blob>> = lacking.collect::<Result<_>>()?;
        // Send the largest blob first, so that the others are sent in the meantime.
        lacking.sort_by_key(|blob| std::cmp::Reverse(blob.descriptor().size));
        self.session.counter.expect(lacking.iter().map(|blob| blob.descriptor().size).sum());
        self.each(&lacking, |blob| {
            upload::upload(&self.session, blob.as_ref(), &self.mounts, &self.manner)
        })
        .map(|_| ())
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        let mut failed = false;
        self.session.attempt(&blob_name(blob), || match has_blob(&self.session, blob) {
            // A registry that crashed with half of a blob may fail on every request for it, but
            // accept a new upload.
            Err(Failure::Refused(refusal))
                if refusal.status == 500 && mem::replace(&mut failed, true) =>
            {
                Ok(false)
            }
            answer => answer,
        })
    }

    /// [Pushing
    /// manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests).
    fn put(&self, name: &str, document: &Document) -> Result<()> {
        let (path, bytes) = (format!("manifests/{name}"), &document.bytes);
        let media_type = bytes.descriptor().media_type.as_str();
        let request = || {
            let request = self.session.request(Method::PUT, &path).header(CONTENT_TYPE, media_type);
            request.body(bytes.bytes().to_vec())
        };
        let headers = self.session.attempt(&what(name), || {
            let response = match self.session.ask(request) {
                // Some registries refuse to write a tag again that already names this manifest.
                Err(Failure::Refused(refusal))
                    if refusal.status < 500
                        && self.reads(&path, &accept(), document.digest()).unwrap_or(false) =>
                {
                    return Ok(HeaderMap::new());
                }
                Err(Failure::Refused(refusal)) if lacks_foreign(&refusal, document) => {
                    return Err(Failure::LacksForeign(refusal));
                }
                answer => answer?,
            };
            check_digest(response.headers(), document.digest())?;
            let (status, headers) = (response.status(), response.headers().clone());
            let is_taken = matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED)
                || (status == StatusCode::OK && said_digest(&headers).is_some());
            // After a redirect, the response is for a `GET`: nothing was written, and it may be an
            // HTML page.
            match is_taken || self.means(name, document.digest())? {
                true => Ok(headers),
                false => Err(Failure::status(status)),
            }
        })?;
        match &document.referrer {
            Some(referrer) if !headers.contains_key("oci-subject") => {
                referrers::add(&self.session, referrer)
            }
            _ => Ok(()),
        }
    }

    /// Runs `work` for each item, several at a time, until the first error.
    fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let first = Mutex::new(None);
        let results = Pool::new(CONNECTIONS).map(items, |item| {
            if self.session.is_over() {
                return None;
            }
            let failed = |error| {
                lock(&first).get_or_insert(error);
                self.session.end();
            };
            work(item).map_err(failed).ok()
        });
        match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(results.into_iter().flatten().collect()),
        }
    }
}

/// Whether the registry refuses a manifest because it lacks or does not accept a non-distributable
/// layer.
fn lacks_foreign(refusal: &Refusal, document: &Document) -> bool {
    let codes =
        ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNVERIFIED"];
    refusal.has(&codes) && document.blobs.iter().any(is_foreign)
}

/// A manifest in messages.
fn what(name: &str) -> String {
    let kind = if name.contains(':') { "manifest" } else { "tag" };
    format!("{kind} {name}")
}

/// Whether the headers describe a manifest or an index.
fn names_document(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media_type = MediaType::new(content_type.split(';').next().unwrap_or_default().trim());
    media_type.is_manifest() || media_type.is_index()
}
