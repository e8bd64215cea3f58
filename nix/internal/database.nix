# A layer with the database of the Nix store, in which the store paths of these layers are valid. `owner` may add paths to
# the store.
{
  contents,
  ociLayerTar,
  step,
}:
{
  layers,
  owner,
  compression,
  strict,
  lazy,
  base,
  platform,
}:
let
  holds = contents { without = layers; };
  database = step "database" (
    {
      name = "oci-nix-database";
      layers = holds.attributes.without;
      # The image contains the paths themselves.
      unsafeDiscardReferences.out = true;
    }
    // removeAttrs holds.attributes [
      "closure"
      "copyToRoot"
      "referencesOf"
      "without"
    ]
  );
  directory = destination: {
    inherit destination;
    directory = true;
  };
in
ociLayerTar {
  name = "oci-nix-database-layer";
  files = [
    (directory "/nix")
    (directory "/nix/store")
    # Logs of builds get a folder here.
    (directory "/nix/var")
    {
      source = database;
      destination = "/nix/var/nix";
    }
  ];
  inherit
    owner
    compression
    strict
    lazy
    base
    platform
    ;
}
