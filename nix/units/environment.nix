# The variables of a service, and the packages on its `PATH`.
{
  lib,
  values,
  words,
}:
{
  place,
  specifiers,
  unit,
  serviceConfig,
}:
let
  expand = specifiers.expand "${place}: environment";

  assignment =
    word:
    let
      parts = builtins.match "([A-Za-z_][A-Za-z0-9_]*)=(.*)" word;
    in
    if parts == null then
      throw "oci-layout: ${place}: Environment: \"${word}\" is not NAME=VALUE; a value with blanks needs quotes around the whole: \"NAME=VALUE\""
    else
      {
        name = builtins.head parts;
        value = lib.addContextFrom word (builtins.elemAt parts 1);
      };
  assigned = builtins.listToAttrs (
    # The last value of a name counts, and `listToAttrs` takes the first.
    values.reversed (
      map assignment (
        builtins.concatMap (
          text:
          map (specifiers.expand "${place}: Environment") (
            words.split "${place}: Environment" (values.textOf text)
          )
        ) (values.listOf (serviceConfig.Environment or null))
      )
    )
  );

  isPackage = value: builtins.isAttrs value && value ? outPath;
  nameOf = package: package.pname or package.name or "";
  inStore = value: !isPackage value && builtins.match "${builtins.storeDir}/.*" "${value}" != null;
  # NixOS puts systemd at the end of every path, and the image must not contain it.
  isSystemd = package: builtins.match "systemd(-minimal.*|-[0-9].*)?" (nameOf package) != null;
  path = unit.path or [ ];
  packages = builtins.filter (
    package: (isPackage package && !(isSystemd package)) || inStore package
  ) path;

  output =
    names: package:
    if isPackage package && !(package.outputSpecified or false) then
      builtins.foldl' (found: name: if found == null then package.${name} or null else found) null (
        names ++ [ "out" ]
      )
    else
      package;
  search =
    path: names: folder:
    builtins.concatStringsSep ":" (
      map (
        package:
        let
          found = output names package;
        in
        "${if found == null then package else found}/${folder}"
      ) path
    );
  # What NixOS makes of `path` itself, for an instance of a template without that of the template.
  ownPath = unit.ownPath or path;
  ofNixos = "${search ownPath [ "bin" ] "bin"}:${search ownPath [ "bin" ] "sbin"}";
  given = unit.environment or { };
  plain = builtins.listToAttrs (
    builtins.concatMap (
      name:
      if given.${name} == null || (name == "PATH" && ownPath != [ ] && "${given.PATH}" == ofNixos) then
        [ ]
      else
        [
          {
            inherit name;
            value = expand (values.verbatim given.${name});
          }
        ]
    ) (builtins.attrNames given)
  );
in
{
  environment = plain // assigned;
  path = packages;
  # Folders that no store path contains, for example of setuid wrappers.
  droppedPath = map (value: {
    name = "path: ${value}";
    text = "only packages can be on PATH";
  }) (builtins.filter (value: !isPackage value && !inStore value) path);
  files = map (value: specifiers.expand "${place}: EnvironmentFile" (values.textOf value)) (
    values.listOf (serviceConfig.EnvironmentFile or null)
  );
}
