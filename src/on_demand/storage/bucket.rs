//! Buckets of S3, Google Cloud Storage and Azure, reached by the HTTP client of this crate.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use object_store::{
    ClientConfigKey, ClientOptions, Error as StoreError, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    client::{HttpClient, HttpConnector},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path as Key,
    prefix::PrefixStore,
    signer::Signer,
};
use reqwest::{Proxy, Url};

use crate::{
    basics::error::{Error, Result},
    registry::{Client, Proxies, Reference, network::Resolver, tls},
};

/// Opens a bucket, and a folder in it if the URL has one. Returns it as a store and as what signs
/// URLs.
pub(crate) fn open(
    url: &str,
    options: &BTreeMap<String, String>,
    client: &Client,
) -> Result<(Arc<dyn ObjectStore>, Arc<dyn Signer>)> {
    let invalid = |reason: String| Error::invalid(format!("storage {url:?}"), reason);
    let parsed: Url = url.parse().map_err(|error| invalid(format!("not a URL: {error}")))?;
    let folder = Key::from_url_path(parsed.path()).map_err(|error| invalid(error.to_string()))?;
    let connector = Connector { client: client.clone() };
    let refused = |error: StoreError| invalid(error.to_string());
    // A client waits for most entries.
    let retries = RetryConfig {
        max_retries: client.retries as usize,
        retry_timeout: client.timeout,
        ..RetryConfig::default()
    };
    // Each service has builders of its own, whose options have the same form.
    macro_rules! bucket {
        ($builder:ty, $key:ty) => {{
            let mut builder = <$builder>::new()
                .with_url(url)
                .with_http_connector(connector)
                .with_retry(retries.clone());
            for (name, value) in options {
                let key = <$key>::from_str(&name.to_ascii_lowercase())
                    .map_err(|_| invalid(format!("it has no option {name:?}")))?;
                builder = builder.with_config(key, value);
            }
            let bucket = builder.build().map_err(refused)?;
            let store = Arc::new(PrefixStore::new(bucket, folder));
            Ok((Arc::clone(&store) as Arc<dyn ObjectStore>, store as Arc<dyn Signer>))
        }};
    }
    match parsed.scheme() {
        "s3" => bucket!(AmazonS3Builder, AmazonS3ConfigKey),
        "gs" => bucket!(GoogleCloudStorageBuilder, GoogleConfigKey),
        "az" | "abfs" | "abfss" => bucket!(MicrosoftAzureBuilder, AzureConfigKey),
        _ => Err(invalid("expected s3://, gs:// or az://, and a bucket".to_owned())),
    }
}

/// As [`Storage::options_of_environment`](crate::on_demand::Storage::options_of_environment).
pub(crate) fn options_of_environment(
    url: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_option = |name: &str| match scheme {
        "s3" => name.starts_with("aws_") && AmazonS3ConfigKey::from_str(name).is_ok(),
        "gs" => name.starts_with("google_") && GoogleConfigKey::from_str(name).is_ok(),
        "az" | "abfs" | "abfss" => {
            name.starts_with("azure_") && AzureConfigKey::from_str(name).is_ok()
        }
        _ => false,
    };
    let variables = variables.into_iter();
    let options = variables.map(|(name, value)| (name.to_ascii_lowercase(), value));
    options.filter(|(name, value)| is_option(name) && !value.is_empty()).collect()
}

/// Connects as the client of registries does: with the same authorities, proxies and TLS.
#[derive(Debug)]
struct Connector {
    client: Client,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient, StoreError> {
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Generic {
            store: "HTTP client",
            source: error,
        };
        // Certificates for single registries do not apply.
        let anywhere: Reference =
            "storage.invalid/state".parse().map_err(|error: Error| refused(error.into()))?;
        let tls = tls::config(&self.client, &anywhere).map_err(|error| refused(error.into()))?;
        let proxies = self.client.proxies.clone().unwrap_or_else(Proxies::from_environment);
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(allows_http.as_deref() != Some("true"))
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.client.timeout)
            .timeout(self.client.timeout)
            .dns_resolver(Resolver::new())
            .proxy(Proxy::custom(move |url| proxies.through(url).ok().flatten()))
            .build();
        Ok(HttpClient::new(client.map_err(|error| refused(error.into()))?))
    }
}
