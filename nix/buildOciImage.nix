/**
  Calls `ociBuildImage`, and also writes the name and the tag of the image into the annotations
  `org.opencontainers.image.title` and `org.opencontainers.image.version`. It takes all arguments of
  `ociBuildImage`, and serves expressions that call a function of this name.

  # Arguments

  - [name] The name of the image without a tag, which becomes its title.
  - [tag] The tag of the image, which becomes its version. Default: `null`.
  - [extraManifest] As in `ociImageManifest`. Annotations in it win. Default: `{ }`.

  # Examples

  ```nix
  buildOciImage { name = "hello"; tag = "1.0"; copyToRoot = [ hello ]; config.Cmd = [ "/bin/hello" ]; }
  ```
*/
{ lib, ociBuildImage }:
{
  name,
  tag ? null,
  extraManifest ? { },
  ...
}@arguments:
ociBuildImage (
  arguments
  // {
    extraManifest = extraManifest // {
      annotations = {
        "org.opencontainers.image.title" = name;
      }
      // lib.optionalAttrs (tag != null) { "org.opencontainers.image.version" = tag; }
      // extraManifest.annotations or { };
    };
  }
)
