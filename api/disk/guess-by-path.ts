/** Files that are known to differ between two systems, and why. The first match counts. */
const causesByPath: readonly (readonly [RegExp, string])[] = [
  [
    /^\/etc\/ssh\/ssh_host_/,
    'an SSH host key: it belongs to one machine and is to be made at its first boot',
  ],
  [/^\/(etc|var\/lib\/dbus)\/machine-id$/, 'a machine id: it is to be made at the first boot'],
  [/random-seed$/, 'a random seed: it is to be made at the first boot'],
  [/\.py[co]$|\/__pycache__\//, 'byte code of Python: it carries the time of its source'],
  [/^\/etc\/g?shadow-?$/, 'a password: its salt, or the day of its last change'],
  [/^\/var\/cache\/ldconfig\/aux-cache$/, 'a cache of ldconfig: it has times and inodes of the libraries'],
  [/^\/var\/log\//, 'a log: it has the times of the build'],
  [/^\/var\/lib\/systemd\/catalog\/database$/, 'the message catalog of systemd: it has a random id'],
  [/^\/etc\/resolv\.conf$/, 'the name servers of the build machine'],
  [/^\/etc\/host(name|s)$/, 'a host name'],
  [/^\/var\/(lib\/apt\/lists|cache\/apt)\//, 'what apt has downloaded: the mirror has moved on'],
  [
    /^\/var\/lib\/dpkg\/(status|available)/,
    'other versions of packages, or another order of their installation',
  ],
  [
    /^\/etc\/ld\.so\.cache$/,
    'the cache of ldconfig: the libraries differ, or the order in which they were found',
  ],
  [/^\/var\/cache\/man\//, 'the index of man pages: it has times'],
  [/fontconfig.*\.cache-/, 'a cache of fontconfig: it has times of folders'],
  [/(^|\/)packages\.tsv$/, 'a package of another version: the mirror has moved on'],
];

/** Judges by the name alone. Only contents and existence: the mode of a log says nothing about its lines. */
export function causeByPath(file: string, what: string): string | undefined {
  if (what !== 'content' && what !== 'existence') return undefined;
  return causesByPath.find(([pattern]) => pattern.test(file))?.[1];
}
