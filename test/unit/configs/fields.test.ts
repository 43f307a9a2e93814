import {describe, expect, it} from 'vitest';
import {UserConfigs, type ComponentName} from '../../../configs/schema.ts';

const digest = 'a'.repeat(64);

/** Whether a field takes a value. */
function accepts(component: ComponentName, field: string, value: unknown): boolean {
  return UserConfigs.safeParse({[component]: {[field]: value}}).success;
}

interface Case {
  readonly component: ComponentName;
  readonly field: string;
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

const cases: readonly Case[] = [
  {
    component: 'root_fs',
    field: 'image',
    good: [
      'a',
      'root-fs',
      'me/root-fs',
      'me/root_fs:v1.0',
      'a__b/c--d:_x',
      'registry.example:5000/me/root-fs:latest',
      'localhost/x',
      `x:${'t'.repeat(128)}`,
    ],
    bad: [
      '',
      ' ',
      'Root',
      'me/Root',
      'a b',
      'a:',
      'a:-x',
      'a::b',
      '/a',
      'a/',
      'a//b',
      'a..b',
      'a___b',
      '-a',
      'a-',
      'a\n',
      `a@sha256:${digest}`,
      `x:${'t'.repeat(129)}`,
      'a'.repeat(256),
      'a:b; rm -rf /',
      7,
      null,
    ],
  },
  {
    component: 'base_image',
    field: 'from',
    good: [
      `debian@sha256:${digest}`,
      `debian:trixie-slim@sha256:${digest}`,
      `reg.example:5000/a/b:c@sha256:${digest}`,
    ],
    bad: [
      'debian:trixie-slim',
      `debian@sha256:${digest.slice(1)}`,
      `debian@sha256:${digest}a`,
      `debian@sha256:${digest.toUpperCase()}`,
      `@sha256:${digest}`,
      `debian@sha512:${digest}`,
      `debian@sha256:${digest}\n`,
    ],
  },
  {
    component: 'root_fs',
    field: 'mirror',
    good: [
      '',
      'http://mirror.example',
      'https://mirror.example:8080/debian/',
      'http://10.0.0.1:3142/deb.example/debian',
      'https://snapshot.example/archive/debian/20260101T000000Z/',
    ],
    bad: [
      ' ',
      'mirror.example',
      'ftp://mirror.example',
      'file:///srv/mirror',
      'http://',
      'http://a b',
      'http://a/\nb',
      'http://a [trusted=yes]',
      'http://me:secret@mirror.example',
      'http://a?b',
      'http://a#b',
      "http://a'b",
      'http://a$(b)',
      'http://a:99999/',
      `http://${'a'.repeat(3000)}`,
      null,
    ],
  },
  {
    component: 'root_fs',
    field: 'hostname',
    good: ['a', 'black-pearl', 'Black-Pearl2', '3com', 'pearl.example', 'a'.repeat(63)],
    bad: ['', 'black pearl', 'black_pearl', '-a', 'a-', 'a..b', '.a', 'a.', 'é', 'a\n', 'a'.repeat(64), 5],
  },
  {
    component: 'root_fs',
    field: 'username',
    good: ['pirate', '_p', 'p2-x_y', 'a'.repeat(32), 'pi'],
    bad: [
      '',
      'Pirate',
      '2pirate',
      '-p',
      'p.q',
      'p q',
      'p$',
      'p:q',
      'p\n',
      'a'.repeat(33),
      'root',
      'www-data',
      '_apt',
      'nobody',
    ],
  },
  {
    component: 'root_fs',
    field: 'groupname',
    good: ['pirate', '_p', 'crew'],
    bad: ['', 'root', 'sudo', 'users', 'nogroup', 'Crew', 'a'.repeat(33)],
  },
  {
    component: 'root_fs',
    field: 'password',
    good: [
      'hypriot',
      ' spaces inside and around ',
      'p:q#$%"\'\\`',
      'пароль🏴‍☠️',
      '$money',
      '$$$',
      'x'.repeat(512),
      `$5$salt$${'a'.repeat(43)}`,
      `$6$rounds=10000$salt$${'a'.repeat(86)}`,
      `$y$j9T$salt$${'a'.repeat(43)}`,
    ],
    bad: [
      '',
      'a\nb',
      'a\rb',
      'a\0b',
      'a\u001bb',
      'a\ud800b',
      'é'.repeat(257),
      'x'.repeat(513),
      '$6$salt$short',
      '$y$',
      `$1$salt$${'a'.repeat(22)}`,
      `$2b$12$${'a'.repeat(53)}`,
      42,
      null,
      ['hypriot'],
    ],
  },
  {
    component: 'root_fs',
    field: 'version',
    good: ['v1.0.0', '1', 'a_b-c.d', 'x'.repeat(128)],
    bad: ['', '.hidden', '-x', '../x', 'a/b', 'a b', 'a\n', 'x'.repeat(129), 1],
  },
  {
    component: 'root_fs',
    field: 'suite',
    good: ['trixie', 'sid', 'trixie-backports'],
    bad: ['', 'Trixie', 'trixie main', '../x', '13', 'trixie\n'],
  },
  {
    component: 'root_fs',
    field: 'packages',
    good: [[], ['vim'], ['g++', 'libstdc++6', 'python3.13', '0ad']],
    bad: [
      'vim',
      {},
      null,
      ['Vim'],
      ['v'],
      ['vim=1'],
      ['vim:arm64'],
      ['vim/sid'],
      ['vim-'],
      ['-y'],
      ['vim nano'],
      ['vim', 3],
      ['a'.repeat(129)],
    ],
  },
  {
    component: 'root_fs',
    field: 'locale',
    good: ['C', 'POSIX', 'C.UTF-8', 'de_DE.UTF-8', 'de_DE', 'ca_ES.UTF-8@valencia', 'fil_PH.UTF-8'],
    bad: ['', 'de', 'de_DE.utf8', 'de_DE.ISO-8859-1', '../x', 'de_DE;id', 'de_DE.UTF-8\n', null],
  },
  {
    component: 'root_fs',
    field: 'timezone',
    good: ['Etc/UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'UTC', 'Etc/GMT-3'],
    bad: [
      '',
      'Berlin',
      'Europe/Atlantis',
      '/etc/passwd',
      '../../etc/passwd',
      'europe/berlin',
      'Europe/Berlin\n',
      2,
    ],
  },
  {
    component: 'root_fs',
    field: 'keyboard',
    good: ['', 'us', 'de(nodeadkeys)', 'latam', 'fr(bepo_afnor)'],
    bad: ['de nodeadkeys', 'de()', 'DE', 'de(x', 'a', 'de(a)b', '$(id)', 'de\n'],
  },
  {
    component: 'root_fs',
    field: 'variant',
    good: ['apt', 'minbase', 'important', 'standard'],
    bad: ['', 'raspbian', 'buildd', null],
  },
  {component: 'root_fs', field: 'scripts', good: [[], ['a.sh', 'b/c d.sh']], bad: ['a.sh', ['']]},
  {component: 'root_fs', field: 'scripts_network', good: [true, false], bad: ['true', 1, null]},
  {component: 'root_fs', field: 'remove_packages', good: [[], ['nano']], bad: [['nano-'], 'nano']},
  {
    component: 'root_fs',
    field: 'target',
    good: ['arm64-debian', 'armhf-debian', 'armhf-raspbian', 'mips', 'amd64', 'i386'],
    bad: ['', 'arm64', 'ARM64-debian', 'toString', null],
  },
  {component: 'blank_image', field: 'device', good: ['rpi', 'odroid'], bad: ['', 'RPI', 'rpi4', 3]},
  {
    component: 'blank_image',
    field: 'size',
    good: ['2GiB', '65536MB', 'auto'],
    bad: ['2G', '2 GiB', 2147483648, '', 'autox', 'Auto'],
  },
  {component: 'blank_image', field: 'reserve', good: ['256MiB'], bad: ['auto', '', '1G']},
  {component: 'blank_image', field: 'layout', good: ['single', 'ab'], bad: ['', 'AB', 'abc']},
  {component: 'blank_image', field: 'alignment', good: ['1MiB', '4MiB'], bad: ['3MiB', '64MiB', 4194304, '']},
  {
    component: 'root_fs',
    field: 'repo',
    good: ['builtin'],
    bad: ['', 'https://github.com/hypriot/os-rootfs.git', 'git@github.com:a/b', null],
  },
  {component: 'rpi_kernel', field: 'source', good: ['debian'], bad: ['git', '', 'Debian']},
  {
    component: 'rpi_kernel',
    field: 'branch',
    good: ['rpi-6.12.y', 'stable/x'],
    bad: ['', '-x', 'a b', 'a~1', 'x/'],
  },
  {
    component: 'rpi_kernel',
    field: 'kernel_repo',
    good: ['https://github.com/raspberrypi/linux', 'ssh://git@example.com/x'],
    bad: ['', 'linux', 'https://a b'],
  },
  {
    component: 'rpi_sd_image',
    field: 'docker_engine_version',
    good: ['debian', 'latest', '28.5.1', '5:28.5.1-1~debian.13~trixie', '26.1.5+dfsg1-9+b9', '18.03.0~ce'],
    bad: ['none', 'newest', '', 'v28', '28 5', '28;x', '28\n', 28],
  },
  {
    component: 'rpi_sd_image',
    field: 'docker_compose_version',
    good: ['debian', 'none', 'latest', '2.40.0-1~debian.13~trixie'],
    bad: ['newest', '', 'v2'],
  },
  {
    component: 'rpi_sd_image',
    field: 'docker_machine_version',
    good: ['none', '0.16.2'],
    bad: ['v0.16.2', 'debian', '', '0/../1'],
  },
  {
    component: 'rpi_sd_image',
    field: 'docker_machine_url',
    good: ['', 'https://a.test/v{version}/docker-machine-Linux-aarch64'],
    bad: ['ftp://a.test', 'https://a b', 'https://me:x@a.test/{version}', 'http://', "https://a'b"],
  },
  {
    component: 'rpi_sd_image',
    field: 'docker_repo',
    good: [
      {},
      {url: ''},
      {url: 'http://deb.test/x', key: 'docker.asc', suite: 'trixie', component: 'stable'},
    ],
    bad: ['', null, {url: 'deb.test'}, {key: '../x'}, {suite: 'Trixie'}, {component: ''}, {other: 1}],
  },
  {
    component: 'rpi_sd_image',
    field: 'cmdline',
    good: ['', 'quiet', 'quiet loglevel=3 systemd.log_level="info"', 'rootdelay=5'],
    bad: [' quiet', 'a  b', 'a\nb', 'root=/dev/sda1', 'quiet rootfstype=ext4', 'é', 'x'.repeat(1001), null],
  },
  {
    component: 'rpi_sd_image',
    field: 'config_txt',
    good: [[], ['[pi4]', 'arm_boost=1', '', '# comment']],
    bad: ['arm_boost=1', ['a\nb'], ['x'.repeat(99)], ['é'], [1]],
  },
  {
    component: 'rpi_sd_image',
    field: 'compression',
    good: [['none'], ['zip', 'zst', 'xz', 'none']],
    bad: [[], 'zip', ['zip', 'zip'], ['gz'], null],
  },
  {
    component: 'rpi_sd_image',
    field: 'preload',
    good: [[], [{archive: 'images/web.tar'}]],
    bad: ['web.tar', ['web.tar'], [{}], [{archive: ''}], [{archive: '/web.tar'}]],
  },
  {component: 'rpi_sd_image', field: 'compose', good: ['', 'compose.yaml'], bad: ['../compose.yaml', null]},
];

describe.each(cases)('$component.$field', ({component, field, good, bad}) => {
  it.each(good.map((value) => [value]))('accepts %j', (value) => {
    expect(accepts(component, field, value)).toBe(true);
  });

  it.each(bad.map((value) => [value]))('refuses %j', (value) => {
    expect(accepts(component, field, value)).toBe(false);
  });
});
