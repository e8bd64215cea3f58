# `deploy.kubernetes`: a folder with pod.json, and the parts of it that people put into manifests of their own.
{
  it,
  lib,
  ociFiles,
  ...
}:
let
  inherit (it.user) gid uid;
  isPath = lib.hasPrefix "/";
  lists = lib.filterAttrs (_: values: values != [ ]);

  securityContext = {
    runAsUser = uid;
    runAsGroup = gid;
    runAsNonRoot = uid != 0;
  }
  // lib.optionalAttrs it.readOnly { readOnlyRootFilesystem = true; }
  // lib.optionalAttrs it.noNewPrivileges { allowPrivilegeEscalation = false; }
  // lib.optionalAttrs (it.drop != [ ] || it.add != [ ]) {
    capabilities = lists { inherit (it) add drop; };
  }
  // lib.optionalAttrs it.isHardened {
    seccompProfile =
      if it.seccomp == null then
        { type = "RuntimeDefault"; }
      else if it.seccompFile == null then
        { type = "Unconfined"; }
      else
        {
          type = "Localhost";
          localhostProfile = it.seccompFile;
        };
  };

  # What is mounted where. Kubernetes does not know the volumes of an image.
  mounts =
    map (path: {
      inherit path;
      volume.emptyDir.medium = "Memory";
    }) it.tmpfs
    ++ map (path: {
      inherit path;
      volume =
        let
          source = it.mounts.${path} or null;
        in
        if source == null then
          { emptyDir = { }; }
        else if isPath source then
          { hostPath.path = source; }
        else
          { persistentVolumeClaim.claimName = source; };
    }) it.volumes;
  numbered = lib.imap0 (index: mount: mount // { name = "volume-${toString index}"; }) mounts;

  probe = {
    exec = { inherit (it.healthcheck) command; };
    periodSeconds = it.healthcheck.interval;
    timeoutSeconds = it.healthcheck.timeout;
    initialDelaySeconds = it.healthcheck.startPeriod;
    failureThreshold = it.healthcheck.retries;
  };

  name =
    if builtins.stringLength it.name > 63 then
      throw "oci-layout: deploy.kubernetes: the name ${it.name} has more than the 63 letters that Kubernetes allows; shorten the last part of the image name"
    else
      it.name;
  container = {
    inherit name;
    image = it.reference;
    imagePullPolicy = if it.isLocal then "Never" else "IfNotPresent";
    inherit securityContext;
  }
  // lib.optionalAttrs (it.healthcheck != null) { livenessProbe = probe; }
  // lists {
    ports = map (port: {
      containerPort = port.number;
      protocol = lib.toUpper port.protocol;
    }) it.listens;
    volumeMounts = map (mount: {
      inherit (mount) name;
      mountPath = mount.path;
    }) numbered;
  };
  ofPod =
    # The user of the container may write to volumes.
    lib.optionalAttrs (uid != 0 && it.volumes != [ ]) { fsGroup = gid; }
    // lib.optionalAttrs it.hasLowPort {
      sysctls = [
        {
          name = "net.ipv4.ip_unprivileged_port_start";
          value = "0";
        }
      ];
    };
  pod = {
    apiVersion = "v1";
    kind = "Pod";
    metadata = {
      inherit name;
      labels.app = name;
    };
    spec = {
      containers = [ container ];
      restartPolicy =
        {
          always = "Always";
          on-failure = "OnFailure";
          no = "Never";
        }
        .${it.restart};
    }
    // lib.optionalAttrs (ofPod != { }) { securityContext = ofPod; }
    // lists { volumes = map (mount: mount.volume // { inherit (mount) name; }) numbered; };
  };
in
ociFiles {
  name = "oci-kubernetes";
  files = [
    {
      destination = "/pod.json";
      text = builtins.toJSON pod + "\n";
    }
  ]
  ++ lib.optional (it.seccompFile != null) {
    destination = "/${it.seccompFile}";
    symlink = it.seccomp;
  };
  passthru = { inherit pod securityContext; };
}
