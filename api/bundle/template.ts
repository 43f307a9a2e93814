import type {BundleIdentity} from './names.ts';

/** A description with comments, valid as it is, for somebody who writes their first one. */
export function descriptionTemplate({id, version}: BundleIdentity): string {
  return `# Description of an update-agent bundle.
# Check it:  hypriotkit bundle validate ${id}_${version}.yaml
# Pack it:   hypriotkit bundle create -k key.pem ${id}_${version}.yaml EULA.txt

apiVersion: v1

# The bundle's identity: letters, digits and "-", and a version with three parts (SemVer).
id: ${id}
version: ${version}

name: ${id}
description: What this bundle is for.

# "base": a system has exactly one of them. "addon": any number.
type: addon

# Versions of the operating system that it can be installed on. "," or a space: both must hold; "||": one of them.
kukaLinuxVersion: '>=0.1.0'

# Every folder of the host that a container uses. It is created with mode 0775 when it is not there.
volumes:
  - name: data
    hostPath: /opt/${id}/data

# Run once, one after the other, before the containers, at installation and at update.
# When one fails or its time is over, everything is reverted.
initContainers:
  - timeout: 5m
    spec:
      name: ${id}-prepare
      image: registry.example/prepare:1.0.0
      volumes:
        - name: data
          dest: /data

# Run permanently, as services.
containers:
  - spec:
      name: ${id}
      # A tag that never moves, or a digest (name@sha256:…).
      image: registry.example/app:1.0.0
      volumes:
        - name: data
          dest: /data
          readOnly: true
      # Further fields, all optional: user, env, devices, capAdd, capDrop, network, dns, cmd, entrypoint, workingDir,
      # maxMemory, restart, tty.
      # env:
      #   LOG_LEVEL: info
      # devices:
      #   - /dev/ttyUSB0
    # Containers that must run first:
    # requires:
    #   - other-container
`;
}
