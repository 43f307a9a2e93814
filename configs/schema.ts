import {z} from 'zod';
import * as card from './card-fields.ts';
import * as content from './content-fields.ts';
import * as field from './fields.ts';
import {findBrokenRules} from './rules.ts';
import * as system from './system-fields.ts';
import * as update from './update-fields.ts';

export {parseSize} from './size.ts';

/** What can be written in `root_fs.target`. */
export const rootFsTargets = [
  'arm64-debian',
  'armhf-debian',
  'armhf-raspbian',
  'mips',
  'amd64',
  'i386',
] as const;

/** What can be written in `blank_image.device`. */
export const devices = ['rpi', 'odroid'] as const;

/** What can be written in `source`. */
const sources = ['debian', 'git'] as const;

const gitOnly = 'Has an effect only with `source: "git"`.';

/** What can be written in `blank_image.layout`. */
export const layouts = ['single', 'ab'] as const;

const alignments = ['1MiB', '2MiB', '4MiB', '8MiB', '16MiB', '32MiB'] as const;

/** The fields that each component has for its build image. */
const buildImage = {
  image: field.image().meta({description: 'Name to give to the build image.'}),
  repo: field.buildImageSource().meta({
    description:
      'Where the build image comes from: "builtin", or <git url>[#<ref>[:<folder>]] of a repository in the shape of Hypriot\'s.',
  }),
};

const source = field.oneOf(sources).meta({
  description: 'Where the files come from: "debian", the packages of the Debian release, or "git".',
});

const mirror = field
  .mirror()
  .meta({description: "Address of the Debian mirror to install from; empty for Debian's own."});

/** The image that all other build images start from. */
export const BaseImage = z
  .strictObject({
    ...buildImage,
    from: field.pinnedImage().meta({
      description: 'The Debian image that the base image starts from, pinned by its digest (@sha256:…).',
    }),
    mirror,
  })
  .meta({description: 'Image used as a base to build all the other build images.'});

/** The root file system without a kernel and without Docker. */
export const RootFs = z
  .strictObject({
    ...buildImage,
    target: field.oneOf(rootFsTargets).meta({
      description:
        'Source of the root file system. Debian trixie has no port for armhf-raspbian and mips: they need a mirror.',
    }),
    hostname: field.hostname().meta({description: 'Host name that the system gives itself.'}),
    groupname: field.groupName().meta({description: "Name of the default user's group."}),
    username: field.userName().meta({description: 'Name of the default user.'}),
    password: field
      .password()
      .meta({description: "The default user's password, or its crypt hash ($5$…, $6$… or $y$…)."}),
    ssh_authorized_keys: system.sshAuthorizedKeys().meta({
      description: 'Public SSH keys that may log in as the default user: lines of .pub files.',
    }),
    locale: system.locale().meta({description: 'Language and formats of the system, as glibc names them.'}),
    timezone: system.timezone().meta({description: 'Time zone, as the tz database names it.'}),
    keyboard: system.keyboard().meta({
      description:
        'Keyboard layout, as XKB names it, with a variant in brackets; empty for that of the kernel (US).',
    }),
    version: field
      .fileVersion()
      .meta({description: 'Version tag of the file system; a part of the file names.'}),
    suite: field.suite().meta({description: 'Debian release to install.'}),
    mirror,
    keyring: system.localPath('a file with public keys').meta({
      description:
        "File beside configs.json with the public OpenPGP keys that sign the mirror; empty for Debian's own keys.",
    }),
    variant: system.installVariant().meta({
      description:
        'How much to install: "apt" (essential packages, apt and `packages`, nothing else), "minbase" (the base set that boots), "important", "standard" (the base set and all packages of that priority).',
    }),
    packages: field
      .packageNames()
      .meta({description: 'Debian packages to install in addition to the base set.'}),
    remove_packages: field.packageNames().meta({
      description: 'Packages that must not be installed, of the base set or as a dependency.',
    }),
    apt_sources: system.aptSources().meta({
      description: 'More package archives, for the build and for the device.',
    }),
    overlay: system.localPath('a folder').meta({
      description:
        'Folder beside configs.json that is laid over the root file system; `overlay.table` in it sets owners and modes. Empty for none.',
    }),
    scripts: system.scripts().meta({
      description:
        'Programs beside configs.json that run, one after the other, in the root file system when its packages are installed.',
    }),
    scripts_network: system.flag().meta({description: 'Whether the scripts have a network.'}),
  })
  .meta({description: 'Core root file system of the SD image.'});

