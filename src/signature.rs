//! Signatures of images: statements about digests, signed with keys, in the bundles of
//! [cosign](https://docs.sigstore.dev/cosign/signing/signing_with_containers/) 3.
//!
//! A [`Statement`] says something about images, and [`sign`] makes a bundle of it. The bundle is
//! attached to the image as an artifact of the type [`MEDIA_TYPE`], by
//! [`artifact_manifest`](crate::artifact_manifest()) and [`annotations`]. [`verify`] returns the
//! statement if the key made the signature. Everything is deterministic: the same statement and key
//! give the same bytes.
//!
//! ```
//! use oci_layout::{Digest, signature::{PrivateKey, Statement, sign, verify}};
//! # let pem = b"-----BEGIN PRIVATE KEY-----\n\
//! #     MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
//! #     -----END PRIVATE KEY-----\n";
//! let image = Digest::of(b"the manifest of an image");
//! let key = PrivateKey::from_pem(pem, None)?;
//! let bundle = sign(&Statement::signature(image), &key);
//! let statement = verify(&bundle, &key.public_key()).unwrap();
//! assert!(statement.is_about(image));
//! # Ok::<_, oci_layout::Error>(())
//! ```

pub(crate) mod bundle;
pub(crate) mod encrypted;
#[cfg(all(any(test, fuzzing), feature = "on-demand"))]
pub(crate) mod fuzzing;
pub(crate) mod key;
pub(crate) mod statement;

pub use crate::signature::{
    bundle::{BundleError, MEDIA_TYPE, annotations, sign, verify},
    key::{PrivateKey, PublicKey},
    statement::{SIGNATURE, Statement},
};
