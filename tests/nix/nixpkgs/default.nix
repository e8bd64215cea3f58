# A stand-in for nixpkgs: what the flake and its templates use of it, made of static programs that the tests put beside
# this file, in `programs`. It shows how ours call nixpkgs, not that nixpkgs can build them.
{
  system ? builtins.currentSystem,
  crossSystem ? system,
  overlays ? [ ],
}:
let
  program =
    name:
    builtins.path {
      inherit name;
      path = ./programs + "/${name}";
    };

  busybox = "${program "busybox"}/bin/busybox";
  shell =
    name: attributes: script:
    derivation {
      inherit name system;
      builder = busybox;
      args = [
        "sh"
        "-euc"
        script
      ];
    }
    // attributes;
  says =
    name:
    shell "${name}-1.0" {
      pname = name;
      version = "1.0";
      meta = {
        mainProgram = name;
        description = "It says ${name}";
      };
    } "mkdir -p $out/bin; cp ${program "say"}/bin/say $out/bin/${name}";

  named =
    name: prefix: names:
    shell name { } ''
      mkdir -p $out/bin
      for name in ${names}; do ln -s ${busybox} $out/bin/${prefix}$name; done
    '';

  platform = system: {
    inherit system;
    isLinux = builtins.match ".*-linux" system != null;
    isDarwin = builtins.match ".*-darwin" system != null;
  };

  base = final: {
    stdenv = {
      hostPlatform = platform crossSystem;
      buildPlatform = platform system // {
        canExecute = host: host.system == system;
      };
    };
    buildPackages = if crossSystem == system then final else import ./. { inherit system overlays; };
    pkgsStatic = final // {
      rustPlatform = rustPlatform true;
    };
    rustPlatform = rustPlatform false;
    callPackage =
      file: arguments:
      let
        function = import file;
      in
      function (builtins.intersectAttrs (builtins.functionArgs function) final // arguments);
    installShellFiles = "a hook, which the stand-in for buildRustPackage below has anyway";
    lib = import ./lib;
    path = ./.;

    # A program of this machine, with its libraries.
    util-linux = shell "util-linux" { } ''
      mkdir -p $out/bin
      printf '#!%s sh\nexec %s/lib/ld-linux-x86-64.so.2 --library-path %s/lib %s/lib/unshare "$@"\n' \
        ${busybox} ${program "util-linux"} ${program "util-linux"} ${program "util-linux"} > $out/bin/unshare
      chmod +x $out/bin/unshare
    '';

    hello = says "hello";
    kubectl = says "kubectl";
    curl = says "curl";
    busybox = shell "busybox" { } ''
      mkdir -p $out/bin
      cp ${busybox} $out/bin/
      for name in $($out/bin/busybox --list); do
        test $name = busybox || ln -s busybox $out/bin/$name
      done
    '';
    # By a script, since busybox is a shell only by another name.
    bash = shell "bash" { } ''
      mkdir -p $out/bin
      printf '#!%s sh\nexec %s sh "$@"\n' ${busybox} ${busybox} > $out/bin/bash
      chmod +x $out/bin/bash
    '';
    bashInteractive = final.bash;
    # The programs that services need, by their names alone.
    s6 =
      named "s6" "s6-"
        "applyuidgid envdir setsid softlimit socklog svc svok svscan svscanctl svstat svwait supervise";
    execline =
      named "execline" ""
        "background backtick cd define emptyenv envfile execlineb exit export fdclose fdmove foreground forx if ifelse ifthenelse importas pipeline redirfd trap tryexec umask unexport wait";
    nixfmt-tree = says "nixfmt-tree";
    cargo = says "cargo";
    clippy = says "clippy";
    nixfmt = says "nixfmt";
    rustc = says "rustc";
    rustfmt = says "rustfmt";
    writeShellScriptBin =
      name: text:
      shell name { } ''
        mkdir -p $out/bin
        printf '#!%s sh\n' ${busybox} > $out/bin/${name}
        cat ${builtins.toFile name text} >> $out/bin/${name}
        chmod +x $out/bin/${name}
      '';
    writeTextDir =
      name: text: shell name { } "mkdir $out; cp ${builtins.toFile name text} $out/${name}";
    mkShell = { packages }: shell "shell" { inherit packages; } "mkdir $out";
    coreutils = shell "coreutils" { } ''
      mkdir -p $out/bin
      for name in env id sleep touch; do ln -s ${busybox} $out/bin/$name; done
    '';
    cacert =
      shell "cacert" { }
        "mkdir -p $out/etc/ssl/certs; echo certificates > $out/etc/ssl/certs/ca-bundle.crt";
  };

  # The program that the tests have built already, if nixpkgs could build this.
  rustPlatform = isStatic: {
    buildRustPackage =
      {
        pname,
        version,
        src,
        cargoLock,
        buildFeatures,
        nativeBuildInputs,
        postInstall,
        doCheck,
        doInstallCheck,
        installCheckPhase,
        meta,
      }@arguments:
      assert builtins.pathExists cargoLock.lockFile;
      assert builtins.elem crossSystem meta.platforms;
      shell "${pname}-${version}" (arguments // { inherit isStatic; }) ''
        test "$(cd ${src} && echo *)" = "Cargo.lock Cargo.toml src"
        mkdir -p $out/bin
        cp ${program "oci-layout"}/bin/oci-layout $out/bin/
        runHook() { :; }
        installShellCompletion() {
          test "$1 $2" = "--cmd oci-layout"
          shift 2
          mkdir -p $out/share/completions
          while test $# -gt 0; do
            cp "$2" "$out/share/completions/$1"
            shift 2
          done
        }
        installManPage() { mkdir -p $out/share/man/man1; cp "$@" $out/share/man/man1; }
        ${postInstall}
        ${if doInstallCheck then installCheckPhase else ""}
      '';
  };

  packages = builtins.foldl' (
    previous: overlay: previous // overlay packages previous
  ) (base packages) overlays;
in
packages
