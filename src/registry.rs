//! Images in registries, read and written as the [distribution specification] says; with the
//! feature `registry`.
//!
//! [`Client::image`] gives an [`Image`](crate::Image) whose documents are here and whose layers are
//! read from the registry when somebody wants their bytes: [`image_layout`](crate::image_layout())
//! and [`ImageLayout::append`](crate::ImageLayout::append) do, several at a time, and check every
//! byte; a blob that a layout has is not read again.
//!
//! ```no_run
//! use oci_layout::{Pool, LayoutOptions, image_layout, registry::{Client, Reference}};
//!
//! let alpine: Reference = "docker.io/library/alpine:3.20".parse()?;
//! let image = Client::default().image(&alpine, Some(&"linux/arm64".parse()?))?;
//! println!("to get the same again, ask for {}", alpine.at(image.digest()));
//! image_layout("alpine", [image.tagged("3.20")], LayoutOptions::default().pool(&Pool::new(4)))?;
//! # Ok::<_, oci_layout::Error>(())
//! ```
//!
//! [`Client::push`] takes an [`Image`](crate::Image) of any origin, and sends what a registry lacks
//! of it:
//!
//! ```no_run
//! use oci_layout::{ImageLayout, registry::{Client, Reference}};
//!
//! let image = ImageLayout::open("image")?.whole_image(Some("latest"))?;
//! let names: Vec<Reference> = vec!["localhost:5000/app:1.0".parse()?, "localhost:5000/app:latest".parse()?];
//! for pushed in Client::default().push(&image, &names)? {
//!     println!("{pushed}");
//! }
//! # Ok::<_, oci_layout::Error>(())
//! ```
//!
//! [`Endpoint`] is the other side: layouts, and images that lie in none, for every client that can
//! pull.
//!
//! All functions wait for the network. Call them, and read what they give, from threads that may
//! wait: from asynchronous code with `spawn_blocking` or its like.
//!
//! # What enters from outside
//!
//! The only part of this library that the environment has a say in. Unless [`Client::proxies`] says
//! otherwise, the HTTP client goes through the proxies that [`Proxies::from_environment`] finds;
//! and unless [`Client::authorities`] does, it trusts the authorities for certificates that the
//! system does, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`. Credential helpers are looked for
//! on `PATH`.
//!
//! [distribution specification]:
//! https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

pub(crate) mod blob;
pub(crate) mod byte_counter;
pub(crate) mod challenge;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod failure;
#[cfg(all(any(test, fuzzing), feature = "gzip", feature = "zstd"))]
pub(crate) mod fuzzing;
pub(crate) mod helper;
pub(crate) mod http;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod network;
pub(crate) mod pace;
pub(crate) mod proxy;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod reference;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod tls;

pub use crate::registry::{
    client::{Client, download_pool},
    credentials::Credentials,
    proxy::Proxies,
    reference::Reference,
    serve::{Endpoint, Limits, Repository, Serving, event::Event},
};
