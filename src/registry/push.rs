//! To a registry: an image, under any number of names.
//!
//! As the specification has
//! [pushing](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#push), in as
//! few requests as it allows for. Each repository is asked
//!
//! 1. for the manifest under each tag: if all are the image's, this was all;
//! 2. for the manifest by its digest: if it is there, only the tags are written;
//! 3. of an index, for each manifest that it names: what is below one that is there, is there too;
//! 4. for each blob that is left. One that is not there is mounted, or sent.
//!
//! Manifests come last, each behind all that it names, the tags' at the very end.

pub(crate) mod contents;
pub(crate) mod head;
pub(crate) mod manner;
pub(crate) mod referrers;
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
        session::{Session, accept},
    },
};

/// How many requests are made at a time, and so how many layers are on their way at most.
const CONNECTIONS: usize = 4;

impl Client {
    /// Sends an image to the repositories that these references name, each of which then has it
    /// whole under their tags (`latest` if there is neither tag nor digest). Returns the image's
    /// name by digest in each repository, in the order in which they first come.
    ///
    /// What a repository has is not sent, and none of its bytes are read. What another one of the
    /// same registry may have is mounted if it does: one that comes before, those in
    /// [`Client::mount_from`], and the one that the image's annotation
    /// `org.opencontainers.image.base.name` names. Layers are read from [`Blob::open`] while they
    /// are sent, some at a time, and checked: the last bytes of one leave when the size and the
    /// digest are right. Layers that registries need not have (with `urls`, or non-distributable by
    /// their media type) are not sent. Every other byte is as it is in the image, and so are media
    /// types.
    ///
    /// An upload that breaks off goes on where the registry says that it ended, or from the
    /// beginning, as often as [`Client::retries`] says. When something fails, what has arrived
    /// stays there, and no tag means anything else than before but those that are written already.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] for everything that can go wrong with a registry, with what it was asked
    /// for. [`Error::Invalid`] for a reference with the digest of another image, for an image with
    /// a document that is none, and for credentials. [`Error::BlobDamaged`], and whatever reading
    /// them gives, for blobs.
    pub fn push(&self, image: &Image, references: &[Reference]) -> Result<Vec<Reference>> {
        let contents = Contents::read(image)?;
        let targets = targets(references, image.digest())?;
        let counter = Arc::new(ByteCounter::new(self.progress.clone()));
        // Connections are for one registry: another one may want other certificates.
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

    /// The repositories of the target's registry where its blobs may be already, the likeliest
    /// first.
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

/// A repository, and the tags that the image shall have there.
struct Target {
    /// Without tag and digest.
    repository: Reference,
    tags: Vec<String>,
}

/// The references by their repositories.
fn targets(references: &[Reference], digest: Digest) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    for reference in references {
        if reference.digest.is_some_and(|other| other != digest) {
            let reason = format!(
                "the image has the digest {digest}: leave the digest out, or push the other image"
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

/// One repository that gets the image.
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

        // Only the answer to writing it says whether the registry itself lists what has a subject.
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

    /// The manifests and indexes that the repository lacks, of which the image's own is one.
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

    /// Whether this is what a tag or a digest means in the repository.
    fn has_manifest(&self, name: &str, digest: Digest) -> Result<bool> {
        self.session.attempt(&what(name), || self.means(name, digest))
    }

    /// As [`Push::has_manifest`], asked once.
    fn means(&self, name: &str, digest: Digest) -> Result<bool, Failure> {
        let (path, accept) = (format!("manifests/{name}"), accept());
        match head(&self.session, &path, &accept)? {
            Head::There(headers) => match said_digest(&headers) {
                Some(said) => Ok(said == digest),
                // A page for people is no manifest.
                None if !names_document(&headers) => Ok(false),
                // Only what is there says what that is, or the digest that it was asked by.
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

    /// Sends every blob that these documents name and the repository lacks.
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
        // The longest first: the others fit in beside it.
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
            // A registry that died with half of a blob may fail whenever it is asked for it, but
            // take it anew.
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
                // A registry that says in no other way that the tag is equal refuses to write it
                // again.
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
            // Who was sent elsewhere has asked what is there, and written nothing. It may be a page
            // for people.
            match is_taken || self.means(name, document.digest())? {
                true => Ok(headers),
                false => Err(Failure::Odd(format!("status {}", status.as_u16()))),
            }
        })?;
        match &document.referrer {
            Some(referrer) if !headers.contains_key("oci-subject") => {
                referrers::list(&self.session, referrer)
            }
            _ => Ok(()),
        }
    }

    /// Does something for each item, some at a time. The first error ends all.
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

/// Whether the registry refuses a manifest because it lacks a layer that registries need not have,
/// or does not want one.
fn lacks_foreign(refusal: &Refusal, document: &Document) -> bool {
    let codes =
        ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNVERIFIED"];
    refusal.has(&codes) && document.blobs.iter().any(is_foreign)
}

/// What a manifest is called in a sentence.
fn what(name: &str) -> String {
    let kind = if name.contains(':') { "manifest" } else { "tag" };
    format!("{kind} {name}")
}

/// Whether these headers say that what is there is a manifest or an index.
fn names_document(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media_type = MediaType::new(content_type.split(';').next().unwrap_or_default().trim());
    media_type.is_manifest() || media_type.is_index()
}
