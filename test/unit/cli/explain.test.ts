import {describe, expect, it, vi} from 'vitest';
import type {Explanation} from '../../../api/pipeline/explain.ts';
import {runWith} from './run-command.ts';

const common = {component: 'root_fs', description: '', needs: []};
const digest = (digit: string) => digit.repeat(64);
const explanation: Explanation = {
  volume: 'hypriot-artifacts',
  steps: [
    {
      ...common,
      step: 'base_image',
      action: 'hit',
      reasons: [],
      inputs: [{kind: 'setting', name: 'base_image.mirror', value: '', changed: false}],
    },
    {
      ...common,
      step: 'root_fs.packages',
      action: 'run',
      reasons: ['root_fs.packages "a b" → "a c"', 'base image 1 → 2'],
      inputs: [
        {
          kind: 'setting',
          name: 'root_fs.packages',
          variable: 'PACKAGES',
          before: `curl ${'nano '.repeat(20)}vim`,
          value: `curl ${'nano '.repeat(20)}zsh`,
          changed: true,
        },
        {kind: 'base-image', name: 'base image', before: digest('1'), value: digest('2'), changed: true},
        {kind: 'epoch', name: 'SOURCE_DATE_EPOCH', before: '1', value: '1', changed: false},
      ],
      comparedWith: {fingerprint: digest('f'), createdAt: '2026-11-20T17:10:00.000Z'},
    },
    {
      ...common,
      step: 'root_fs',
      action: 'run',
      reasons: ['needs root_fs.packages, which has to run first'],
      inputs: [
        {
          kind: 'setting',
          name: 'root_fs.hostname',
          variable: 'HYPRIOT_HOSTNAME',
          before: 'black-pearl',
          value: 'reef',
          changed: true,
        },
        {kind: 'setting', name: 'root_fs.password', before: '(secret)', value: '(secret)', changed: true},
        {kind: 'setting', name: 'root_fs.target', variable: 'BUILD_ARCH', value: 'arm64', changed: false},
        {kind: 'setting', name: 'root_fs.target', variable: 'VARIANT', value: 'debian', changed: false},
        {kind: 'input', name: 'root_fs.packages', changed: false},
      ],
    },
  ],
};

describe('explain', () => {
  it('shows every input, and both values of what changed', async () => {
    const explain = vi.fn(() => Promise.resolve(explanation));
    const {stdout, exitCode} = await runWith({explain}, ['explain', 'root_fs', '-t', 'out']);
    expect(stdout).toMatchInlineSnapshot(`
      "✔ base_image  stored
          setting  base_image.mirror  ""

      ▸ root_fs.packages  run
        compared with ffffffffffff of 2026-11-20 17:10 UTC
        ▸  setting  root_fs.packages   "… vim …" → "… zsh …"
        ▸  tools    base image         111111111111 → 222222222222
           time     SOURCE_DATE_EPOCH  1

      ▸ root_fs  run
        needs root_fs.packages, which has to run first
        ▸  setting  root_fs.hostname             "black-pearl" → "reef"
        ▸  setting  root_fs.password             (secret) → (secret)
           setting  root_fs.target (BUILD_ARCH)  "arm64"
           setting  root_fs.target (VARIANT)     "debian"
           from     root_fs.packages             (not known before it has run)

      2 of 3 steps would run; volume hypriot-artifacts
      "
    `);
    expect(exitCode).toBe(0);
    expect(explain).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({components: ['root_fs'], target: 'out'}),
    );
  });

  it('prints JSON', async () => {
    const {stdout} = await runWith({explain: () => Promise.resolve(explanation)}, ['explain', '--json']);
    expect(JSON.parse(stdout)).toEqual(explanation);
  });
});
