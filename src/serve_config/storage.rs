//! Where the state is.

use std::path::PathBuf;

use crate::{
    basics::error::Result, on_demand::Storage, registry::Client, serve_config::section::section,
};

section! {
    /// Where the state is.
    StorageSection {
        /// Folder for the state, which several servers may share. Without it and `bucket`, the state
        /// is in `packages.state`, where links that keep store paths are in any case
        folder: Option<PathBuf> = None;

        /// Bucket for the state, which several servers may share: s3://BUCKET, gs://BUCKET or
        /// az://CONTAINER, with an optional folder after it. Credentials are read from the
        /// environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …; GOOGLE_…; AZURE_…), and never
        /// stand in this file
        bucket: Option<String> = None;

        /// Region of the bucket
        region: Option<String> = None;

        /// Address of a service that is compatible with S3 or Azure
        endpoint: Option<String> = None;

        /// Let the address of the service begin with http://
        allow_http: bool = false;

        /// The name of the account of an az:// bucket
        account: Option<String> = None;

        /// Let clients read stored layers from the bucket itself, by URLs that are valid for 15
        /// minutes. See `packages.store-layers`
        redirect: bool = false;
    }
}

impl StorageSection {
    /// Why the keys do not fit together, if they do not.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let Self { folder, bucket, region, endpoint, allow_http, account, redirect } = self;
        let is_of_bucket =
            region.is_some() || endpoint.is_some() || account.is_some() || *allow_http || *redirect;
        match (folder, bucket) {
            (Some(_), Some(_)) => Some("it has a folder and a bucket: remove one of them"),
            (_, None) if is_of_bucket => Some(
                "region, endpoint, allow-http, account and redirect are for a bucket, which is \
                     missing",
            ),
            _ => None,
        }
    }

    /// Opens the storage, if it is not in the state folder. A folder is created. Nothing is
    /// requested of a bucket. `variables` are those of the environment, where credentials are.
    ///
    /// # Errors
    ///
    /// The errors of [`Storage::bucket`] and [`Storage::folder`].
    pub fn open(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
        client: &Client,
    ) -> Result<Option<Storage>> {
        if let Some(folder) = &self.folder {
            return Storage::folder(folder).map(Some);
        }
        let Some(url) = &self.bucket else { return Ok(None) };
        let mut options = Storage::options_of_environment(url, variables);
        let own = [
            ("region", self.region.clone()),
            ("endpoint", self.endpoint.clone()),
            ("allow_http", self.allow_http.then(|| "true".to_owned())),
            ("account_name", self.account.clone()),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                options.retain(|option, _| !is_same(option, name));
                options.insert(name.to_owned(), value);
            }
        }
        Storage::bucket(url, &options, client).map(Some)
    }
}

/// Whether this option of the environment is the same as a key of the file, which takes precedence.
fn is_same(option: &str, name: &str) -> bool {
    const BEFORE: [&str; 4] = ["aws_", "aws_default_", "azure_", "azure_storage_"];
    let is_endpoint = |option: &str| ["aws_endpoint_url", "aws_endpoint_url_s3"].contains(&option);
    BEFORE.iter().any(|before| option.strip_prefix(before) == Some(name))
        || name == "endpoint" && is_endpoint(option)
}
