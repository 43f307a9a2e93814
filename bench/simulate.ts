import {allSteps} from '../api/components/components.ts';
import {combineVariants, type StepNode} from '../api/pipeline/step-node.ts';
import {sortTopologically} from '../api/pipeline/graph.ts';
import {defaultConfigs} from '../configs/default-configs.ts';
import {Simulation, type SimulatedSwarm, type SimulatedStep} from './simulation.ts';

/**
 * What a swarm does with a matrix of variants that differ in their host name: the planner's own graph, with the times and
 * sizes of steps that were measured on one machine with two cores.
 *
 * usage: npm run simulate -- [variants] [nodes]      1000 and 50 by default
 */

/**
 * Seconds of work, and megabytes of the artifacts (of an image its packed forms). One run, idle machine. Of an image whose
 * like the registry has already, so much is sent: what is new to it (`npm run bench -- matrix`).
 */
const recorded: Readonly<
  Record<string, readonly [seconds: number, megabytes: number, newMegabytes?: number]>
> = {
  blank_image: [2, 2.2],
  'rpi_bootloader.resolve': [1.5, 0],
  rpi_bootloader: [3, 12.8],
  'rpi_kernel.resolve': [1.5, 0],
  rpi_kernel: [26, 112.8],
  'root_fs.resolve': [6, 0],
  'root_fs.packages': [24, 68.3],
  root_fs: [3.5, 76.7],
  'rpi_sd_image.resolve': [1.5, 0],
  'rpi_sd_image.docker': [14, 165.3],
  rpi_sd_image: [14.5, 668, 8.3],
};

/** Megabytes of packages that a step installs: fetched by its worker. */
const packages: Readonly<Record<string, number>> = {
  rpi_bootloader: 13,
  rpi_kernel: 105,
  'root_fs.packages': 82,
  'rpi_sd_image.docker': 170,
};

function graphOf(variants: number): readonly StepNode[] {
  const configs = defaultConfigs();
  const combined = combineVariants(
    Array.from({length: variants}, (_, index) => ({
      variant: `v${index}`,
      steps: sortTopologically(
        // Updates are made by the client.
        allSteps({...configs, root_fs: {...configs.root_fs, hostname: `pearl-${index}`}}).filter(
          ({client}) => client === undefined,
        ),
      ),
      lists: new Map(),
      previous: new Map(),
    })),
  );
  return combined.nodes;
}

function toStep({name, step, inputs, variants: of}: StepNode): SimulatedStep {
  const [seconds = 5, megabytes = 0, newMegabytes = megabytes] = recorded[step.name] ?? [];
  return {
    name,
    needs: [...inputs.values()],
    fetchedMegabytes:
      (packages[step.name] ?? 0) +
      [...inputs.keys()].reduce((sum, input) => sum + (recorded[input]?.[1] ?? 0), 0),
    seconds,
    sentMegabytes: of.includes('v0') ? megabytes : newMegabytes,
  };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const [variants = 1000, nodes = 50] = process.argv.slice(2).map(Number);
const usual: SimulatedSwarm = {
  nodes,
  slotsPerNode: 2,
  nodeMegabytes: 110,
  registryMegabytes: 1100,
  startSeconds: 1.5,
};
const cases: readonly (readonly [string, number, SimulatedSwarm])[] = [
  ['one node', 20, {...usual, nodes: 1}],
  ['10 nodes, registry with 10 Gbit/s', Math.min(variants, 100), {...usual, nodes: 10}],
  [`${nodes} nodes, registry with 1 Gbit/s`, variants, {...usual, registryMegabytes: 110}],
  [`${nodes} nodes, registry with 10 Gbit/s`, variants, usual],
  [`${nodes} nodes, blobs from 4 stores with 10 Gbit/s each`, variants, {...usual, registryMegabytes: 4400}],
  [
    `${2 * nodes} nodes, blobs from 4 stores`,
    variants,
    {...usual, nodes: 2 * nodes, registryMegabytes: 4400},
  ],
];
const columns = [
  'case',
  'variants',
  'steps',
  'minutes',
  'CPUs busy',
  'registry busy',
  'GB moved',
  'manager writes/s',
];
print(`| ${columns.join(' | ')} |`);
print(`|${columns.map(() => '---').join('|')}|`);
for (const [name, count, swarm] of cases) {
  const graph = graphOf(count);
  const {seconds, cpuBusy, registryBusy, gigabytes, writesPerSecond} = new Simulation(
    graph.map(toStep),
    swarm,
  ).run();
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  print(
    `| ${[
      name,
      count,
      graph.length,
      (seconds / 60).toFixed(1),
      percent(cpuBusy),
      percent(registryBusy),
      gigabytes.toFixed(0),
      writesPerSecond.toFixed(0),
    ].join(' | ')} |`,
  );
}