/** The image file with partitions and nothing in them. */
export const BlankImage = z
  .strictObject({
    ...buildImage,
    device: field.oneOf(devices).meta({description: 'Device to tailor the partitions for.'}),
    layout: field.oneOf(layouts).meta({
      description:
        'Partitions: "single" (boot and root), or "ab" (boot and two root slots of one size, as otaclient expects them on a Raspberry Pi).',
    }),
    size: field.sizeOrAuto().meta({
      description:
        'Size of the whole image: "auto" for what the content of rpi_sd_image needs and `reserve`, or a multiple of `alignment`, at most 1TiB, with at least 256MiB for each root partition. Units: MiB, GiB, MB, GB.',
    }),
    reserve: field.size().meta({
      description: 'With size "auto": the room that each root partition has beside its content.',
    }),
    boot_size: field.size().meta({
      description:
        'Size of the boot partition: a multiple of `alignment` from 64MiB to 2GiB. Units: MiB, GiB, MB, GB.',
    }),
    alignment: field.oneOf(alignments).meta({
      description: 'Partitions start at a multiple of this: that of the erase blocks of the card.',
    }),
  })
  .meta({description: 'Blank image that holds the partitions of the SD image.'});

/** The firmware that starts the Raspberry Pi. */
export const RpiBootloader = z
  .strictObject({
    ...buildImage,
    source,
    firmware_repo: field.gitFolder().meta({
      description: `Git repository that holds the boot files, as <git url>[#<ref>[:<folder>]]; the folder is "boot" unless another is named. ${gitOnly}`,
    }),
  })
  .meta({description: 'Boot files for the Raspberry Pi.'});

/** The kernel, its modules and device trees. */
export const RpiKernel = z
  .strictObject({
    ...buildImage,
    source,
    kernel_repo: field.gitRepository().meta({description: `Git repository of the kernel. ${gitOnly}`}),
    branch: field.gitRef().meta({description: `Branch, tag or commit of kernel_repo to build. ${gitOnly}`}),
    defconfig: field
      .defconfig()
      .meta({description: `The kernel's own configuration to start from. ${gitOnly}`}),
    kernel_config: field
      .kernelOptions()
      .meta({description: `Lines that change the configuration, as "CONFIG_X=y". ${gitOnly}`}),
    ccache: z.boolean({error: 'must be true or false'}).meta({
      description: `Keeps what has been compiled in the package volume, so that the next kernel is quicker. ${gitOnly}`,
    }),
  })
  .meta({description: 'Raspberry Pi kernel, 64 bits.'});

/** Where Docker's own packages come from. */
const DockerRepo = z.strictObject(card.dockerRepoFields, {
  error: 'must be an object with url, key, suite and component',
});

