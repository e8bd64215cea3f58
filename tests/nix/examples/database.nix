# An image with the database of its store: closures in several layers, a self-reference, and contents that are copied to the
# root, which are not in the store.
{
  ociBuildImage,
  ociLayerTar,
  greet,
  letters,
  links,
  ownPath,
  ...
}:
ociBuildImage {
  name = "database";
  tag = "1";
  config.Entrypoint = [ "${greet}/bin/greet" ];
  copyToRoot = [
    links
    ownPath
  ];
  layers = [ (ociLayerTar { closure = [ letters ]; }) ];
  initializeNixDatabase = true;
  nixUid = 1000;
  nixGid = 100;
}
