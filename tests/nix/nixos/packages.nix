# A stand-in for the packages of nixpkgs, for the modules of a real NixOS: everything that they name is there. Texts
# and scripts are real, and all else is empty unless `real` has it.
{
  lib,
  # The names that the modules take from `pkgs`, with dots.
  names,
  # Builds a package from a name and a script of busybox.
  package,
  busybox,
  # Packages with programs.
  real,
}:
let
  # What derivations have, and packages of packages have not.
  ofDerivations = [
    "name"
    "pname"
    "version"
    "meta"
    "passthru"
    "override"
    "overrideAttrs"
    "out"
    "outPath"
    "src"
  ];
  attributesOf =
    name: self:
    {
      pname = name;
      version = "99";
      meta = {
        mainProgram = name;
        description = name;
        maintainers = [ ];
        platforms = [ ];
        license = { };
      };
      passthru = { };
      # Of nginx.
      modules = [ ];
      # Of postgresql.
      psqlSchema = "15";
      withoutJIT = self;
      # Of kernels.
      kernel = self;
      kernelAtLeast = _: true;
      kernelOlder = _: false;
      modDirVersion = "99";
      features = { };
      config = lib.genAttrs [ "isEnabled" "isYes" "isNo" "isModule" "isSet" "isDisabled" ] (_: _: true);
      # Of gitea and forgejo.
      data = self;
      # Of shells.
      shellPath = if name == "shadow" then "/bin/nologin" else "/bin/sh";
      override = _: self;
      overrideAttrs = _: self;
      overridePythonAttrs = _: self;
      extend = _: self;
      withPackages = _: self;
      withPlugins = _: self;
      buildEnv = _: self;
      src = self;
      type = "derivation";
    }
    // lib.genAttrs [
      "out"
      "p11kit"
      "unbundled"
      "bin"
      "lib"
      "dev"
      "man"
      "doc"
      "info"
      "nologin"
      "crypto"
    ] (_: self);
  fake =
    name: members:
    let
      self =
        package (lib.strings.sanitizeDerivationName name) "mkdir -p $out/bin"
        // attributesOf name self
        // members
        // {
          pkgs = members;
        };
    in
    self;

  # `a.b` is a member of `a`.
  tree = builtins.groupBy builtins.head (map (lib.splitString ".") names);
  members =
    paths:
    lib.filterAttrs (name: _: !(builtins.elem name ofDerivations)) (
      builtins.mapAttrs (name: paths: fake name (members (map builtins.tail paths))) (
        builtins.groupBy builtins.head (builtins.filter (path: path != [ ]) paths)
      )
    );
  fakes =
    lib.genAttrs unnamed (name: fake name { })
    // builtins.mapAttrs (name: paths: fake name (members (map builtins.tail paths))) (
      removeAttrs tree removed
    );
  # Names that modules put together.
  unnamed = [
    "perl"
    "rsync"
    "strace"
  ];
  # What modules take as a mistake of the user.
  removed = [ "nextcloud" ];

  made =
    name: script:
    let
      self = package (lib.strings.sanitizeDerivationName name) script // attributesOf name self;
    in
    self;
  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      ...
    }:
    made name ''
      target=$out${destination}
      mkdir -p "''${target%/*}"
      cat > "$target" <<'end of the text'
      ${text}
      end of the text
      ${if executable then "chmod +x \"$target\"" else ""}
    '';
  shell = "${busybox}/bin/sh";
  script = name: text: {
    inherit name;
    text = "#!${shell}\n${text}";
    executable = true;
  };
  value =
    lib.types.nullOr (
      lib.types.oneOf [
        lib.types.bool
        lib.types.int
        lib.types.float
        lib.types.str
        lib.types.path
        (lib.types.attrsOf value)
        (lib.types.listOf value)
      ]
    )
    // {
      description = "value";
    };
  format = _: {
    type = value;
    lib = { };
    generate =
      name: contents:
      writeTextFile {
        inherit name;
        text = builtins.toJSON contents;
      };
  };

  packages =
    fakes
    // {
      _type = "pkgs";
      __splicedPackages = packages;
      inherit lib;
      config = { };
      overlays = [ ];
      appendOverlays = _: packages;
      extend = _: packages;
      path = throw "the stand-in for packages has no path";
      system = builtins.currentSystem;
      stdenv = fake "stdenv" { } // rec {
        hostPlatform = lib.systems.elaborate builtins.currentSystem;
        buildPlatform = hostPlatform;
        targetPlatform = hostPlatform;
        inherit (hostPlatform)
          system
          isLinux
          isx86_64
          isAarch64
          isAarch32
          isDarwin
          isi686
          is64bit
          is32bit
          isBigEndian
          ;
        mkDerivation =
          arguments:
          if builtins.isFunction arguments then
            fake "derivation" { }
          else
            fake (arguments.pname or arguments.name) { };
        cc = fake "cc" {
          libc = fake "libc" { };
          bintools.dynamicLinker = "/lib/ld-linux.so";
        };
        inherit shell;
      };
      stdenvNoCC = packages.stdenv;
      hostPlatform = packages.stdenv.hostPlatform;
      buildPlatform = packages.stdenv.hostPlatform;
      targetPlatform = packages.stdenv.hostPlatform;
      buildPackages = packages;
      pkgsBuildBuild = packages;
      pkgsi686Linux = packages;
      pkgsStatic = packages;
      runtimeShell = shell;
      runtimeShellPackage = packages.bash;

      inherit writeTextFile;
      writeText = name: text: writeTextFile { inherit name text; };
      writeTextDir =
        path: text:
        writeTextFile {
          name = baseNameOf path;
          inherit text;
          destination = "/${path}";
        };
      writeScript =
        name: text:
        writeTextFile {
          inherit name text;
          executable = true;
        };
      writeShellScript = name: text: writeTextFile (script name text);
      writeScriptBin =
        name: text:
        writeTextFile {
          inherit name text;
          executable = true;
          destination = "/bin/${name}";
        };
      writeShellScriptBin =
        name: text: writeTextFile (script name text // { destination = "/bin/${name}"; });
      writeShellApplication =
        { name, text, ... }: writeTextFile (script name text // { destination = "/bin/${name}"; });
      writers = {
        writeNginxConfig = packages.writeText;
      }
      // lib.genAttrs [ "writeBash" "writePython3" "writeDash" ] (
        _: name: text:
        writeTextFile (script name text)
      )
      // lib.genAttrs [ "writeBashBin" "writePython3Bin" "writeDashBin" ] (
        _: name: text:
        writeTextFile (script name text // { destination = "/bin/${name}"; })
      );
      callPackage = _: _: fake "called" { };
      callPackages = _: _: { };
      replaceVars = path: _: fake (baseNameOf (toString path)) { };
    }
    // lib.genAttrs [ "concatText" "linkFarm" ] (
      _: name: _:
      fake name { }
    )
    // lib.genAttrs [ "runCommand" "runCommandCC" "runCommandLocal" ] (
      _: name: _: _:
      fake name { }
    )
    // lib.genAttrs [
      "buildEnv"
      "concatTextFile"
      "fetchFromGitHub"
      "fetchpatch"
      "fetchurl"
      "fetchzip"
      "makeDBusConf"
      "makeDesktopItem"
      "makeFontsConf"
      "replaceVarsWith"
      "substitute"
      "substituteAll"
      "symlinkJoin"
    ] (function: arguments: fake (arguments.name or function) { })
    // {
      formats = lib.genAttrs [
        "json"
        "yaml"
        "toml"
        "ini"
        "iniWithGlobalSection"
        "keyValue"
        "gitIni"
        "libconfig"
        "hocon"
        "javaProperties"
        "elixirConf"
        "pythonVars"
        "systemd"
        "lua"
        "php"
        "xml"
        "cdn"
        "hcl1"
      ] (_: format);
    }
    // builtins.mapAttrs (
      name: program:
      let
        self = program // attributesOf name self;
      in
      self
    ) real;
in
packages
