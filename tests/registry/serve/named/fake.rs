//! Named images in memory, whose names say what becomes of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oci_layout::{
    Digest, Image,
    document::Descriptor,
    registry::{Endpoint, NamedImageError, NamedImageErrorKind as Kind, NamedImages, Stop},
};

use crate::registry::serve::{Served, client::Answer, image};

/// Images in memory. They are made while the gate is open.
#[derive(Clone, Default)]
pub struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    known: Mutex<HashMap<String, Arc<Image>>>,
    gate: Stop,
    makes: AtomicUsize,
    stopped: AtomicUsize,
    live: AtomicUsize,
    most: AtomicUsize,
    /// Where blobs are, before their digests.
    elsewhere: Mutex<Option<String>>,
}

impl Fake {
    /// Makes an image at once.
    pub fn open() -> Self {
        let fake = Self::default();
        fake.open_gate();
        fake
    }

    /// Makes an image when the gate is opened.
    pub fn closed() -> Self {
        Self::default()
    }

    pub fn open_gate(&self) {
        self.0.gate.set();
    }

    /// Makes clients read blobs at URLs that begin with this text.
    pub fn redirect(&self, to: &str) {
        *self.0.elsewhere.lock().unwrap() = Some(to.to_owned());
    }

    /// How many images have begun.
    pub fn makes(&self) -> usize {
        self.0.makes.load(Ordering::SeqCst)
    }

    /// How many images were given up because of the signal.
    pub fn stopped(&self) -> usize {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// The largest number of images that were made at the same time.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    fn make_now(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        let (name, _) = request.split_once(':').unwrap();
        let error = |kind| {
            let detail = format!("line 1\nthe log of /nix/store/x for {name}");
            Err(NamedImageError::new(kind, format!("the reason of {name}")).detail(detail))
        };
        match name {
            "unknown" => return error(Kind::NameUnknown),
            "untagged" => return error(Kind::TagUnknown),
            "fails" => return error(Kind::Failed),
            "late" => return error(Kind::TooLate),
            "busy" => return error(Kind::Busy(Duration::from_secs(7))),
            "stopped" => return error(Kind::Stopped),
            "broken" => return error(Kind::Internal),
            "panics" => panic!("as the test wants"),
            _ => {}
        }
        while !self.0.gate.wait(Duration::from_millis(5)) {
            if stop.is_set() {
                self.0.stopped.fetch_add(1, Ordering::SeqCst);
                return error(Kind::Stopped);
            }
        }
        let made: Arc<Image> = Arc::new(image(request, "linux/amd64").into());
        self.0.known.lock().unwrap().insert(request.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

/// The packages of a name, sorted, each once.
fn canonical(name: &str) -> String {
    name.split('/').collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("/")
}

impl NamedImages for Fake {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        match name {
            "bad" => Err(NamedImageError::new(Kind::NameInvalid, "the reason of bad")),
            _ => Ok(format!("{}:{tag}", canonical(name))),
        }
    }

    fn known(&self, request: &str) -> Option<Arc<Image>> {
        self.0.known.lock().unwrap().get(request).cloned()
    }

    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        let state = &self.0;
        state.makes.fetch_add(1, Ordering::SeqCst);
        let live = state.live.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(live, Ordering::SeqCst);
        let made = self.make_now(request, stop);
        state.live.fetch_sub(1, Ordering::SeqCst);
        made
    }

    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>> {
        let name = canonical(name);
        let known = self.0.known.lock().unwrap();
        let of_name =
            known.iter().filter(|(request, _)| request.split_once(':').unwrap().0 == name);
        let mut images = of_name.map(|(_, image)| image);
        images
            .find(|image| image.blobs().iter().any(|blob| blob.descriptor().digest == digest))
            .cloned()
    }

    fn location(&self, blob: &Descriptor) -> Option<String> {
        let to = self.0.elsewhere.lock().unwrap();
        to.as_ref().map(|to| format!("{to}{}", blob.digest))
    }

    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError> {
        self.request(name, "latest")?;
        Ok(vec!["latest".to_owned(), "v2".to_owned()])
    }

    fn names(&self) -> Vec<String> {
        vec!["shell".to_owned()]
    }
}

/// An endpoint with these images, and a repository `fixed`.
pub fn served(fake: &Fake) -> Served {
    served_with(fake, |endpoint| endpoint)
}

pub fn served_with(fake: &Fake, options: impl FnOnce(Endpoint) -> Endpoint) -> Served {
    let fixed = vec![image("fixed", "linux/amd64").tagged("latest")];
    Served::with([("fixed", fixed)], |endpoint| options(endpoint.named_images(fake.clone())))
}

pub fn manifest(served: &Served, name: &str) -> Answer {
    served.get(format!("/v2/{name}/manifests/latest"))
}
