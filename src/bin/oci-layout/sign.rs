//! `sign`: a signature of an image, or a signed statement about it.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use oci_layout::{
    Digest, MemoryBlob, Pool, Result, artifact_manifest,
    document::MediaType,
    signature::{self, PrivateKey, Statement},
};
use serde_json::json;

use crate::{
    args::LayoutTag,
    attached::attach,
    bundles::{COSIGN_IMAGE, MAX_BUNDLE, key_error, read_key},
    edit::open_layout,
    errors,
    image_arg::{ImageArg, WholeImage},
    input::{is_standard_input, read_input},
    names::root,
    out::{print, say},
    prompt,
    trust::Trust,
    write_args::WriteArgs,
};

/// Signs an image with a key, and attaches the signature to it.
///
/// The signature is about the digest of the image: of the index of an image for several platforms,
/// or with --platform of the manifest for this one. It is a bundle as cosign 3 makes it, and `cosign
/// verify --key PUBLIC --insecure-ignore-tlog` verifies it, with --local-image also in a layout. The
/// same image and key always give the same signature. Prints the digest of the artifact.
///
/// The key is ECDSA P-256 or Ed25519: PKCS#8, as openssl writes it, or the key of `cosign
/// generate-key-pair`. Signatures without keys, with an identity, are those of cosign.
///
/// With --predicate or --statement, signs a statement about the image (an attestation), such as its
/// provenance or its bill of materials.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout sign image --key cosign.key --password-file password
  oci-layout sign docker://ghcr.io/me/app:1.0 --key key.pem
  oci-layout sign image --key key.pem --predicate sbom.json \\
      --predicate-type https://cyclonedx.org/bom")]
pub(crate) struct Sign {
    #[command(flatten)]
    image: WholeImage,

    /// The private key: PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The file with the password of the key. - is standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Sign a statement with this predicate: a JSON object. - is standard input
    #[arg(long, value_name = "FILE", requires = "predicate_type", conflicts_with = "statement")]
    predicate: Option<PathBuf>,

    /// The type of the predicate: a URI
    #[arg(long, value_name = "URI", requires = "predicate")]
    predicate_type: Option<String>,

    /// Sign this statement of in-toto, whose subjects include the image. - is standard input
    #[arg(long, value_name = "FILE")]
    statement: Option<PathBuf>,

    #[command(flatten)]
    write: WriteArgs,
}

impl Sign {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let streams = [&self.password_file, &self.predicate, &self.statement];
        let files = streams.into_iter().flatten().chain([&self.key]);
        if files.filter(|file| is_standard_input(file)).count() > 1 {
            let reason = "is given twice: use files, and standard input for one of them";
            return Err(errors::invalid("standard input", reason));
        }
        let key = private_key(&self.key, self.password_file.as_deref())?;
        let subject = root(&self.image, trust)?.0;
        let statement = self.statement(subject.digest)?;
        let bundle = signature::sign(&statement, &key);
        if bundle.len() as u64 > MAX_BUNDLE {
            let reason = format!("the bundle would have more than {MAX_BUNDLE} bytes");
            return Err(errors::invalid("statement", reason));
        }
        let blob = MemoryBlob::new(MediaType::new(signature::MEDIA_TYPE), bundle);
        let extra = json!({ "annotations": signature::annotations(&statement) });
        let artifact =
            artifact_manifest(signature::MEDIA_TYPE, [Arc::new(blob) as _], Some(&subject), extra)?;
        let digest = artifact.digest();
        attach(&self.image, artifact, self.write, pool, trust)?;
        match &self.image.image {
            ImageArg::Layout(LayoutTag { layout, .. }) => {
                let (key, value) = COSIGN_IMAGE;
                let mut layout = open_layout(layout, self.write, trust)?;
                layout.annotate(subject.digest, key, Some(value))?;
            }
            #[cfg(feature = "registry")]
            ImageArg::Registry(_) => {}
        }
        say(format_args!("signed {} with the key {}", subject.digest, key.public_key().hint()));
        print(digest)
    }

    fn statement(&self, image: Digest) -> Result<Statement> {
        let read = |file| read_input(file, MAX_BUNDLE, "it is too large for a bundle");
        if let (Some(file), Some(kind)) = (&self.predicate, &self.predicate_type) {
            return Statement::new(&[image], kind, &read(file)?);
        }
        let Some(file) = &self.statement else { return Ok(Statement::signature(image)) };
        let statement = Statement::from_json(read(file)?)?;
        if !statement.is_about(image) {
            let reason = format!("none of its subjects is the image, {image}");
            return Err(errors::invalid(format!("statement {file:?}"), reason));
        }
        Ok(statement)
    }
}

fn private_key(file: &Path, password: Option<&Path>) -> Result<PrivateKey> {
    let pem = read_key(file)?;
    if password.is_none() && PrivateKey::is_encrypted(&pem) {
        let reason =
            "is encrypted: give its password with --password-file FILE, or - for standard input";
        return Err(errors::invalid(format!("key {file:?}"), reason));
    }
    let password = password.map(read_password).transpose()?;
    PrivateKey::from_pem(&pem, password.as_deref()).map_err(key_error(file))
}

/// The contents of the file, without the end of the line. A terminal does not show the password.
fn read_password(file: &Path) -> Result<Vec<u8>> {
    if is_standard_input(file) && io::stdin().is_terminal() {
        return prompt::secret("Password: ").map(String::into_bytes);
    }
    let mut password = read_input(file, 64 << 10, "it is not a password")?;
    for end in [b'\n', b'\r'] {
        if password.last() == Some(&end) {
            password.pop();
        }
    }
    Ok(password)
}
