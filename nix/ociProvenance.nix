/**
  Writes the provenance of an image: a statement of in-toto with the predicate of SLSA v1, which says from which store
  paths and base images the image was built. `docs/provenance.md` says what it proves. The digest of an image is known only
  after its build, so this is a derivation after the layout.

  The result is a file for `oci-layout sign --statement`, or for `oci-layout attach --type application/vnd.in-toto+json`.

  # Arguments

  - [image] A layout: a result of `ociBuildImage`, `ociMakeImage` or `ociImageLayout`.
  - [builderId] A URI of whoever builds: a page about the machine or the service, and whether its builds are trusted.
  - [parameters] What the expression was evaluated from, for example the address and the revision of a flake. Nix does not
    check it. Default: `{ }`.
  - [name] The name of the derivation. Default: `"oci-provenance"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociProvenance {
    image = ociBuildImage { name = "hello"; config.Entrypoint = [ "${hello}/bin/hello" ]; };
    builderId = "https://example.com/builders/1";
    parameters.revision = "0b1f6a4";
  }
  ```
*/
{
  elements,
  lib,
  manifestsOf,
  references,
  step,
}:
{
  image,
  builderId,
  parameters ? { },
  name ? "oci-provenance",
  passthru ? { },
}:
let
  manifests = map (image: image.manifest) (manifestsOf image.manifests);

  # What the derivation of a layer reads. `below` is made of other layers and of the base image, which are listed themselves.
  inputsOfLayer =
    layer:
    if layer ? drvAttrs then
      removeAttrs layer.drvAttrs [
        "below"
        "checked"
      ]
    else
      layer;
  inputs = map (manifest: [
    (map inputsOfLayer (elements "layers" manifest.layers))
    manifest.config.drvAttrs.extraConfig
    manifest.drvAttrs.extraManifest
    (manifest.drvAttrs.base.layout or null)
  ]) manifests;
  listed = references inputs;
in
if !(image ? manifests) then
  throw "oci-layout: ociProvenance: image: expected a result of ociBuildImage, ociMakeImage or ociImageLayout"
else if !(builtins.all (manifest: manifest ? drvAttrs) manifests) then
  throw "oci-layout: ociProvenance: image: contains an image that Nix did not build, so that its inputs are unknown"
else
  step "provenance" (
    {
      inherit
        name
        builderId
        parameters
        passthru
        ;
      layout = "${image}";
      derivation = builtins.unsafeDiscardStringContext image.drvPath;
      bases = map (manifest: manifest.drvAttrs.base // { inherit (manifest.drvAttrs) platform; }) (
        builtins.filter (manifest: manifest.drvAttrs ? base) manifests
      );
      # Not an input of the image.
      without = map (list: "${list}") listed;
      unsafeDiscardReferences.out = true;
      preferLocalBuild = true;
      allowSubstitutes = false;
    }
    // lib.optionalAttrs (listed != [ ]) {
      exportReferencesGraph.graph = map (list: "${list}") listed;
    }
  )