/** The image to write to an SD card. */
export const RpiSdImage = z
  .strictObject({
    ...buildImage,
    docker_repo: DockerRepo.meta({
      description:
        "Package archive with Docker's own packages (docker-ce); without one, Debian's are installed.",
    }),
    docker_engine_version: field.packageVersion('debian', 'latest').meta({
      description:
        'Docker engine to install: "debian" for the Debian release\'s own, "latest" for the newest of docker_repo, or an exact version of docker_repo (of Debian\'s package where there is none).',
    }),
    docker_compose_version: field.packageVersion('debian', 'latest', 'none').meta({
      description:
        'Docker Compose to install: "debian", "latest" or an exact version as for docker_engine_version, or "none".',
    }),
    docker_machine_version: card.machineVersion().meta({
      description:
        'Docker Machine to install: "none", or a version with docker_machine_url and docker_machine_sha256. It has been end-of-life since 2021.',
    }),
    docker_machine_url: card.machineUrl().meta({
      description:
        'Address of the docker-machine program for arm64, with {version} where the version stands.',
    }),
    docker_machine_sha256: card.optionalSha256().meta({description: 'SHA-256 of that program.'}),
    preload: card.preload().meta({
      description: 'Docker images that the card has without a network: they are loaded at the first boot.',
    }),
    compose: system.localPath('a compose file').meta({
      description: 'Compose file beside configs.json that is started at each boot; empty for none.',
    }),
    cmdline: card
      .kernelParameters()
      .meta({description: 'More parameters for the command line of the kernel.'}),
    config_txt: card.configTxtLines().meta({
      description: "More lines for the firmware's config.txt; sections such as [pi4] may be among them.",
    }),
    compression: card.compression().meta({
      description:
        'The forms that the image is delivered in: "none" for the image itself, "zip", "zst", "xz".',
    }),
    version: field
      .fileVersion()
      .meta({description: 'Version tag to give the image; a part of the file names.'}),
  })
  .meta({description: 'Final SD image for the Raspberry Pi, 64 bits (root_fs.target arm64-debian).'});

/** The image with content for a device that has no network. */
export const ContentImage = z
  .strictObject({
    config: content.contentConfig().meta({
      description:
        'What the image is filled with: a YAML file beside configs.json, or the same fields here (output, oci_images, files, write_config, offspot). Its base is the image of rpi_sd_image. `hypriotkit content schema` describes the fields.',
    }),
    version: field
      .fileVersion()
      .meta({description: 'Version tag to give the image; a part of the file names.'}),
  })
  .meta({
    description:
      'The SD image filled with files, archives and container images. Built only where configs.json or the command names it.',
  });

/** What an update agent of its own installs. */
const UpdateAgentBundle = z.strictObject(update.updateAgentFields, {
  error: 'must be an object with description, files, images and layout',
});

/** Updates for devices that run the SD image. */
export const OtaBundler = z
  .strictObject({
    image: buildImage.image,
    repo: field
      .only('builtin', 'must be "builtin": there is no such repository')
      .meta({description: 'Where the build image comes from: "builtin".'}),
    outputs: update.outputs().meta({
      description:
        'What to make: "v1" (a signed OTA image), "legacy" (one in the old format), "offline_bundle" (the image for devices without a network), "update_agent_bundle".',
    }),
    version: field
      .fileVersion()
      .meta({description: 'Version of the update; a part of the file names and of the offline bundle.'}),
    ecus: update.ecus().meta({description: 'The ECUs that get the root file system.'}),
    release_key: field
      .oneOf(['dev', 'prd'])
      .meta({description: 'Whom the image is for: "dev" (development) or "prd" (production).'}),
    annotations: update.annotations().meta({
      description:
        'Annotations of the image, by key. `vnd.tier4.image.base-image`, `.os`, `.os.version` and the architecture have values if none is given.',
    }),
    bundle_filter: system.flag().meta({description: 'Whether small files are put together.'}),
    compress_filter: system.flag().meta({description: 'Whether files are compressed.'}),
    slice_filter: system.flag().meta({description: 'Whether large files are cut into slices.'}),
    sign_key: update.pem('a PEM file with a private key').meta({
      description:
        'EC P-256 key to sign with: a PEM file beside configs.json, or "env:NAME" for a variable that holds the PEM or the path of a file. Empty: the image is not signed.',
    }),
    sign_cert: update
      .pem('a PEM file with a certificate')
      .meta({description: 'The certificate of sign_key, given in the same ways.'}),
    ca_certs: update.caCertificates().meta({
      description:
        'The certificates above sign_cert, given in the same ways. Intermediates go into the signature; with a root among them, the chain must reach it.',
    }),
    update_agent_bundle: UpdateAgentBundle.meta({
      description: 'What goes into the update-agent bundle.',
    }),
  })
  .meta({
    description:
      'Updates for devices with the SD image. Built only where configs.json or the command names it.',
  });

