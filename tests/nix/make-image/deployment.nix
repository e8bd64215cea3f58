# How containers of an image run, as true statements about what evaluation decides.
{
  lib,
  make,
  named,
  pkgs,
  ...
}:
let
  configOf = image: image.manifest.extraConfig.config;
  daemon.command = [ "/bin/daemon" ];
  few = named { users.users.web = { }; };
  containerOf = image: builtins.head image.deploy.kubernetes.pod.spec.containers;
  serviceOfCompose =
    image: image.deploy.compose.project.services.box or image.deploy.compose.project.services.app;
  hardened =
    hardening:
    named {
      image.hardening = {
        enable = true;
      }
      // hardening;
    };
in
{
  hardening-is-off-by-default =
    builtins.attrNames few.config.image.labels == [ "org.opencontainers.image.title" ]
    &&
      (containerOf few).securityContext == {
        runAsUser = 65532;
        runAsGroup = 65532;
        runAsNonRoot = true;
      }
    &&
      few.deploy.quadlet.unit.Container == {
        Image = "docker.io/library/box:latest";
        Pull = "never";
      };
  hardening-changes-labels-alone =
    let
      config = image: removeAttrs (configOf image) [ "Labels" ];
      hardened = named {
        users.users.web = { };
        image.hardening.enable = true;
      };
    in
    config hardened == config few && hardened.manifest.drvPath != few.manifest.drvPath;
  hardening-restricts =
    (containerOf (hardened { })).securityContext == {
      runAsUser = 65532;
      runAsGroup = 65532;
      runAsNonRoot = true;
      readOnlyRootFilesystem = true;
      allowPrivilegeEscalation = false;
      capabilities.drop = [ "ALL" ];
      seccompProfile.type = "RuntimeDefault";
    };
  each-restriction-is-an-option =
    let
      image = hardened {
        readOnlyRootfs = false;
        noNewPrivileges = false;
        capabilities.drop = [ ];
        seccompProfile = "unconfined";
      };
    in
    removeAttrs (containerOf image).securityContext [
      "runAsUser"
      "runAsGroup"
      "runAsNonRoot"
    ] == {
      seccompProfile.type = "Unconfined";
    }
    && (serviceOfCompose image).security_opt == [ "seccomp:unconfined" ]
    && !(image.deploy.quadlet.unit.Container ? Tmpfs)
    && image.deploy.quadlet.unit.Container.SeccompProfile == "unconfined";
  capabilities-have-one-name =
    let
      image = hardened {
        capabilities.drop = [
          "cap_net_raw"
          "CAP_NET_RAW"
        ];
      };
    in
    image.deploy.quadlet.unit.Container.DropCapability == [ "NET_RAW" ]
    && !(image.config.image.labels ? "io.containers.capabilities");
  directories-in-memory-contain-others-but-not-volumes =
    (named {
      image.volumes = [ "/data" ];
      image.hardening = {
        enable = true;
        tmpfs = [
          "/var/cache/web"
          "/var/cache"
          "/data/cache"
          "/datas"
        ];
      };
    }).deploy.quadlet.unit.Container.Tmpfs == [
      "/datas:U"
      "/tmp:U"
      "/var/cache:U"
      "/var/cache/web:U"
    ];
  services-keep-what-they-need =
    let
      image = named {
        image.hardening.enable = true;
        s6.enable = true;
        s6.services.it = daemon // {
          directories = [ "/srv/it" ];
          ambientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        };
      };
      unit = image.deploy.quadlet.unit.Container;
    in
    unit.Tmpfs == [
      "/run"
      "/srv/it"
      "/tmp"
    ]
    && lib.last unit.AddCapability == "NET_BIND_SERVICE"
    && builtins.elem "SETUID" unit.AddCapability;
  a-directory-with-files-of-the-image-is-not-in-memory =
    (named {
      image.hardening.enable = true;
      environment.etc."it/it.conf".text = "";
      systemd.services.it = {
        serviceConfig = {
          ExecStart = "/bin/it";
          ConfigurationDirectory = "it";
          StateDirectory = "it";
        };
      };
    }).deploy.quadlet.unit.Container.Tmpfs == [
      "/run"
      "/tmp"
      "/var/lib/it"
    ];
  a-start-writes-to-memory-and-volumes =
    builtins.isString
      (named {
        image.hardening.enable = true;
        image.volumes = [ "/srv/it" ];
        s6.services.it = daemon // {
          files = [
            {
              source = ./.;
              path = "/run/it/key";
            }
          ];
        };
        systemd.tmpfiles.rules = [
          "d /var/lib/it"
          "L /var/lib/it/link - - - - /target"
          "f /srv/it/text 0644 root root - text"
        ];
      }).drvPath;
  services-of-one-user-keep-nothing =
    !(
      (named {
        image.isRoot = false;
        image.hardening.enable = true;
        s6.enable = true;
        s6.services.it = daemon;
      }).deploy.quadlet.unit.Container
        ? AddCapability
    );
  a-user-with-s6-keeps-nothing =
    !(
      (named {
        image.isRoot = true;
        image.user = "web";
        users.users.web = { };
        image.hardening.enable = true;
        s6.enable = true;
        s6.services.it = daemon;
      }).deploy.quadlet.unit.Container
        ? AddCapability
    );
  low-ports-need-a-setting =
    let
      hasSetting = image: (named { inherit image; }).deploy.quadlet.unit.Container ? Sysctl;
    in
    hasSetting { ports = [ 80 ]; }
    && hasSetting { ports = [ "53/udp" ]; }
    && !(hasSetting { ports = [ 1024 ]; })
    && !(hasSetting {
      ports = [ 80 ];
      isRoot = true;
    })
    && (named {
      image.ports = [ 80 ];
      s6.enable = true;
      s6.services.it = daemon;
    }).deploy.quadlet.unit.Container
      ? Sysctl;
  pods-list-a-port-once =
    (containerOf (named {
      image.ports = [
        80
        "80/tcp"
        "80/udp"
      ];
    })).ports == [
      {
        containerPort = 80;
        protocol = "TCP";
      }
      {
        containerPort = 80;
        protocol = "UDP";
      }
    ];
  only-names-of-registries-are-pulled =
    let
      ofName =
        name: pulls:
        let
          image = make { image = { inherit name; }; };
          container = containerOf image;
        in
        image.deploy.quadlet.unit.Container ? Pull == !pulls
        && (serviceOfCompose image) ? pull_policy == !pulls
        && container.imagePullPolicy == (if pulls then "IfNotPresent" else "Never");
      referenceOf =
        name:
        (containerOf (make {
          image = { inherit name; };
        })).image;
    in
    ofName "ghcr.io/me/app" true
    && ofName "registry:5000/app" true
    && ofName "me/app" false
    && ofName "localhost/app" false
    &&
      map referenceOf [
        "app"
        "me/app"
        "localhost/app"
        "ghcr.io/me/app"
      ] == [
        "docker.io/library/app:latest"
        "docker.io/me/app:latest"
        "localhost/app:latest"
        "ghcr.io/me/app:latest"
      ];
  pods-have-names-of-kubernetes =
    (containerOf (make {
      image.name = "ghcr.io/me/my_app.web";
    })).name == "my-app-web";
  pods-name-a-declared-user-by-its-number =
    (containerOf (named {
      image.user = "web";
      users.users.web = { };
    })).securityContext.runAsUser == 29631;
  programs-of-the-image-are-not-on-the-machine =
    let
      inherit
        (named {
          image.healthcheck.command = [ "${pkgs.hello}/bin/greet" ];
          image.hardening = {
            enable = true;
            seccompProfile = builtins.toFile "seccomp.json" "{}";
          };
        })
        deploy
        ;
      contextOf = folder: builtins.attrNames (builtins.getContext (builtins.toJSON folder.files));
    in
    contextOf deploy.quadlet == contextOf deploy.compose
    && builtins.length (contextOf deploy.compose) == 1
    && lib.hasInfix (builtins.unsafeDiscardStringContext "${pkgs.hello}/bin/greet") deploy.quadlet.unit.Container.HealthCmd;
  flavours-are-deployed-by-their-tags =
    (containerOf
      (named {
        image.flavours.other = { };
      }).flavours.other
    ).image == "docker.io/library/box:latest-other";
  # A test with a real NixOS shows what becomes of the first.
  modules-of-machines-load-the-layout =
    let
      image = named {
        image.hardening.enable = true;
        image.deploy.restart = "no";
      };
      machine = {
        inherit lib;
        pkgs = {
          coreutils = "/coreutils";
          skopeo = "/skopeo";
        };
        config.virtualisation.oci-containers = {
          backend = "podman";
          containers.box.serviceName = "boxed";
        };
      };
      nixos = image.deploy.nixosModule machine;
      home = (image.deploy.homeManagerModule machine).services.podman.containers.box;
      load = "${image.copyToPodman}/bin/copy-to-podman";
    in
    builtins.elem "--read-only" nixos.virtualisation.oci-containers.containers.box.extraOptions
    && nixos.systemd.services.boxed.serviceConfig.ExecStartPre.content == [ load ]
    && home.image == "docker.io/library/box:latest"
    && home.extraConfig.Container.Pull == "never"
    && home.extraConfig.Container.Tmpfs == [ "/tmp:U" ]
    && home.extraConfig.Service.Restart == "no"
    && lib.hasSuffix " ${load}" home.extraConfig.Service.ExecStartPre;
  nothing-is-interpolated =
    let
      image = named { image.deploy.volumes."/data" = "/srv/$HOME/100%"; };
      text = folder: (builtins.head folder.files).text;
    in
    lib.hasInfix "\nVolume=/srv/$$HOME/100%%:/data\n" (text image.deploy.quadlet)
    && lib.hasInfix ''"source":"/srv/$$HOME/100%"'' (text image.deploy.compose)
    && lib.hasInfix ''{"path":"/srv/$HOME/100%"}'' (text image.deploy.kubernetes);
}
