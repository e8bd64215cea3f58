//! Uploads to the fake registry.

use std::collections::BTreeMap;

use oci_layout::Digest;
use serde_json::json;

pub type Answer = (u16, Vec<(String, String)>, String);

/// Uploads in progress, and how they are accepted.
#[derive(Default)]
pub struct Uploads {
    begun: BTreeMap<String, Vec<u8>>,
    count: usize,
    /// The prefix of an upload's address, in place of a path of the repository, and its suffix.
    pub place: Option<(String, String)>,
    /// Whether interrupted uploads are forgotten.
    pub forgets: bool,
    /// The number of bytes that it reports, in place of the right one.
    pub claims: Option<String>,
    /// Whether mounts are refused.
    pub refuses_mounts: bool,
    /// Whether it lists referrers.
    pub lists_referrers: bool,
    /// The response to a mount, in place of the usual one.
    pub mounts: Option<Answer>,
    /// The response to a `PUT` with the bytes of a blob, which refuses it.
    pub refuses_puts: Option<Answer>,
    /// Whether the bytes of such a `PUT` are ignored.
    pub ignores_puts: bool,
    /// Whether `PATCH` is refused.
    pub refuses_patches: bool,
    /// The maximum number of bytes in a request. More are refused with 413.
    pub largest: Option<usize>,
    /// The minimum number of bytes in a `PATCH`, except for the last one, which it also reports.
    pub least: Option<usize>,
    /// The status for a stored blob, in place of 201.
    pub taken: Option<u16>,
    /// The status for a stored manifest, in place of 201.
    pub manifest_taken: Option<u16>,
    /// Whether it omits the digest of what it stored.
    pub says_no_digest: bool,
}