/** The schema of each component, in the order of the graph: a component comes after all that it needs. */
export const componentSchemas = {
  base_image: BaseImage,
  root_fs: RootFs,
  blank_image: BlankImage,
  rpi_bootloader: RpiBootloader,
  rpi_kernel: RpiKernel,
  rpi_sd_image: RpiSdImage,
  content_image: ContentImage,
  'ota-bundler': OtaBundler,
} as const;

export type ComponentName = keyof typeof componentSchemas;

/** All components in the order of the graph. */
export const componentNames = Object.keys(componentSchemas) as readonly ComponentName[];

/** What is built where nobody says what: all but content and updates, which not everybody wants. */
export const defaultComponents: readonly ComponentName[] = componentNames.filter(
  (name) => name !== 'content_image' && name !== 'ota-bundler',
);

/** Whether `name` is one of {@link componentNames}. */
export function isComponentName(name: string): name is ComponentName {
  return Object.hasOwn(componentSchemas, name);
}

/** The fields of a component, in the order in which they are documented. */
export function fieldNames(component: ComponentName): readonly string[] {
  return Object.keys(componentSchemas[component].shape);
}

/** Every component with every field, and the rules between the fields of one component. */
export const Configs = z.strictObject(componentSchemas).superRefine((configs, context) => {
  for (const {field: path, message} of findBrokenRules(configs, [])) {
    context.addIssue({code: 'custom', path: [...path], message});
  }
});

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Item[]
  : T extends object
    ? {readonly [Key in keyof T]: Immutable<T[Key]>}
    : T;

/** Every component with every field. */
export type Configs = Immutable<z.infer<typeof Configs>>;

/** Field by field, as `root_fs.hostname`: what the values mean is checked in each variant. */
const Combinations = z.array(z.record(z.string(), z.unknown()));

/** Several configurations in one file; taken apart before anything else is read. */
const Matrix = z
  .object({
    include: Combinations.meta({
      description: 'More variants: the fields that differ from the rest of the file.',
    }),
    exclude: Combinations.meta({description: 'Combinations that are not built, by fields that they have.'}),
  })
  .partial()
  .catchall(z.array(z.unknown()).min(1))
  .meta({
    description:
      'Variants to build: by field, as "root_fs.hostname", the list of its values. Every combination is one variant.',
  });

/** What a person writes: any components, any of their fields. */
export const UserConfigs = z
  .strictObject({
    $schema: z.unknown().meta({type: 'string', description: 'Address of this schema, for editors; ignored.'}),
    matrix: Matrix,
    base_image: BaseImage.partial(),
    root_fs: RootFs.partial(),
    blank_image: BlankImage.partial(),
    rpi_bootloader: RpiBootloader.partial(),
    rpi_kernel: RpiKernel.extend({
      kernel_branch: field
        .gitRef()
        .meta({description: `Another name for branch. ${gitOnly}`, deprecated: true}),
    }).partial(),
    rpi_sd_image: RpiSdImage.extend({
      docker_repo: DockerRepo.partial().meta({description: RpiSdImage.shape.docker_repo.description ?? ''}),
    }).partial(),
    content_image: ContentImage.partial(),
    'ota-bundler': OtaBundler.extend({
      update_agent_bundle: UpdateAgentBundle.partial().meta({
        description: OtaBundler.shape.update_agent_bundle.description ?? '',
      }),
    }).partial(),
  })
  .partial();

/** What a person writes: any components, any of their fields. */
export type UserConfigs = Omit<Immutable<z.infer<typeof UserConfigs>>, 'matrix'>;
