# Directories that a service owns, and its credentials.
{
  lib,
  toFile,
  values,
  words,
}:
{
  name,
  place,
  specifiers,
  serviceConfig,
}:
let
  kinds = [
    {
      directive = "RuntimeDirectory";
      below = "/run";
      variable = "RUNTIME_DIRECTORY";
    }
    {
      directive = "StateDirectory";
      below = "/var/lib";
      variable = "STATE_DIRECTORY";
    }
    {
      directive = "CacheDirectory";
      below = "/var/cache";
      variable = "CACHE_DIRECTORY";
    }
    {
      directive = "LogsDirectory";
      below = "/var/log";
      variable = "LOGS_DIRECTORY";
    }
    {
      directive = "ConfigurationDirectory";
      below = "/etc";
      variable = "CONFIGURATION_DIRECTORY";
      # The service reads it.
      owner = {
        user = "root";
        group = "root";
      };
    }
  ];
  of =
    {
      directive,
      below,
      owner ? {
        user = null;
        group = null;
      },
      ...
    }:
    let
      mode = values.lastOf (serviceConfig."${directive}Mode" or null);
      names = map (specifiers.expand "${place}: ${directive}") (
        builtins.concatMap (element: words.split "${place}: ${directive}" (values.textOf element)) (
          values.listOf (serviceConfig.${directive} or null)
        )
      );
      checked =
        path:
        if builtins.match ".*:.*" path != null then
          throw "oci-layout: ${place}: ${directive}: \"${path}\" asks for a link, which is not supported; add the link to the files of the image"
        else if builtins.match "/.*|(.*/)?\\.\\.(/.*)?" path != null then
          throw "oci-layout: ${place}: ${directive}: \"${path}\" is not a path below ${below}; write it without / at the beginning and without .."
        else
          path;
    in
    map (
      path:
      {
        path = "${below}/${checked path}";
        mode = if mode == null then "0755" else values.textOf mode;
      }
      // owner
    ) names;
  all = map (kind: kind // { directories = of kind; }) kinds;

  credentialsDirectory = "/run/credentials/${name}.service";
  credential =
    directive: text:
    let
      parts = builtins.match "([^:]+):(.*)" text;
    in
    if parts == null || builtins.match ".*/.*" (builtins.head parts) != null then
      throw "oci-layout: ${place}: ${directive}: \"${text}\" has no name and value; write \"NAME:VALUE\""
    else
      {
        name = builtins.head parts;
        value = lib.addContextFrom text (builtins.elemAt parts 1);
      };
  fileOf = name: source: {
    inherit source;
    path = "${credentialsDirectory}/${name}";
    mode = "0400";
    user = null;
    group = null;
  };
  loaded =
    text:
    let
      read = credential "LoadCredential" (specifiers.expand "${place}: LoadCredential" text);
    in
    if builtins.substring 0 1 read.value != "/" then
      throw "oci-layout: ${place}: LoadCredential: \"${read.value}\" is not the path of a file; write \"NAME:/PATH\", and mount the file there"
    else
      fileOf read.name read.value;
  set =
    text:
    let
      read = credential "SetCredential" text;
      value = words.unescape "${place}: SetCredential" (
        specifiers.expand "${place}: SetCredential" read.value
      );
    in
    fileOf read.name (toFile "credential-${read.name}" value);
  # A loaded credential replaces one that is set, because it comes later.
  files =
    map set (values.listOf (serviceConfig.SetCredential or null))
    ++ map loaded (values.listOf (serviceConfig.LoadCredential or null));
in
{
  inherit files;
  directories =
    builtins.concatMap ({ directories, ... }: directories) all
    ++ (
      if files == [ ] then
        [ ]
      else
        [
          {
            path = credentialsDirectory;
            mode = "0700";
            user = null;
            group = null;
          }
        ]
    );
  environment =
    builtins.listToAttrs (
      builtins.concatMap (
        { directories, variable, ... }:
        if directories == [ ] then
          [ ]
        else
          [
            {
              name = variable;
              value = builtins.concatStringsSep ":" (map ({ path, ... }: path) directories);
            }
          ]
      ) all
    )
    // (if files == [ ] then { } else { CREDENTIALS_DIRECTORY = credentialsDirectory; });
}