impl Uploads {
    /// Handles a request whose body arrived completely or in part.
    pub(super) fn take(
        &mut self,
        contents: &mut BTreeMap<String, Vec<u8>>,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
        is_whole: bool,
    ) -> Answer {
        if self.largest.is_some_and(|largest| body.len() > largest) {
            return (413, Vec::new(), "<html>413 Request Entity Too Large</html>".to_owned());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, value.replace("%3A", ":").replace("%2F", "/")))
            .collect();
        if path.contains("/manifests/") {
            return self.manifest(contents, path, body);
        }
        let Some((repository, id)) = path.split_once("/blobs/uploads/") else {
            let id = path.rsplit('/').next().unwrap();
            return self.blob(contents, "/v2/a/b", id, method, &query, headers, body, is_whole);
        };
        if method == "POST" {
            if let (Some(answer), true) = (&self.mounts, query.contains_key("mount")) {
                return answer.clone();
            }
            if let (Some(digest), Some(from), false) =
                (query.get("mount"), query.get("from"), self.refuses_mounts)
                && let Some(blob) = contents.get(&format!("/v2/{from}/blobs/{digest}")).cloned()
            {
                contents.insert(format!("{repository}/blobs/{digest}"), blob);
                return (201, Vec::new(), String::new());
            }
            self.count += 1;
            let id = format!("upload-{}", self.count);
            self.begun.insert(id.clone(), Vec::new());
            let location = match &self.place {
                Some((before, after)) => format!("{before}{id}{after}"),
                None => format!("{repository}/blobs/uploads/{id}"),
            };
            let least =
                self.least.map(|least| ("OCI-Chunk-Min-Length".to_owned(), least.to_string()));
            return (
                202,
                least.into_iter().chain([("Location".to_owned(), location)]).collect(),
                String::new(),
            );
        }
        let (repository, id) = (repository.to_owned(), id.to_owned());
        self.blob(contents, &repository, &id, method, &query, headers, body, is_whole)
    }

    fn manifest(
        &self,
        contents: &mut BTreeMap<String, Vec<u8>>,
        path: &str,
        body: Vec<u8>,
    ) -> Answer {
        let (repository, _) = path.split_once("/manifests/").unwrap();
        let digest = Digest::of(&body);
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mut headers = match self.says_no_digest {
            true => Vec::new(),
            false => vec![("Docker-Content-Digest".to_owned(), digest.to_string())],
        };
        if let Some(subject) = value.pointer("/subject/digest").filter(|_| self.lists_referrers) {
            headers.push(("OCI-Subject".to_owned(), subject.as_str().unwrap().to_owned()));
        }
        // The blobs of a manifest must exist before it.
        let (blobs, manifests) = (value["layers"].as_array(), value["manifests"].as_array());
        let blobs = blobs
            .into_iter()
            .flatten()
            .chain(value.get("config"))
            .filter(|blob| blob["urls"].is_null());
        let mut named: Vec<_> =
            blobs.map(|blob| format!("blobs/{}", blob["digest"].as_str().unwrap())).collect();
        let manifests = manifests.into_iter().flatten();
        if !path.contains("/manifests/sha256-") {
            named.extend(
                manifests.map(|entry| format!("manifests/{}", entry["digest"].as_str().unwrap())),
            );
        }
        if let Some(missing) =
            named.iter().find(|named| !contents.contains_key(&format!("{repository}/{named}")))
        {
            return refuse(404, "MANIFEST_BLOB_UNKNOWN", missing);
        }
        contents.insert(path.to_owned(), body.clone());
        contents.insert(format!("{repository}/manifests/{digest}"), body);
        (self.manifest_taken.unwrap_or(201), headers, String::new())
    }

    #[expect(clippy::too_many_arguments, reason = "it is what a request has")]
    fn blob(
        &mut self,
        contents: &mut BTreeMap<String, Vec<u8>>,
        repository: &str,
        id: &str,
        method: &str,
        query: &BTreeMap<&str, String>,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
        is_whole: bool,
    ) -> Answer {
        let Some(begun) = self.begun.get_mut(id) else {
            return refuse(404, "BLOB_UPLOAD_UNKNOWN", id);
        };
        if method == "GET" {
            let range = self
                .claims
                .clone()
                .unwrap_or_else(|| format!("0-{}", begun.len().saturating_sub(1)));
            return (204, vec![("Range".to_owned(), range)], String::new());
        }
        // Without a range, the body has all bytes. An empty body completes the upload.
        let whole = if body.is_empty() { begun.len() } else { 0 };
        let from = headers
            .get("content-range")
            .map_or(whole, |range| range.split('-').next().unwrap().parse().unwrap());
        if from != begun.len() && self.claims.is_none() {
            return refuse(416, "BLOB_UPLOAD_INVALID", "a hole");
        }
        if let (Some(answer), "PUT", false) = (&self.refuses_puts, method, body.is_empty()) {
            return answer.clone();
        }
        if method == "PATCH" && self.refuses_patches {
            return refuse(405, "UNSUPPORTED", "no parts");
        }
        let is_small = self.least.is_some_and(|least| {
            method == "PATCH" && body.len() < least && begun.len() % least != 0
        });
        if is_small {
            return refuse(416, "SIZE_INVALID", "a small part in the middle");
        }
        if !(self.ignores_puts && method == "PUT") {
            begun.extend(body);
        }
        if !is_whole {
            if self.forgets {
                self.begun.remove(id);
            }
            return refuse(400, "SIZE_INVALID", "half a body");
        }
        if method == "PATCH" {
            let range = format!("0-{}", begun.len().saturating_sub(1));
            let location = format!("{repository}/blobs/uploads/{id}");
            return (
                202,
                vec![("Range".to_owned(), range), ("Location".to_owned(), location)],
                String::new(),
            );
        }
        let bytes = self.begun.remove(id).unwrap();
        let digest = Digest::of(&bytes).to_string();
        if query.get("digest") != Some(&digest) {
            return refuse(400, "DIGEST_INVALID", &digest);
        }
        contents.insert(format!("{repository}/blobs/{digest}"), bytes);
        let headers = if self.says_no_digest {
            Vec::new()
        } else {
            vec![("Docker-Content-Digest".to_owned(), digest)]
        };
        (self.taken.unwrap_or(201), headers, String::new())
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Answer {
    (status, Vec::new(), json!({ "errors": [{ "code": code, "message": message }] }).to_string())
}
