/** Every label that hypriotkit puts on what it makes. All clean-up goes by label, never by name. */
export const label = {
  /** Id of the run that made it. */
  run: 'org.hypriotkit.run',
  /** What a container is for: `attendant`, `step`, `binfmt`, `probe`, `boot`. */
  role: 'org.hypriotkit.role',
  /** Id of the volume that the run works on. */
  volume: 'org.hypriotkit.volume',
  /** The step that a container or a work folder belongs to. */
  step: 'org.hypriotkit.step',
  /** Who runs it, for messages to others: `user@host, process 123`. */
  owner: 'org.hypriotkit.owner',
  /** On images: what a build image is, as `base_image`. */
  image: 'org.hypriotkit.image',
  /** On build images: digest over what they are made from. */
  source: 'org.hypriotkit.source',
  /** On the base image: digest over its packages and its build context. */
  identity: 'org.hypriotkit.identity',
  /** On the base image: date of the package archive, in seconds since 1970. */
  archiveDate: 'org.hypriotkit.archive-date',
  /** On the base image: digest over the list of its packages. */
  packages: 'org.hypriotkit.packages',
  /** On build images of repositories: what they need privileges for, in words. */
  privileges: 'org.hypriotkit.privileges',
  /** On named volumes: what they hold; the key is that of hypriot-kit. */
  content: 'content',
} as const;

/** Value of {@link label.content} on every artifact volume. */
export const contentLabelValue = 'hypriot-os';

/** The same on every volume that keeps packages. */
export const packagesLabelValue = 'debian-packages';
