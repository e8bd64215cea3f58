//! Whether an authority has signed a certificate that is itself marked as the certificate of an
//! authority.
//!
//! `openssl req -x509 -CA` makes such certificates for servers. Go and OpenSSL accept them, but
//! webpki does not. The chain has one link here: the issuer itself is trusted.

use rustls::{crypto::WebPkiSupportedAlgorithms, pki_types::CertificateDer};
use webpki::EndEntityCert;

/// Whether the trusted certificate `issuer` has signed `certificate`, for use by a server.
pub(crate) fn has_signed(
    issuer: &CertificateDer,
    certificate: &CertificateDer,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let (Ok(issuer), Ok(signed)) =
        (EndEntityCert::try_from(issuer), EndEntityCert::try_from(certificate))
    else {
        return false;
    };
    let Some(Parts { content, algorithm, signature }) = Parts::of(certificate) else {
        return false;
    };
    let is_valid = || {
        let mut usable =
            algorithms.all.iter().filter(|usable| *usable.signature_alg_id() == *algorithm);
        usable.any(|usable| issuer.verify_signature(*usable, content, signature).is_ok())
    };
    issuer.subject() == signed.issuer() && allows_servers(content) && is_valid()
}

/// The DER of the issuer's name. It also supports X.509 v1 certificates, which webpki does not.
pub(crate) fn issuer_name<'a>(certificate: &'a CertificateDer) -> Option<&'a [u8]> {
    let content = Element::read(SEQUENCE, Parts::of(certificate)?.content)?.value;
    let version = Element::read(0xa0, content);
    let serial = Element::read(0x02, version.map_or(content, |version| version.rest))?;
    let algorithm = Element::read(SEQUENCE, serial.rest)?;
    Some(Element::read(SEQUENCE, algorithm.rest)?.whole)
}

const SEQUENCE: u8 = 0x30;

/// The parts of a certificate ([RFC 5280, section
/// 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
struct Parts<'a> {
    /// `tbsCertificate`, with its tag and length.
    content: &'a [u8],
    /// `signatureAlgorithm`, without its tag and length.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(certificate: &'a [u8]) -> Option<Self> {
        const BIT_STRING: u8 = 0x03;
        let certificate = Element::read(SEQUENCE, certificate)?;
        let content = Element::read(SEQUENCE, certificate.value)?;
        let algorithm = Element::read(SEQUENCE, content.rest)?;
        let signature = Element::read(BIT_STRING, algorithm.rest)?;
        // A signature consists of whole bytes, so no bit of the last one is unused.
        let bits = signature.value.strip_prefix(&[0])?;
        let is_all = certificate.rest.is_empty() && signature.rest.is_empty();
        is_all.then_some(Self {
            content: content.whole,
            algorithm: algorithm.value,
            signature: bits,
        })
    }
}

/// A DER element.
struct Element<'a> {
    whole: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn read(tag: u8, bytes: &'a [u8]) -> Option<Self> {
        let (&first, after) = bytes.strip_prefix(&[tag])?.split_first()?;
        let (length, after) = match first {
            0..=0x7f => (usize::from(first), after),
            0x81..=0x84 => {
                let (length, after) = after.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), after)
            }
            _ => return None,
        };
        let (value, rest) = after.split_at_checked(length)?;
        Some(Self { whole: &bytes[..bytes.len() - rest.len()], value, rest })
    }
}

/// Whether a certificate may be used by servers: it has an extended key usage for servers, or none
/// at all ([RFC 5280, section 4.2.1.12](https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12)).
/// The object identifiers are searched for anywhere in the certificate. A false match of the
/// extension only makes this stricter.
fn allows_servers(content: &[u8]) -> bool {
    const EXTENDED_KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x25];
    const SERVER_AUTH: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    const ANY: &[u8] = &[0x06, 0x04, 0x55, 0x1d, 0x25, 0x00];
    let has = |id: &[u8]| content.windows(id.len()).any(|window| window == id);
    !has(EXTENDED_KEY_USAGE) || has(SERVER_AUTH) || has(ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_their_lengths() {
        let long = [&[0x30, 0x81, 0x80][..], &[7; 0x80], b"rest"].concat();
        let element = Element::read(0x30, &long).unwrap();
        assert_eq!(
            (element.whole.len(), element.value.len(), element.rest),
            (0x83, 0x80, &b"rest"[..])
        );
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x31\x00",
            b"\x30\x01",
            b"\x30\x80\x00",
            b"\x30\x82\x01",
            b"\x30\x85\0\0\0\0\0",
        ] {
            assert!(Element::read(0x30, bytes).is_none(), "{bytes:?}");
        }
        assert!(Element::read(0x30, b"\x30\x84\xff\xff\xff\xff\x00").is_none());
    }
}
