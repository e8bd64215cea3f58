//! The state that all connections of an endpoint share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::registry::serve::{
    authority::Authorities, blocking::Blocking, certificate::Certificate, event::Event,
    guard::Guard, metrics::Metrics, named::Named, places::Places, pull_watch::PullWatch,
    refusal::Refusal, repository::Repository, request_ids::RequestIds, shared_build::SharedBuilds,
};

pub(crate) type Log = Arc<dyn Fn(&Event) + Send + Sync>;

/// The state that all connections share.
pub(crate) struct Server {
    pub(crate) repositories: BTreeMap<String, Arc<Repository>>,
    pub(crate) named: Option<Arc<Named>>,
    pub(crate) ids: RequestIds,
    pub(crate) authorities: Authorities,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) guard: Guard,
    pub(crate) has_page: bool,
    pub(crate) places: Arc<Places>,
    pub(crate) blocking: Arc<Blocking>,
    pub(crate) builds: Arc<SharedBuilds>,
    pub(crate) once: Arc<PullWatch>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) log: Log,
}

impl Server {
    pub(crate) fn tell(&self, event: &Event) {
        (self.log)(event);
    }

    /// Whether no further connections are accepted.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Reads the certificate, the users and changed layouts again.
    pub(crate) fn reload(&self) {
        let unusable = |error| self.tell(&Event::Unusable { error });
        self.certificate.iter().for_each(|certificate| certificate.again(unusable));
        self.guard.again(unusable);
        for (name, repository) in &self.repositories {
            let repository_name = name.clone();
            repository.contents(|error| {
                self.tell(&Event::Unreadable { repository: repository_name, error });
            });
        }
    }

    /// Does blocking work in another thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = self.blocking.run(work).await;
        done.map_err(|_| Refusal::failed("internal error: see the log of this registry"))
    }
}
