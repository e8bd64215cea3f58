# The types of arguments, and the names that other tools have for them. A name has the same type in every function that has
# it, unless `ofFunction` says otherwise.
{
  check,
  configuration,
  files,
}:
let
  inherit (check)
    any
    bool
    int
    list
    listOf
    matching
    members
    oneOf
    set
    text
    texts
    ;

  # The same value for several names.
  each =
    value: names:
    builtins.listToAttrs (
      map (name: {
        inherit name value;
      }) names
    );

  tagged = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
  named = "([^/]*[.:][^/]*/)?[a-z0-9][a-z0-9._/-]*";
  tag = matching tagged "a tag of letters, digits, `_`, `.` and `-`";
  imageName =
    place: value:
    # A colon before a slash precedes the port of a registry.
    if builtins.isString value && builtins.match ".*:[^/]*" value != null then
      check.refuse place "the image name ${value} contains a tag; pass the tag as the argument tag"
    else
      matching named "an image name in lower case, as in \"ghcr.io/me/app\"" place value;

  # The keys are tags, or full names, which contain a slash or a colon.
  manifests =
    let
      key = matching "${tagged}|${named}(:${tagged})?" "a tag, or an image name in lower case, as in \"ghcr.io/me/app:1.0\"";
    in
    place: value:
    if builtins.isAttrs value && !(value ? outPath) then
      builtins.mapAttrs (name: builtins.seq (key place name)) value
    else
      value;

  image =
    members
      {
        layout = any;
        tag = any;
      }
      (
        {
          imagetag = "tag";
          name = "tag";
        }
        // each "pull the image with ociPullImage, and pass the result" [
          "imagename"
          "imagedigest"
          "hash"
          "sha256"
        ]
      );
  base =
    place: value:
    if builtins.isAttrs value && !(value ? outPath) then
      image place value
    else if builtins.isString value && builtins.substring 0 1 value != "/" then
      check.refuse place "\"${value}\" is a string; pull the image with ociPullImage, or write the path of a layout without quotes"
    else
      value;

  inheritConfig =
    place: value:
    if builtins.isBool value then
      value
    else
      members (each bool [
        "cmd"
        "entrypoint"
        "env"
        "exposedPorts"
        "history"
        "labels"
        "metadata"
        "other"
        "stopSignal"
        "user"
        "volumes"
        "workingDir"
      ]) { } place value;

  types = {
    alone = list;
    base = base;
    compression = matching "|(gzip|zstd|none)(:.*)?" "gzip, zstd, zstd:chunked or none, with or without a level, as in \"zstd:19\"";
    created = configuration.created;
    deep = bool;
    exclude = texts;
    extraConfig = configuration.extraConfig;
    extraIndex = set;
    extraManifest = set;
    files = listOf "a list of files" files.inLayer;
    fromImage = base;
    gate = list;
    hardLinks = oneOf [
      "copy"
      "merge"
      "keep"
      true
      false
    ];
    hashTagged = imageName;
    include = texts;
    inheritConfig = inheritConfig;
    initializeNixDatabase = bool;
    keepDirectoryLinks = bool;
    lazy = bool;
    manifests = manifests;
    maxLayers = int;
    mtime = int;
    name = text;
    nixGid = int;
    nixUid = int;
    onConflict = oneOf [
      "error"
      "first"
      "last"
    ];
    owner = members {
      uid = int;
      gid = int;
    } { };
    passthru = set;
    perms = listOf "a list of rules" files.rule;
    plainHttp = bool;
    platform = members {
      architecture = text;
      os = text;
      variant = text;
    } { arch = "architecture"; };
    replace = bool;
    sbom = oneOf [
      false
      true
      "cyclonedx"
      "spdx"
      "buildkit"
    ];
    sbomPackages = list;
    sparse = bool;
    strict = bool;
    tag = tag;
    together = listOf "a list of lists of packages" list;
    unpackLimit = int;
    unsetEnv = texts;
  };

  # What to do instead of the arguments of other tools.
  script = "no script runs here; describe its effect with files and perms, or run it in a derivation for copyToRoot";
  owner = "set owner = { uid = …; gid = …; }, which are numbers";

  ofFunction = {
    ociBuildImage = {
      types = {
        config = configuration.config;
        layers = list;
        name = imageName;
      };
      hints =
        configuration.advice "config"
        // each script [
          "enablefakechroot"
          "extracommands"
          "fakerootcommands"
          "runasroot"
        ]
        // each owner [
          "uid"
          "gid"
          "uname"
          "gname"
        ]
        // each "set fromImage = { layout = …; tag = …; }" [
          "fromimagename"
          "fromimagetag"
        ]
        // each "set extraConfig.architecture" [
          "arch"
          "architecture"
        ]
        // each "add ociLayerTar { closure = [ … ]; } to layers; config, files and copyToRoot need none" [
          "closure"
          "deps"
        ]
        // {
          annotations = "set extraManifest.annotations";
          base = "fromImage";
          compressor = "compression";
          contents = "copyToRoot";
          fromimageenv = "inheritConfig";
          includenixdb = "initializeNixDatabase";
          keepcontentsdirlinks = "keepDirectoryLinks";
          layeringpipeline = "use alone and together, or layers";
          meta = "set passthru.meta";
          permissions = "perms";
        };
    };
    # It passes further arguments on to `ociBuildImage`, which checks all of them.
    buildOciImage.open = true;
    ociLayerTar.hints =
      each owner [
        "uid"
        "gid"
      ]
      // each "without" [
        "layers"
        "ignore"
      ]
      // {
        contents = "copyToRoot";
        deps = "closure";
        ensuredirs = "use files = [ { directory = true; destination = …; } ]";
        fromimage = "base";
        fromtar = "use files = [ { tar = …; destination = …; } ]";
        maxlayers = "use ociClosureLayers";
      };
    ociClosureLayers.hints = {
      contents = "closure";
      copytoroot = "use ociLayerTar";
      deps = "closure";
      files = "use ociLayerTar";
      fromimage = "base";
      layers = "without";
    };
    ociImageConfig.hints = configuration.advice "extraConfig.config" // {
      config = "set extraConfig.config";
      fromimage = "base";
    };
    ociImageManifest.hints = configuration.advice "extraConfig.config" // {
      annotations = "set extraManifest.annotations";
      fromimage = "base";
    };
    ociImageLayout.hints = {
      images = "manifests";
      tag = "set manifests = { TAG = image; }";
    };
    ociPullImage.hints = pull // {
      finalimagename = "remove it; an image built on this one has its own name";
      finalimagetag = "tag";
      sha256 = "hash";
    };
    ociPullImageFromManifest.hints = pull // {
      imagemanifest = "manifest";
    };
    ociMakeImage = {
      types = {
        modules = list;
        nixos = any;
        specialArgs = set;
      };
      hints = each "set image.name, image.tag and so on in a module: modules = [ { image.name = …; } ]" [
        "name"
        "tag"
        "image"
        "config"
      ];
    };
    ociFiles.types.files = listOf "a list of files" files.inPackage;
    ociVerify.hints.image = "layout";
    ociProvenance = {
      types = {
        builderId = text;
        image = any;
        parameters = set;
      };
      hints = {
        builder = "builderId";
        layout = "image";
      };
    };
    ociCheckImage = {
      types = {
        policy = any;
        tag = text;
      };
      hints = {
        image = "layout";
        policies = "policy";
      };
    };
    ociScanImage = {
      types = {
        arguments = texts;
        config = text;
        format = text;
        image = base;
        package = any;
        tool = oneOf (builtins.attrNames (import ../ociScanImage/tools.nix));
      };
      hints = {
        layout = "image";
        policy = "config";
      };
    };
    ociTestImage = {
      types = {
        image = base;
        script = text;
        user = int;
        packages = list;
      };
      hints = {
        layout = "image";
        testscript = "script";
      };
    };
  };
  pull = {
    imagetag = "write the tag in imageName, as in \"docker.io/library/alpine:3.20\"";
    registryurl = "write the registry in imageName, as in \"ghcr.io/me/app\"";
    tlsverify = "set plainHttp = true for HTTP without TLS; a certificate is always verified";
  };
in
{
  # The function of this name, which checks its arguments.
  checked =
    name:
    let
      of = ofFunction.${name} or { };
      open = of.open or false;
    in
    check.function {
      inherit name open;
      types = if open then { } else types // of.types or { };
      hints = of.hints or { };
    };
}
