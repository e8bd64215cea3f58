//! Pulls images from registries, pushes images to registries, and serves images, as the
//! [distribution specification] defines it. Requires the feature `registry`.
//!
//! [`Client::image`] returns an [`Image`](crate::Image). It reads the manifests at once, and layers
//! when their bytes are needed: [`image_layout`](crate::image_layout()) and
//! [`ImageLayout::append`](crate::ImageLayout::append) download several layers at a time and verify
//! every byte. They do not download a blob that the layout already has.
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
//! [`Client::push`] takes an [`Image`](crate::Image) from anywhere, and sends what the registry
//! lacks:
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
//! The image that [`Client::image`] returns can be pushed too: blobs are then read while they are
//! sent. [`Client::tags`] lists the tags of a repository, [`Client::delete`] deletes an image, and
//! [`Credentials::store`] stores a login that [`Client::check_login`] has checked.
//!
//! [`Endpoint`] is the server: it serves layouts, and images that are in no layout, to every client
//! that can pull.
//!
//! All functions block while they wait for the network. In asynchronous code, call them and read
//! their results inside `spawn_blocking` or similar.
//!
//! # Environment
//!
//! This is the only part of the library that reads environment variables. Unless
//! [`Client::proxies`] is set, the client uses the proxies that [`Proxies::from_environment`]
//! finds. Unless [`Client::authorities`] is set, it trusts the certificate authorities of the
//! system, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`. It finds credential helpers on `PATH`.
//!
//! [distribution specification]:
//! https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

pub(crate) mod blob;
pub(crate) mod byte_counter;
pub(crate) mod challenge;
pub(crate) mod check_login;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod delete;
pub(crate) mod failure;
#[cfg(all(any(test, fuzzing), feature = "on-demand"))]
pub(crate) mod fuzzing;
pub(crate) mod helper;
pub(crate) mod http;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod network;
pub(crate) mod pace;
pub(crate) mod pages;
pub(crate) mod proxy;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod reference;
pub(crate) mod referrer;
pub(crate) mod referrers;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod tags;
pub(crate) mod tls;
pub(crate) mod waiting;

pub use crate::basics::stop::Stop;
pub use crate::registry::{
    client::{Client, download_pool},
    credentials::Credentials,
    proxy::Proxies,
    reference::Reference,
    serve::{
        Endpoint, Limits, MakingLimits, NamedImageError, NamedImageErrorKind, NamedImages,
        Repository, Serving, event::Event,
    },
    waiting::Waiting,
};
