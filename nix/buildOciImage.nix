{ ociBuildImage, ... }:
/**
  `ociBuildImage` under the name of the seed's function, with the name and the tag of the image as its annotations
  `org.opencontainers.image.title` and `org.opencontainers.image.version` too.

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
