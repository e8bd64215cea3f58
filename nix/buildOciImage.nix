{ ociBuildImage, ... }:
/**
  `ociBuildImage`, with the name and the tag of the image as its annotations `org.opencontainers.image.title` and
  `org.opencontainers.image.version` too: for expressions that were written for a function of this name.

  - `name`, `tag`, `extraManifest`: as all arguments of `ociBuildImage`, which this function takes too.

  ```nix
  buildOciImage { name = "hello"; tag = "1.0"; copyToRoot = [ hello ]; config.Cmd = [ "/bin/hello" ]; }
  ```
*/
{ name, tag ? null, extraManifest ? { }, ... }@arguments:
ociBuildImage (arguments // {
  extraManifest = extraManifest // {
    annotations = {
      "org.opencontainers.image.title" = name;
      ${if tag == null then null else "org.opencontainers.image.version"} = tag;
    } // extraManifest.annotations or { };
  };
})
